"""The bolus at one moment, as outlines: its moving body, what lies in valleculae and pyriforms, and what got into the airway.

Where the moving body is comes from `stream`, what gets into the airway from `airway`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from agglo.phantom.airway import streak_at
from agglo.phantom.curves import Points, area, resampled
from agglo.phantom.person import Person
from agglo.phantom.spine import NeckFrame
from agglo.phantom.stream import POOL_WIDTH_MM, PYRIFORM_WIDTH_MM, Stream, Track, pooled_mm2
from agglo.phantom.swallow import Motion, Swallow
from agglo.phantom.throat import PALATE_LEVEL, Throat, wall_front

LEAST_MM3 = 20.0
"""Of a moving body that is drawn."""


@dataclass(frozen=True)
class Bolus:
    """Outlines of contrast at one moment (mm, body frame) and how much of it there is.

    Attributes:
        body: the moving bolus; no points when it has gone.
        body_width_mm: along the beam, its mean.
        valleculae, pyriforms: pooled or left-over contrast, mostly in the pharynx; no points when there is none.
        in_vestibule, below_folds: streaks in the airway, above and below the vocal folds.
        volume_ml: of the moving body as drawn, 0 once it has gone; pooled_ml: in valleculae and pyriforms.
        head_mm, tail_mm: along the track.
        opening_mm: of the sphincter.
        pharynx_mm2: lateral area of the body between soft palate and sphincter.
    """

    body: Points
    body_width_mm: float
    valleculae: Points
    pyriforms: Points
    in_vestibule: Points
    below_folds: Points
    volume_ml: float
    pooled_ml: float
    head_mm: float
    tail_mm: float
    opening_mm: float
    pharynx_mm2: float


def _pool(throat: Throat, area_mm2: float, neck: NeckFrame) -> Points:
    """Return contrast filling the valleculae from their bottom up to a lateral area."""
    if area_mm2 < 1.0:
        return np.zeros((0, 2))
    along_leaf, along_tongue = throat.valley
    best = np.zeros((0, 2))
    for fraction in np.linspace(0.1, 1.0, 10):
        leaf = resampled(along_leaf, np.linspace(0, 0.95 * fraction, 6))
        tongue = along_tongue[(along_tongue[:, 1] > leaf[-1, 1]) | (np.arange(len(along_tongue)) == 0)]
        best = np.concatenate([leaf, tongue[::-1]])
        if area(best) >= area_mm2:
            break
    return neck.place(best)


def _pyriform(throat: Throat, area_mm2: float, person: Person, neck: NeckFrame) -> Points:
    if area_mm2 < 1.0:
        return np.zeros((0, 2))
    height = np.sqrt(area_mm2 / 0.28)
    low = throat.sphincter_level - 0.8
    levels = np.linspace(low - height, low, 8)
    depth = np.interp(levels, [low - height, low - 0.5 * height, low], [0.42, 0.34, 0.08]) * height
    wall = wall_front(levels, person.size) + 0.3
    return neck.place(
        np.concatenate([np.stack([wall, levels], 1), np.stack([wall + depth, levels], 1)[::-1]])
    )


def bolus_at(
    swallow: Swallow,
    track: Track,
    person: Person,
    neck: NeckFrame,
    throat: Throat,
    motion: Motion,
    stream: Stream,
) -> Bolus:
    """Return the contrast at one moment; the body is drawn as far down as the track is in view."""
    tail, head = stream.ends
    at, thickness = stream.at, stream.thickness
    valleculae, pyriforms = pooled_mm2(swallow, motion)
    gone = tail >= track.along[-1] - 2.0 or stream.volume_mm3 < LEAST_MM3
    width = np.interp(at, track.along, track.width_mm)
    volume = 0.0 if gone else float(np.trapezoid(thickness * width, at))
    at_sphincter = np.interp(track.at_level(throat.sphincter_level), at, thickness, left=0.0, right=0.0)
    inside = (stream.level > PALATE_LEVEL * person.size) & (stream.level < throat.sphincter_level)
    streak = streak_at(swallow.invasion, throat, motion, neck)
    return Bolus(
        body=np.zeros((0, 2)) if gone else _body(track, at, thickness),
        body_width_mm=volume / max(float(np.trapezoid(thickness, at)), 1e-6),
        valleculae=_pool(throat, valleculae, neck),
        pyriforms=_pyriform(throat, pyriforms, person, neck),
        in_vestibule=streak.above,
        below_folds=streak.below,
        volume_ml=volume / 1000,
        pooled_ml=(valleculae * POOL_WIDTH_MM + pyriforms * PYRIFORM_WIDTH_MM) / 1000,
        head_mm=head,
        tail_mm=tail,
        opening_mm=0.0 if gone else float(at_sphincter),
        pharynx_mm2=0.0 if gone else float(np.trapezoid(thickness * inside, at)),
    )


def _body(
    track: Track, at: Float[np.ndarray, " samples"], thickness: Float[np.ndarray, " samples"]
) -> Float[np.ndarray, "outline 2"]:
    shown = at <= track.hidden_mm
    if shown.sum() < 2:
        return np.zeros((0, 2))
    at, thickness = at[shown], thickness[shown]
    line = np.stack([np.interp(at, track.along, track.line[:, axis]) for axis in (0, 1)], axis=1)
    normal = np.stack([np.interp(at, track.along, track.normals[:, axis]) for axis in (0, 1)], axis=1)
    return np.concatenate([line, (line + normal * thickness[:, None])[::-1]])
