"""Rendering by several processes: each uses one thread, and what comes out does not depend on how many there are.

Workers are started afresh, not forked, and load no more than this room. A script that uses them needs the usual guard
`if __name__ == "__main__":`.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from threading import Thread
from typing import Final

import numpy as np
from jaxtyping import Bool, UInt8

from agglo.phantom.annotator import masks_as
from agglo.phantom.cohort import Cohort
from agglo.phantom.frame import PhantomFrame
from agglo.phantom.study import render_study, sample_study
from agglo.phantom.truth import Truth
from agglo.phantom.unit import unit_facts

THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")

AHEAD: Final = 1
"""Recordings rendered beyond those that the processes are at, so that none waits and none pile up."""


@dataclass(frozen=True)
class Labels:
    """Masks of one kind, a bit a pixel, with their states."""

    bits: UInt8[np.ndarray, " bytes"]
    shape: tuple[int, int, int]
    states: tuple[str, ...]

    def masks(self) -> Bool[np.ndarray, "structures size size"]:
        """Return the masks."""
        count = self.shape[0] * self.shape[1] * self.shape[2]
        return np.unpackbits(self.bits, count=count).reshape(self.shape).astype(bool)


@dataclass(frozen=True)
class Recorded:
    """One stored frame, small enough to be handed from process to process; `labels` by kind of mask."""

    image: UInt8[np.ndarray, "size size"]
    labels: dict[str, Labels]
    truth: Truth
    index: int
    shows: str
    facts: dict[str, str]
    contrast_to_noise: tuple[float, ...]


def record(cohort: Cohort, patient: int, swallow: int) -> list[Recorded]:
    """Render one recording of a cohort."""
    study = sample_study(cohort.seed, patient, cohort.preset, swallow=swallow)
    facts = unit_facts(study.unit, study.swallow, cohort.size_px)
    frames = render_study(study, frames=cohort.frames, size_px=cohort.size_px, with_unusable=True)
    return [_recorded(cohort, (patient, swallow), frame, facts) for frame in frames]


def _recorded(cohort: Cohort, who: tuple[int, int], frame: PhantomFrame, facts: dict[str, str]) -> Recorded:
    labels: dict[str, Labels] = {}
    for kind in (cohort.masks, *cohort.raters):
        masks, states = masks_as(frame, kind, (cohort.seed, *who, frame.index))
        rows, height, width = masks.shape
        labels[kind] = Labels(np.packbits(masks), (rows, height, width), states)
    return Recorded(
        frame.image, labels, frame.truth, frame.index, frame.shows, facts, frame.contrast_to_noise
    )


def _leave_with_parent() -> None:
    """Let this process end as soon as the one that started it has: a killed making leaves none behind."""
    parent = parent_process()
    assert parent is not None, "only a worker may call this"
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()


@contextmanager
def workers_of(count: int) -> Iterator[ProcessPoolExecutor]:
    """Give `count` worker processes of one thread each; they end with this one, however it ends."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        with ProcessPoolExecutor(
            count, mp_context=get_context("spawn"), initializer=_leave_with_parent
        ) as pool:
            yield pool
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def recorded(cohort: Cohort, wanted: Sequence[tuple[int, int]], *, workers: int) -> Iterator[list[Recorded]]:
    """Yield the recordings `wanted` (patient, swallow), in that order, rendered by `workers` processes.

    Memory holds a few recordings at a time, however many there are.
    """
    if not wanted:
        return
    with workers_of(workers) as pool:
        waiting: deque[Future[list[Recorded]]] = deque()
        for who in wanted:
            waiting.append(pool.submit(record, cohort, *who))
            if len(waiting) > workers + AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
