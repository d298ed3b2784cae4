"""Extraction: every teacher looks once at every view of the pool; what it sees goes into the store, block by block.

Blocks that are there are left alone, so the same command goes on after a kill, and a new teacher costs only its own column.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float16
from torch import Tensor

from agglo.core.progress import Progress, silent
from agglo.core.share import ALL, Share
from agglo.features.pool import Pool
from agglo.features.store import Column, FeatureStore
from agglo.teachers import Teacher, TeacherEntry, preprocess

_log = logging.getLogger(__name__)
Work = tuple[str, int]  # a column's name, and a block's number


@dataclass(frozen=True)
class ReadyTeacher:
    """A teacher ready to look: the model, its catalogue entry, and the identity of its weights."""

    entry: TeacherEntry
    teacher: Teacher
    identity: Mapping[str, object]


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
    batch_size: int | None = None,
    device: torch.device | None = None,
    share: Share = ALL,
    progress: Progress = silent,
) -> tuple[FeatureStore, Effort]:
    """Fill the store in `folder` with whatever of `sources` is missing in it.

    Several processes may fill one store at the same time, each with its `share`: block `b` of column `c` belongs to one of them
    whatever is there already, so nothing is looked at twice, and nobody waits for anybody.

    Args:
        pool: the views to look at.
        sources: teachers by the name of their column.
        folder: of the store; made if absent.
        batch_size: pictures a forward pass; by default what `pictures_at_once` says of the teacher's input.
        device: where the teachers run; the CPU by default.
        share: the blocks of this process; all of them by default.
        progress: told after every block, with the time that the missing blocks of each teacher will take by those before them.

    Raises:
        StoreError: the folder holds other samples, or a column made from other weights.
    """
    filler = Filler(pool, sources, folder, Looker(device or torch.device("cpu"), batch_size))
    began, work = time.monotonic(), filler.missing(share)
    filler.fill(work, progress)
    effort = Effort(len(work), time.monotonic() - began, filler.looker.forward_s)
    return FeatureStore.open(folder), effort


class Filler:
    """A store being filled: which blocks are missing, and how they are made."""

    def __init__(
        self, pool: Pool, sources: Mapping[str, ReadyTeacher], folder: Path, looker: "Looker"
    ) -> None:
        """Open or make the store in `folder` and a column for each of `sources`.

        Raises:
            StoreError: the folder holds other samples, or a column made from other weights.
        """
        store = FeatureStore.create(folder, pool.samples)
        self.pool, self.sources, self.looker = pool, sources, looker
        self.columns = {name: _column(store, name, source) for name, source in sources.items()}

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
        """Make the blocks of `work` in this order; the next one is rendered while the teacher looks at the one before it."""
        pace, last = Pace(self.columns), time.monotonic()
        with ThreadPoolExecutor(max_workers=1) as ahead:
            pictures = ahead.submit(self._render, *work[0]) if work else None
            for done, (name, block) in enumerate(work, start=1):
                assert pictures is not None
                rendered = pictures.result()
                pictures = ahead.submit(self._render, *work[done]) if done < len(work) else None
                features = self.looker.look(self.sources[name], rendered)
                coverage = self._coverage(name, block)
                seconds, last = time.monotonic() - last, time.monotonic()
                self.columns[name].write_block(block, features, coverage, seconds=seconds)
                pace.note(name, len(features), seconds)
                progress(done, len(work), name, left_s=pace.left_s(work[done:]))

    def _render(self, name: str, block: int) -> Float[np.ndarray, "samples size size"]:
        size_px = self.sources[name].teacher.spec.input_px
        return np.stack(
            [self.pool.render(sample, size_px) for sample in self.columns[name].block_range(block)]
        )

    def _coverage(self, name: str, block: int) -> Float[np.ndarray, "samples cells cells"]:
        column = self.columns[name]
        return np.stack([self.pool.coverage(sample, column.grid[0]) for sample in column.block_range(block)])


def _column(store: FeatureStore, name: str, source: ReadyTeacher) -> Column:
    spec = source.teacher.spec
    return store.add_column(name, dim=spec.dim, grid=spec.grid, identity=dict(source.identity))


def pictures_at_once(input_px: int, device: torch.device) -> int:
    """Return how many pictures of `input_px` a forward pass takes at first: up to 16 on a CPU, a million pixels; up to 64 on a GPU.

    On a GPU that is 16 pictures of 1024 px; the number is halved as often as memory runs out.
    """
    pixels, most = (16 << 20, 64) if device.type == "cuda" else (1 << 20, 16)
    return max(1, min(most, pixels // input_px**2))


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


class Looker:
    """Lets teachers look at pictures, as many at once as memory holds."""

    def __init__(self, device: torch.device, batch_size: int | None = None) -> None:
        """Take the device, and the pictures of a forward pass if it is not to be `pictures_at_once`."""
        self.device, self.batch_size = device, batch_size
        self.at_once: dict[str, int] = {}
        self.forward_s = 0.0

    def look(
        self, source: ReadyTeacher, pictures: Float[np.ndarray, "samples size size"]
    ) -> Float16[np.ndarray, "samples dim h w"]:
        """Return the features of `pictures`; the seconds of the forward passes are added to `forward_s`."""
        name = source.entry.name
        self.at_once.setdefault(name, self.batch_size or pictures_at_once(pictures.shape[-1], self.device))
        seen: list[np.ndarray] = []
        while (start := sum(map(len, seen))) < len(pictures):
            some = torch.from_numpy(pictures[start : start + self.at_once[name]])
            try:
                seen.append(self._forward(source, some))
            except torch.OutOfMemoryError:
                if self.at_once[name] == 1:
                    raise
                self.at_once[name] //= 2
                _log.warning(
                    "teacher %s: out of memory; going on with %d pictures at once", name, self.at_once[name]
                )
        return np.concatenate(seen)

    def _forward(
        self, source: ReadyTeacher, pictures: Float[Tensor, "some size size"]
    ) -> Float16[np.ndarray, "some dim h w"]:
        images = preprocess(source.entry, pictures).to(self.device)
        teacher = source.teacher.to(self.device)
        began = time.monotonic()
        with torch.inference_mode():
            features = teacher.feature_map(images).float().cpu()
        self.forward_s += time.monotonic() - began
        return features.numpy().astype(np.float16)
