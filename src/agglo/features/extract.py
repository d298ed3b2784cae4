"""Extraction: every teacher looks once at every view of the pool; what it sees goes into the store, block by block.

Blocks that are there are left alone, so the same command goes on after a kill, and a new teacher costs only its own column. A coded
column has its pilot first. How a teacher looks is `looking`.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from agglo.core.locks import locked
from agglo.core.progress import Progress, silent
from agglo.core.share import ALL, Share
from agglo.features.codec import Storage
from agglo.features.column import Column
from agglo.features.looking import Looker, ReadyTeacher
from agglo.features.pilot import Pilot
from agglo.features.pool import Pool
from agglo.features.store import FeatureStore

_log = logging.getLogger(__name__)
Work = tuple[str, int]  # a column's name, and a block's number


@dataclass(frozen=True)
class Effort:
    """What an extraction took: seconds in all, and of them in the teachers' own forward passes."""

    blocks: int
    wall_s: float
    forward_s: float


@dataclass(frozen=True)
class _Job:
    """Samples that a teacher is to look at, and what is then done with its features and coverage."""

    name: str
    samples: Sequence[int]
    keep: Callable[..., None]


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
    ) -> None:
        """Open or make the store in `folder` and a column for each of `sources`.

        Raises:
            StoreError: the folder holds other samples, or a column made from other weights or kept otherwise.
        """
        store = FeatureStore.create(folder, pool.samples)
        self.pool, self.sources, self.looker, self.folder = pool, sources, looker, folder
        self.columns = {name: _column(store, name, source, storage) for name, source in sources.items()}

    def settle(self, progress: Progress = silent) -> None:
        """Make the pilots of coded columns that lack theirs; of several processes one does it, and the others wait.

        Raises:
            FeatureMismatch: features of a pilot do not vary.
        """
        pilots = {
            name: Pilot(column) for name, column in self.columns.items() if column.spec.storage.is_coded
        }
        if not any(pilot.is_open for pilot in pilots.values()):
            return
        with locked(self.folder / ".pilot.lock", on_wait=_wait_for_pilot):
            jobs = [
                _Job(name, pilot.portions[portion], partial(pilot.write, portion))
                for name, pilot in pilots.items()
                for portion in pilot.missing()
            ]
            self._work_off(
                jobs, lambda done, seconds: progress(done, len(jobs), f"{jobs[done - 1].name} pilot")
            )
            for pilot in pilots.values():
                pilot.freeze()

    def missing(self, share: Share = ALL) -> list[Work]:
        """Return the missing blocks of a share: one of every column first, so that it is known early how long each takes."""
        by_column = []
        for place, (name, column) in enumerate(self.columns.items()):
            first = place * column.num_blocks
            by_column.append(
                [(name, block) for block in column.missing_blocks() if share.takes(first + block)]
            )
        firsts = [blocks[0] for blocks in by_column if blocks]
        return firsts + [work for blocks in by_column for work in blocks[1:]]

    def fill(self, work: Sequence[Work], progress: Progress = silent) -> None:
        """Make the blocks of `work` in this order."""
        pace = Pace(self.columns)
        jobs = [
            _Job(name, self.columns[name].block_range(block), partial(self.columns[name].write_block, block))
            for name, block in work
        ]

        def tell(done: int, seconds: float) -> None:
            job = jobs[done - 1]
            pace.note(job.name, len(job.samples), seconds)
            progress(done, len(jobs), job.name, left_s=pace.left_s(work[done:]))

        self._work_off(jobs, tell)

    def _work_off(self, jobs: Sequence[_Job], tell: Callable[[int, float], None]) -> None:
        """Do `jobs` in order; the next one's pictures are rendered while a teacher looks at those of the one before it."""
        last = time.monotonic()
        with ThreadPoolExecutor(max_workers=1) as ahead:
            pictures = [ahead.submit(self._render, job) for job in jobs[:1]]
            for done, job in enumerate(jobs, start=1):
                rendered = pictures.pop().result()
                pictures = [ahead.submit(self._render, coming) for coming in jobs[done : done + 1]]
                features = self.looker.look(self.sources[job.name], rendered)
                coverage = self._coverage(job)
                seconds, last = time.monotonic() - last, time.monotonic()
                job.keep(features, coverage, seconds=seconds)
                tell(done, seconds)

    def _render(self, job: _Job) -> Float[np.ndarray, "samples size size"]:
        size_px = self.sources[job.name].teacher.spec.input_px
        return np.stack([self.pool.render(sample, size_px) for sample in job.samples])

    def _coverage(self, job: _Job) -> Float[np.ndarray, "samples cells cells"]:
        cells = self.columns[job.name].grid[0]
        return np.stack([self.pool.coverage(sample, cells) for sample in job.samples])


def _wait_for_pilot(holder: str) -> None:
    _log.warning("waiting for %s, which makes the pilot", holder)


def _column(store: FeatureStore, name: str, source: ReadyTeacher, storage: Storage | None) -> Column:
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
