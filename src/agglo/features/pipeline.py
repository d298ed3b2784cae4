"""How views get to teachers and what they see gets kept, three things at a time: while a teacher looks, one thread renders what is
looked at next, and another one keeps what was seen last. What is kept, and where, is not known here.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from jaxtyping import Float

from agglo.features.looking import Looker, ReadyTeacher
from agglo.features.pool import Pool


@dataclass(frozen=True)
class Job:
    """Samples that a teacher is to look at, and what is then done with its features and coverage (and `seconds`, what it cost)."""

    name: str
    source: ReadyTeacher
    samples: Sequence[int]
    keep: Callable[..., None]

    @property
    def size_px(self) -> int:
        """Side of the pictures that the teacher wants."""
        return self.source.teacher.spec.input_px

    @property
    def cells(self) -> int:
        """Side of its map."""
        return self.source.teacher.spec.grid[0]


@dataclass(frozen=True)
class _Scenes:
    """Some samples, rendered: pictures by their side, and how much of every cell shows the picture by the cells of a side."""

    pictures: Mapping[int, Float[np.ndarray, "samples _ _"]]
    coverage: Mapping[int, Float[np.ndarray, "samples _ _"]]


def work_off(pool: Pool, jobs: Sequence[Job], looker: Looker, tell: Callable[[int, float], None]) -> None:
    """Do `jobs` in order; jobs on the same samples that follow each other share the rendering.

    `tell` is called after each, once it is kept, with the number of jobs done and the seconds of the last one: all seconds together
    are the time that passed. One job is kept while the next one is looked at; if that fails, the error is raised here.
    """
    groups = [list(group) for _, group in groupby(jobs, key=lambda job: job.samples)]
    last, done = time.monotonic(), 0
    keeping: Future[float] | None = None
    with ThreadPoolExecutor(max_workers=1) as ahead, ThreadPoolExecutor(max_workers=1) as behind:
        for group, scenes in _one_ahead(ahead, groups, lambda group: _render(pool, group)):
            for job in group:
                features = looker.look(job.source, scenes.pictures[job.size_px])
                before, last = last, time.monotonic()
                if keeping is not None:
                    tell(done, keeping.result())
                keeping = behind.submit(_keep, job, features, scenes.coverage[job.cells], last - before)
                done += 1
                del features  # whoever keeps them lets go of them
        if keeping is not None:
            tell(done, keeping.result())


def _one_ahead(
    thread: ThreadPoolExecutor, groups: Sequence[list[Job]], render: Callable[[list[Job]], _Scenes]
) -> Iterator[tuple[list[Job], _Scenes]]:
    """Yield every group with its scenes; those of the next one are being rendered meanwhile."""
    coming = [thread.submit(render, group) for group in groups[:1]]
    for place, group in enumerate(groups, start=1):
        scenes = coming.pop().result()
        coming = [thread.submit(render, following) for following in groups[place : place + 1]]
        yield group, scenes


def _render(pool: Pool, group: Sequence[Job]) -> _Scenes:
    """Render the samples of a group at every size that one of its teachers asks for."""
    samples, sizes_px, sides = group[0].samples, {job.size_px for job in group}, {job.cells for job in group}
    pictures = {size: np.empty((len(samples), size, size), np.float32) for size in sizes_px}
    coverage = {side: np.empty((len(samples), side, side), np.float32) for side in sides}
    for place, sample in enumerate(samples):
        for size, picture in pool.render_sizes(sample, sizes_px).items():
            pictures[size][place] = picture
        for side in sides:
            coverage[side][place] = pool.coverage(sample, side)
    return _Scenes(pictures, coverage)


def _keep(
    job: Job,
    features: Float[np.ndarray, "samples dim h w"],
    coverage: Float[np.ndarray, "samples h w"],
    seconds: float,
) -> float:
    job.keep(features, coverage, seconds=seconds)
    return seconds
