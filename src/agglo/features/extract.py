"""Extraction: every teacher looks once at every view of the pool; what it sees goes into the store, block by block.

Blocks that are there are left alone, so the same command goes on after a kill, and a new teacher costs only its own column. A coded
column has its pilot first. How a teacher looks is `looking`, what happens at the same time is `pipeline`.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import torch

from agglo.core.locks import locked
from agglo.core.progress import Progress, silent
from agglo.core.share import ALL, Share
from agglo.features.codec import Storage
from agglo.features.column import Column
from agglo.features.looking import Looker, ReadyTeacher
from agglo.features.online import OnlineColumn, folder_of
from agglo.features.pilot import Pilot
from agglo.features.pipeline import Job, work_off
from agglo.features.pool import Pool
from agglo.features.precision import is_answered, require_safe
from agglo.features.store import FeatureStore

_log = logging.getLogger(__name__)
Work = tuple[str, int]  # a column's name, and a block's number


@dataclass(frozen=True)
class Effort:
    """What an extraction took: seconds in all, and of them in the teachers' own forward passes."""

    blocks: int
    wall_s: float
    forward_s: float


def fill_store(
    pool: Pool,
    sources: Mapping[str, ReadyTeacher],
    folder: Path,
    *,
    storage: Storage | None = None,
    looker: Looker | None = None,
    share: Share = ALL,
    progress: Progress = silent,
) -> tuple[FeatureStore, Effort]:
    """Fill the store in `folder` with whatever of `sources` is missing in it: pilots first, then blocks.

    Several processes may fill one store at the same time, each with its `share`: block `b` of column `c` belongs to one of them
    whatever is there already, so nothing is looked at twice. Nobody waits for anybody, but for pilots, which one makes for all.

    Args:
        pool: the views to look at.
        sources: teachers by the name of their column.
        folder: of the store; made if absent.
        storage: how features are kept; plain fp16 by default.
        looker: where the teachers run, and at how many pictures at once; the CPU by default.
        share: the blocks of this process; all of them by default.
        progress: told after every pilot's portion and every block, of these with the time that the missing ones of each teacher
            will take by those before them.

    Raises:
        StoreError: the folder holds other samples, or a column made from other weights or kept otherwise.
        FeatureMismatch: codes are wanted of features that do not vary.
    """
    looker = looker or Looker(torch.device("cpu"))
    began, filler = time.monotonic(), Filler(pool, sources, folder, looker, storage)
    filler.settle(progress)
    work = filler.missing(share)
    filler.fill(work, progress)
    return FeatureStore.open(folder), Effort(len(work), time.monotonic() - began, looker.forward_s)


