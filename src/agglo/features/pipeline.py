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
    """Do `jobs` in order; jobs on the same samples that follow each other share the rendering, and those of one eye the look.

    `tell` is called after each, once it is kept, with the number of jobs done and the seconds of the last one: all seconds together
    are the time that passed; jobs that share a look share its seconds. What one look gave is kept while the next one goes on; if
    that fails, the error is raised here.
    """
    groups = [list(group) for _, group in groupby(jobs, key=lambda job: job.samples)]
    last, done = time.monotonic(), 0
    keeping: Future[list[float]] | None = None
    with ThreadPoolExecutor(max_workers=1) as ahead, ThreadPoolExecutor(max_workers=1) as behind:
        for group, scenes in _one_ahead(ahead, groups, lambda group: _render(pool, group)):
            for together in _looks(group):
                pictures = scenes.pictures[together[0].size_px]
                features = looker.look_for([job.source for job in together], pictures)
                before, last = last, time.monotonic()
                if keeping is not None:
                    done = _tell(tell, done, keeping.result())
                keeping = behind.submit(_keep, together, features, scenes, last - before)
                del features  # whoever keeps them lets go of them
        if keeping is not None:
            _tell(tell, done, keeping.result())


def _looks(group: Sequence[Job]) -> list[list[Job]]:
    """Return the jobs of a group, those that follow each other and need but one look together."""
    return [list(together) for _, together in groupby(group, key=lambda job: job.source.eye)]


def _tell(tell: Callable[[int, float], None], done: int, kept: Sequence[float]) -> int:
    """Tell of each job that is kept beside the `done` ones, by its seconds; return how many that are in all."""
    for number, seconds in enumerate(kept, start=done + 1):
        tell(number, seconds)
    return done + len(kept)


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
    together: Sequence[Job],
    features: Sequence[Float[np.ndarray, "samples _ _ _"]],
    scenes: _Scenes,
    seconds: float,
) -> list[float]:
    """Have kept what one look gave; return the seconds of each job."""
    each_s = seconds / len(together)
    for job, seen in zip(together, features, strict=True):
        job.keep(seen, scenes.coverage[job.cells], seconds=each_s)
    return [each_s] * len(together)
