"""Part (b): twelve kinematic measures over many swallows, against the ranges that the literature and plain knowledge give.

The measures themselves are `agglo.phantom.kinematics.measure`; this module only draws the swallows, counts and compares.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import numpy as np

from agglo.phantom import sample_study
from proof.common import SEED, Job, quantiles, share_inside

SWALLOWS = 500
BINS = 30


@dataclass(frozen=True)
class Measure:
    """One measure: in words, with its unit, what range it should have, and for whom that range was given."""

    words: str
    unit: str
    bounds: tuple[float, float]
    about: str


MEASURES: Final[Mapping[str, Measure]] = {
    "hyoid_anterior_mm": Measure("hyoid, forward", "mm", (8, 18), "healthy"),
    "hyoid_superior_mm": Measure("hyoid, upward", "mm", (6, 25), "healthy"),
    "hyoid_total_percent_c2c4": Measure("hyoid, in all", "% of C2-C4", (34, 63), "patients (Steele 2011)"),
    "larynx_superior_mm": Measure("larynx, upward", "mm", (15, 25), "healthy"),
    "larynx_anterior_mm": Measure("larynx, forward", "mm", (4, 9), "healthy"),
    "vestibule_closure_s": Measure("vestibule closed for", "s", (0.3, 1.1), "typically 0.45 to 0.7"),
    "burst_to_closure_s": Measure("burst to closure", "s", (0.1, 0.25), "healthy"),
    "ues_open_s": Measure("upper sphincter open for", "s", (0.35, 0.6), "healthy"),
    "ues_opening_mm": Measure("upper sphincter, widest", "mm", (4, 14), "4 to 8 at 5 ml, 8 to 14 at 20 ml"),
    "pharyngeal_transit_s": Measure("pharyngeal transit", "s", (0.5, 1.0), "longer when thick"),
    "pharyngeal_area_percent": Measure(
        "pharynx at rest", "% of (C2-C4)²", (25, 135), "mean 62 (Steele 2024)"
    ),
    "constriction_ratio_percent": Measure(
        "pharynx left when squeezed", "%", (0, 14), "healthy; over 25 is poor (Stokely 2015)"
    ),
}


def kinematics() -> Callable[[Any], Mapping[str, float]] | None:
    """Return the phantom's own measuring function, or None while it has none."""
    try:
        return import_module("agglo.phantom.kinematics").measure
    except ModuleNotFoundError as problem:
        if problem.name != "agglo.phantom.kinematics":
            raise
        return None


def histogram(values: Sequence[float], bounds: tuple[float, float]) -> dict[str, list[float]]:
    """Return edges and counts over the finite values and their range, a little wider than both."""
    kept = np.asarray([value for value in values if math.isfinite(value)])
    low, high = min([bounds[0], *kept]), max([bounds[1], *kept])
    room = 0.05 * (high - low)
    counts, edges = np.histogram(kept, bins=BINS, range=(low - room, high + room))
    return {"edges": [round(float(edge), 4) for edge in edges], "counts": [int(count) for count in counts]}


def measure(job: Job) -> dict[str, Any]:
    """Return the figures of this part; only a reason when the phantom cannot measure itself."""
    of_study = kinematics()
    if of_study is None:
        return {"skipped": "this phantom has no agglo.phantom.kinematics"}
    count = job.many(SWALLOWS, 4)
    swallows = [
        of_study(sample_study(SEED, number // 2, job.preset, swallow=number % 2)) for number in range(count)
    ]
    rows = {}
    for name, about in MEASURES.items():
        values = [float(found.get(name, math.nan)) for found in swallows]
        rows[name] = {
            **quantiles(values),
            "bounds": list(about.bounds),
            "share_inside": share_inside(values, about.bounds),
            "histogram": histogram(values, about.bounds),
        }
    return {"swallows": count, "rows": rows}
