"""Extraction: every teacher looks once at every view of the pool; what it sees goes into the store, block by block.

Blocks that are there are left alone, so the same command goes on after a kill, and a new teacher costs only its own column.
"""

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float16

from agglo.core.progress import Progress, silent
from agglo.features.pool import Pool
from agglo.features.store import Column, FeatureStore
from agglo.teachers import Teacher, TeacherEntry, preprocess


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
    batch_size: int = 16,
    device: torch.device | None = None,
    progress: Progress = silent,
) -> tuple[FeatureStore, Effort]:
    """Fill the store in `folder` with whatever of `sources` is missing in it.

    Args:
        pool: the views to look at.
        sources: teachers by the name of their column.
        folder: of the store; made if absent.
        batch_size: pictures a forward pass.
        device: where the teachers run; the CPU by default.
        progress: told after every block.

    Raises:
        StoreError: the folder holds other samples, or a column made from other weights.
    """
    store = FeatureStore.create(folder, pool.samples)
    columns = {name: _column(store, name, source) for name, source in sources.items()}
    work = [(name, block) for name, column in columns.items() for block in column.missing_blocks()]
    began, forward_s = time.monotonic(), 0.0
    last = began
    with ThreadPoolExecutor(
        max_workers=1
    ) as ahead:  # renders the next block while the teacher looks at this one
        pictures = _render_later(ahead, pool, sources, columns, work, 0)
        for done, (name, block) in enumerate(work):
            rendered = pictures.result()
            pictures = _render_later(ahead, pool, sources, columns, work, done + 1)
            features, seconds = _look(sources[name], rendered, batch_size, device or torch.device("cpu"))
            forward_s += seconds
            coverage = _coverage(pool, columns[name].block_range(block), columns[name].grid[0])
            columns[name].write_block(block, features, coverage, seconds=time.monotonic() - last)
            last = time.monotonic()
            progress(done + 1, len(work), name)
    return FeatureStore.open(folder), Effort(len(work), time.monotonic() - began, forward_s)


def _column(store: FeatureStore, name: str, source: ReadyTeacher) -> Column:
    spec = source.teacher.spec
    return store.add_column(name, dim=spec.dim, grid=spec.grid, identity=dict(source.identity))


def _render_later(
    ahead: ThreadPoolExecutor,
    pool: Pool,
    sources: Mapping[str, ReadyTeacher],
    columns: Mapping[str, Column],
    work: list[tuple[str, int]],
    place: int,
) -> Future[Float[np.ndarray, "samples size size"]]:
    if place >= len(work):
        return Future()
    name, block = work[place]
    return ahead.submit(
        _render_block, pool, columns[name].block_range(block), sources[name].teacher.spec.input_px
    )


def _render_block(pool: Pool, samples: range, size_px: int) -> Float[np.ndarray, "samples size size"]:
    return np.stack([pool.render(sample, size_px) for sample in samples])


def _coverage(pool: Pool, samples: range, cells: int) -> Float[np.ndarray, "samples cells cells"]:
    return np.stack([pool.coverage(sample, cells) for sample in samples])


def _look(
    source: ReadyTeacher,
    pictures: Float[np.ndarray, "samples size size"],
    batch_size: int,
    device: torch.device,
) -> tuple[Float16[np.ndarray, "samples dim h w"], float]:
    """Return the features of `pictures` and the seconds that the teacher's forward passes took."""
    teacher, seen, seconds = source.teacher.to(device), [], 0.0
    for start in range(0, len(pictures), batch_size):
        images = preprocess(source.entry, torch.from_numpy(pictures[start : start + batch_size])).to(device)
        began = time.monotonic()
        with torch.inference_mode():
            features = teacher.feature_map(images).float().cpu()
        seconds += time.monotonic() - began
        seen.append(features.numpy().astype(np.float16))
    return np.concatenate(seen), seconds
