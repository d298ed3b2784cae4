"""How many frames a second the phantom gives, at 512 px, in one process and in two."""

import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from agglo.phantom import render_study, sample_study
from agglo.phantom.workers import workers_of
from agglo.recipes.context import Tell, tell_nobody

SIZE_PX = 512
FRAMES = 24
SEED = 7


def bench_phantom(*, rounds: int, tell: Tell = tell_nobody) -> dict[str, Any]:
    """Return frames a second with one and with two worker processes, each the best and the median of `rounds`."""
    figures: dict[str, Any] = {"size_px": SIZE_PX, "frames_a_study": FRAMES}
    for workers in (1, 2):
        with workers_of(workers) as pool:
            list(pool.map(_render, range(workers)))  # imports and tables are made here
            progress, rates = tell(f"processes: {workers}"), []
            for number in range(rounds):
                rates.append(_rate(pool, workers, number))
                progress(number + 1, rounds)
        rates.sort()
        figures[f"frames_per_s_{workers}_processes"] = {
            "median": round(rates[len(rates) // 2], 1),
            "best": round(rates[-1], 1),
        }
    return figures


def _rate(pool: ProcessPoolExecutor, workers: int, number: int) -> float:
    began = time.perf_counter()
    frames = sum(pool.map(_render, range(number * workers, (number + 1) * workers)))
    return frames / (time.perf_counter() - began)


def _render(patient: int) -> int:
    return sum(
        1 for _ in render_study(sample_study(SEED, patient, "standard"), frames=FRAMES, size_px=SIZE_PX)
    )
