"""Contrast in the airway: a streak down a wall from the larynx's rim, to above the folds (penetration) or below (aspiration).

Where the walls are at a moment comes from `throat`; when and how deep from `swallow.Invasion`.
"""

from dataclasses import dataclass

import numpy as np

from agglo.phantom.curves import Points, arc_length, band, resampled, smooth_step
from agglo.phantom.spine import NeckFrame
from agglo.phantom.swallow import Invasion, Motion
from agglo.phantom.throat import Throat

STREAK_WIDTH_MM = 5.0
"""Along the beam."""

LONGEST_MM = 26.0
"""Of a streak, top to bottom."""

NOTHING = np.zeros((0, 2))


@dataclass(frozen=True)
class Streak:
    """Outlines above and below the folds (mm, body frame; no points where there is none) and their volume."""

    above: Points
    below: Points
    volume_mm3: float


CLEAN = Streak(NOTHING, NOTHING, 0.0)


def streak_at(invasion: Invasion | None, throat: Throat, motion: Motion, neck: NeckFrame) -> Streak:
    """Return the contrast in the airway at one moment."""
    if invasion is None or motion.time_s <= invasion.enter_s:
        return CLEAN
    line, folds_mm = throat.airway[0 if invasion.is_anterior else 1]
    length = float(arc_length(line)[-1])
    lowest = min(invasion.speed_mm_s * (motion.time_s - invasion.enter_s), invasion.depth * folds_mm, length)
    thick = invasion.streak_mm * (1 - 0.5 * motion.closure)
    if invasion.cough_s is not None and motion.time_s > invasion.cough_s:
        driven = smooth_step((motion.time_s - invasion.cough_s) / 0.25)
        lowest += (min(lowest, 0.85 * folds_mm) - lowest) * driven
        thick *= 1 - 0.4 * driven
    highest = max(lowest - LONGEST_MM, 0.0)
    side = 1.0 if invasion.is_anterior else -1.0
    pieces = [
        _piece(line, (low, high), (highest, lowest), side * thick)
        for low, high in ((highest, min(lowest, folds_mm)), (max(highest, folds_mm), lowest))
    ]
    above, below = (neck.place(piece) if len(piece) else NOTHING for piece in pieces)
    return Streak(above, below, 0.8 * thick * (lowest - highest) * STREAK_WIDTH_MM)


def _piece(line: Points, part: tuple[float, float], whole: tuple[float, float], thick: float) -> Points:
    """Return the outline of a part of the streak; it lies beside its wall and thins out at the whole streak's ends."""
    if part[1] - part[0] < 0.3:
        return NOTHING
    length = float(arc_length(line)[-1])
    at = np.linspace(part[0], part[1], 12)
    share = (at - whole[0]) / max(whole[1] - whole[0], 1e-6)
    profile = np.clip(np.minimum(4 * share, 8 * (1 - share)), 0.05, 1.0) ** 0.5
    return band(resampled(line, at / length), -thick * profile, 0.0)
