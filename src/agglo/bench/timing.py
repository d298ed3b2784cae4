"""Timing two things in turn: A B A B …, so that a machine that slows down slows both."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from agglo.core.progress import Progress, silent


def milliseconds(work: Callable[[], Any]) -> float:
    """Return how long one call takes."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


IN_A_ROW = 4
"""Steps of a training that are timed together: the next batch is prepared ahead of a step, so one alone would never wait for it."""
PAUSE_S = 0.5
"""For what is still being prepared then; it would slow whatever comes next."""


def pause() -> None:
    """Let what goes on behind the scenes come to its end."""
    time.sleep(PAUSE_S)


def each_of(times: list[float]) -> list[float]:
    """Return the milliseconds of one step of each `IN_A_ROW`."""
    return [spent / IN_A_ROW for spent in times]


def in_turn(
    works: Mapping[str, Callable[[], Any]], *, rounds: int, warmup: int = 1, progress: Progress = silent
) -> dict[str, list[float]]:
    """Call every one of `works` once a round, in order; return milliseconds by name, warm-up rounds left out.

    `progress` hears of every call between two, so that what it costs is in no figure.
    """
    found: dict[str, list[float]] = {name: [] for name in works}
    turns = [(number, name) for number in range(warmup + rounds) for name in works]
    for place, (number, name) in enumerate(turns):
        progress(place, len(turns), name)
        spent = milliseconds(works[name])
        if number >= warmup:
            found[name].append(spent)
    progress(len(turns), len(turns))
    return found


def summary(times: list[float]) -> dict[str, float]:
    """Return median, least and greatest of some milliseconds."""
    return {
        "median_ms": round(statistics.median(times), 3),
        "min_ms": round(min(times), 3),
        "max_ms": round(max(times), 3),
    }


def ratio(above: list[float], below: list[float]) -> dict[str, float]:
    """Return median, least and greatest of the round-by-round ratios `above / below`."""
    ratios = [one / other for one, other in zip(above, below, strict=True)]
    return {
        "median": round(statistics.median(ratios), 4),
        "min": round(min(ratios), 4),
        "max": round(max(ratios), 4),
    }