class Filler:
    """A store being filled: which blocks are missing, and how they are made."""

    def __init__(
        self,
        pool: Pool,
        sources: Mapping[str, ReadyTeacher],
        folder: Path,
        looker: Looker,
        storage: Storage | None = None,
        online: Mapping[str, ReadyTeacher] | None = None,
    ) -> None:
        """Open or make the store in `folder` and a column for each of `sources`; of `online` teachers there are statistics alone.

        Raises:
            StoreError: the folder holds other samples, or a column made from other weights or kept otherwise.
            FeatureMismatch: a teacher that is to look in bfloat16 sees too much else than in float32.
        """
        store = FeatureStore.create(folder, pool.samples)
        storage, online = storage or Storage(), online or {}
        self.pool, self.sources, self.looker, self.folder = pool, {**sources, **online}, looker, folder
        self._require_safe({name: store.folder / "columns" / name for name in sources})
        self._require_safe({name: folder_of(store.folder, name) for name in online})
        self.online = {name: _online(store, name, source, storage) for name, source in online.items()}
        self.columns = {name: _column(store, name, source, storage) for name, source in sources.items()}

    def _require_safe(self, folders: Mapping[str, Path]) -> None:
        """Ask for teachers in bfloat16 whether they may, before a column of theirs is made; of several processes one asks."""
        doubtful = [name for name in folders if not is_answered(folders[name], self.sources[name])]
        if not doubtful:
            return
        with locked(self.folder / ".pilot.lock", on_wait=_wait_for_pilot):
            for name in doubtful:
                require_safe(folders[name], name, self.pool, self.sources[name], self.looker)

    def settle(self, progress: Progress = silent) -> None:
        """Make the pilots of coded columns and online teachers that lack theirs; of several processes one does it, the others wait.

        Raises:
            FeatureMismatch: features of a pilot do not vary.
        """
        coded = {name: Pilot(column) for name, column in self.columns.items() if column.spec.storage.is_coded}
        pilots = {**coded, **{name: Pilot(column) for name, column in self.online.items()}}
        if not any(pilot.is_open for pilot in pilots.values()):
            return
        with locked(self.folder / ".pilot.lock", on_wait=_wait_for_pilot):
            names = sorted(pilots, key=self._eyes.__getitem__)
            missing = [(portion, name) for name in names for portion in pilots[name].missing()]
            jobs = [
                Job(
                    name,
                    self.sources[name],
                    pilots[name].portions[portion],
                    partial(pilots[name].write, portion),
                )
                for portion, name in sorted(missing, key=lambda each: each[0])
            ]
            work_off(
                self.pool,
                jobs,
                self.looker,
                lambda done, seconds: progress(done, len(jobs), f"{jobs[done - 1].name} pilot"),
            )
            for pilot in pilots.values():
                pilot.freeze()

    def missing(self, share: Share = ALL) -> list[Work]:
        """Return the missing blocks of a share, block by block: what several teachers look at is rendered for all of them at once,
        and it is known early how long each takes. What one look gives is one process's, one behind the other."""
        missing = [
            (block, self._eyes[name], name)
            for name, column in self.columns.items()
            for block in column.missing_blocks()
            if share.takes(self._eyes[name] * column.num_blocks + block)
        ]
        return [(name, block) for block, _, name in sorted(missing, key=lambda each: each[:2])]

    @cached_property
    def _eyes(self) -> dict[str, int]:
        """A number for each column, the same for those that one look fills, in the order in which they are first named."""
        eyes = list(dict.fromkeys(source.eye for source in self.sources.values()))
        return {name: eyes.index(source.eye) for name, source in self.sources.items()}

    def fill(self, work: Sequence[Work], progress: Progress = silent) -> None:
        """Make the blocks of `work` in this order."""
        pace = Pace(self.columns)
        jobs = [
            Job(name, self.sources[name], column.block_range(block), partial(column.write_block, block))
            for name, block in work
            for column in [self.columns[name]]
        ]

        def tell(done: int, seconds: float) -> None:
            job = jobs[done - 1]
            pace.note(job.name, len(job.samples), seconds)
            progress(done, len(jobs), job.name, left_s=pace.left_s(work[done:]))

        work_off(self.pool, jobs, self.looker, tell)


def _wait_for_pilot(holder: str) -> None:
    _log.warning("waiting for %s, which makes the pilot", holder)


def _online(store: FeatureStore, name: str, source: ReadyTeacher, storage: Storage) -> OnlineColumn:
    spec = source.teacher.spec
    about = {
        "dim": spec.dim,
        "grid": list(spec.grid),
        "identity": dict(source.identity),
        "pilot_views": storage.pilot_views,
    }
    return OnlineColumn.create(store.folder, store.samples, name, about)


def _column(store: FeatureStore, name: str, source: ReadyTeacher, storage: Storage) -> Column:
    spec = source.teacher.spec
    return store.add_column(
        name, dim=spec.dim, grid=spec.grid, identity=dict(source.identity), storage=storage
    )


class Pace:
    """How long a teacher takes for a sample, by all blocks that are there: those of earlier calls, too."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self.columns = columns
        self.seconds = {name: column.seconds for name, column in columns.items()}
        self.samples = {
            name: sum(
                len(column.block_range(block))
                for block in set(range(column.num_blocks)) - set(column.missing_blocks())
            )
            for name, column in columns.items()
        }

    def note(self, name: str, samples: int, seconds: float) -> None:
        """Count one block more."""
        self.seconds[name] += seconds
        self.samples[name] += samples

    def left_s(self, work: Sequence[Work]) -> float | None:
        """Return the seconds that `work` will take; None while a teacher in it has not looked at anything yet."""
        if any(not self.samples[name] for name, _ in work):
            return None
        return 0.0 + sum(
            len(self.columns[name].block_range(block)) * self.seconds[name] / self.samples[name]
            for name, block in work
        )
