"""Twelve measures of a swallow, as a reader would take them from the recording, taken from the outlines that are drawn.

Nothing here looks at the numbers a swallow was sampled from: it samples outlines at the video's frame rate over the main swallow
and measures those. Distances are along the line through the anterior-inferior corners of C4 and C2 (up) and across it (forward).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from agglo.phantom.curves import area
from agglo.phantom.pose import Moment, Pose, moment_at, pose_of
from agglo.phantom.study import Study
from agglo.phantom.throat import PALATE_LEVEL

STEP_S: Final = 1 / 30
FIRST_S, LAST_S = -0.1, 1.25
"""The stretch in which the main swallow is measured, seconds around the onset of the burst."""

MOVED_MM = 0.5
"""Of the hyoid, beyond which it is seen to move."""

OPEN_MM = 0.5
"""Of the sphincter, beyond which it is seen to be open."""

MEASURES: Final = (
    "hyoid_anterior_mm",
    "hyoid_superior_mm",
    "hyoid_total_percent_c2c4",
    "larynx_superior_mm",
    "larynx_anterior_mm",
    "vestibule_closure_s",
    "burst_to_closure_s",
    "ues_open_s",
    "ues_opening_mm",
    "pharyngeal_transit_s",
    "pharyngeal_area_percent",
    "constriction_ratio_percent",
)
"""The keys of `measure`."""


@dataclass(frozen=True)
class Series:
    """Moments of one swallow in order, with the reader's axes (unit vectors, body frame) and scale."""

    times_s: Float[np.ndarray, " times"]
    moments: tuple[Moment, ...]
    rest: Moment
    up: Float[np.ndarray, " 2"]
    forward: Float[np.ndarray, " 2"]
    c2_c4_mm: float


def measure(study: Study) -> dict[str, float]:
    """Return the twelve `MEASURES` of a study's main swallow.

    Percentages are of the distance C2-C4 (`hyoid_total_percent_c2c4`), of its square (`pharyngeal_area_percent`) and of the area at
    rest (`constriction_ratio_percent`). Durations of what never happens are 0.
    """
    pose = pose_of(study.person, study.swallow, study.unit)
    series = _series(pose)
    hyoid = np.array(
        [_shift(series, m.throat.hyoid_centre, series.rest.throat.hyoid_centre) for m in series.moments]
    )
    larynx = np.array([_shift(series, m.throat.folds, series.rest.throat.folds) for m in series.moments])
    distance = np.hypot(*hyoid.T)
    closed = np.array([len(m.throat.vestibule) == 0 for m in series.moments])
    opening = np.array([m.bolus.opening_mm for m in series.moments])
    lumen = np.array([area(m.throat.pharynx) + m.bolus.pharynx_mm2 for m in series.moments])
    burst_s = _rising(series.times_s, distance, MOVED_MM)
    shut_s, reopened_s = _closed_between(pose, series, closed)
    opened_s = _rising(series.times_s, opening, OPEN_MM)
    gone_s = _falling(series.times_s, opening, OPEN_MM)
    at_rest = area(series.rest.throat.pharynx)
    return {
        "hyoid_anterior_mm": float(hyoid[:, 0].max()),
        "hyoid_superior_mm": float(hyoid[:, 1].max()),
        "hyoid_total_percent_c2c4": 100 * float(distance.max()) / series.c2_c4_mm,
        "larynx_superior_mm": float(larynx[:, 1].max()),
        "larynx_anterior_mm": float(larynx[:, 0].max()),
        "vestibule_closure_s": reopened_s - shut_s,
        "burst_to_closure_s": shut_s - burst_s if closed.any() else 0.0,
        "ues_open_s": gone_s - opened_s,
        "ues_opening_mm": float(opening.max()),
        "pharyngeal_transit_s": gone_s - _head_enters(pose, series),
        "pharyngeal_area_percent": 100 * at_rest / series.c2_c4_mm**2,
        "constriction_ratio_percent": 100 * float(lumen.min()) / at_rest,
    }


def _series(pose: Pose) -> Series:
    bones = {vertebra.name: vertebra for vertebra in pose.body.vertebrae}
    axis = bones["C2"].low_front_corner[0] - bones["C4"].low_front_corner[0]
    scale = float(np.hypot(*axis))
    up = axis / scale
    times = np.arange(FIRST_S, LAST_S, STEP_S)
    return Series(
        times_s=times,
        moments=tuple(moment_at(pose, float(time_s)) for time_s in times),
        rest=moment_at(pose, pose.swallow.begin_s),
        up=up,
        forward=np.array([-up[1], up[0]]),
        c2_c4_mm=scale,
    )


def _shift(
    series: Series, points: Float[np.ndarray, "points 2"], rest: Float[np.ndarray, "points 2"]
) -> Float[np.ndarray, " 2"]:
    """Return how far the middle of some points is from where it rests: forward and up, mm."""
    moved = points.mean(0) - rest.mean(0)
    return np.array([moved @ series.forward, moved @ series.up])


def _rising(times: Float[np.ndarray, " times"], values: Float[np.ndarray, " times"], level: float) -> float:
    """Return when a curve first rises over a level, between samples; the last time when it never does."""
    above = np.flatnonzero(values > level)
    if not above.size:
        return float(times[-1])
    last = int(above[0])
    if last == 0:
        return float(times[0])
    return float(np.interp(level, values[last - 1 : last + 1], times[last - 1 : last + 1]))


def _falling(times: Float[np.ndarray, " times"], values: Float[np.ndarray, " times"], level: float) -> float:
    """Return when a curve is over a level for the last time, between samples; the last time when it never is."""
    return -_rising(-times[::-1], values[::-1], level) if (values > level).any() else float(times[-1])


def _closed_between(pose: Pose, series: Series, closed: Bool[np.ndarray, " times"]) -> tuple[float, float]:
    """Return when the vestibule shuts and when it opens again, to a few milliseconds; equal when it never shuts."""
    at = np.flatnonzero(closed)
    times = series.times_s
    if not at.size:
        return float(times[-1]), float(times[-1])

    def is_closed(time_s: float) -> bool:
        return len(moment_at(pose, time_s).throat.vestibule) == 0

    first, last = int(at[0]), int(at[-1])
    shut = _bisected(is_closed, float(times[max(first - 1, 0)]), float(times[first]))
    after = float(times[min(last + 1, len(times) - 1)])
    return shut, _bisected(lambda time_s: not is_closed(time_s), float(times[last]), after)


def _bisected(holds: Callable[[float], bool], before: float, after: float) -> float:
    """Return the time between two at which something comes to hold."""
    for _ in range(3):
        middle = (before + after) / 2
        before, after = (before, middle) if holds(middle) else (middle, after)
    return (before + after) / 2


def _head_enters(pose: Pose, series: Series) -> float:
    """Return when the head of the bolus passes the tip of the soft palate."""
    heads = np.array([m.bolus.head_mm for m in series.moments])
    return _rising(series.times_s, heads, pose.track.at_level(PALATE_LEVEL * pose.person.size))
