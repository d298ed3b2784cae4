"""The bolus: where its head and tail are, how thick it is, and what it leaves behind.

It slides along a fixed track (under the palate, down the posterior wall, into the oesophagus) and lies on the track's tongue and
larynx side. Its thickness follows from its volume at every moment, so that volume is kept; tissue gives way to it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from agglo.phantom.curves import Points, arc_length, area, left_normals, points_of, resampled
from agglo.phantom.head import HeadFrame
from agglo.phantom.person import Person
from agglo.phantom.spine import NeckFrame
from agglo.phantom.swallow import Motion, Swallow
from agglo.phantom.throat import PALATE_LEVEL, Throat, wall_front

THICKEST_MM = ((-60.0, 20.0), (-38.0, 20.0), (-30.0, 17.0), (10.0, 15.0), (22.0, 12.0), (40.0, 8.5))
"""Of the bolus by neck level: mouth, pharynx, sphincter, oesophagus."""

POOL_WIDTH_MM = 20.0
"""Of contrast in the valleculae, along the beam."""


@dataclass(frozen=True)
class Track:
    """The line the bolus slides along, densely sampled, with what it finds there.

    Attributes:
        line, normals: points and the direction in which the bolus lies, mm, body frame.
        along: distance from the front of the mouth.
        level: neck level (mm); below the palate only.
        width_mm: of the bolus along the beam; capacity: relative thickness.
        hidden_mm: where, along it, it goes under the shoulder.
    """

    line: Points
    normals: Points
    along: Float[np.ndarray, " points"]
    level: Float[np.ndarray, " points"]
    width_mm: Float[np.ndarray, " points"]
    capacity: Float[np.ndarray, " points"]
    hidden_mm: float

    def at_level(self, level: float) -> float:
        """Return the distance along the track at which it passes a neck level."""
        return float(np.interp(level, self.level, self.along))


@dataclass(frozen=True)
class Bolus:
    """Outlines of contrast at one moment (mm, body frame) and how much of it there is.

    Attributes:
        body: the moving bolus; no points when it has gone.
        body_width_mm: along the beam, its mean.
        valleculae, pyriforms: pooled or left-over contrast, mostly in the pharynx; no points when there is none.
        volume_ml: of the moving bolus with its pool, as drawn.
        head_mm, tail_mm: along the track.
        opening_mm: of the sphincter.
        pharynx_mm2: lateral area of the body between soft palate and sphincter.
    """

    body: Points
    body_width_mm: float
    valleculae: Points
    pyriforms: Points
    volume_ml: float
    head_mm: float
    tail_mm: float
    opening_mm: float
    pharynx_mm2: float


def bolus_track(person: Person, head: HeadFrame, neck: NeckFrame, *, hidden_level: float) -> Track:
    """Return a patient's track; contrast below `hidden_level` (mm, neck frame) lies under the shoulder and is not labelled."""
    size = person.size
    mouth = head.place(points_of((79, 20), (72, 14.5), (60, 12.5), (48, 13.5), (39, 17.5)))
    levels = np.arange(-34.0, 176.0, 3.0) * size
    throat = neck.place(np.stack([wall_front(levels, size) + 0.3, levels], axis=1))
    line = np.concatenate([mouth, throat])
    smooth = resampled(line, np.linspace(0, 1, 320))
    kernel = np.ones(13) / 13
    padded = np.pad(smooth, ((6, 6), (0, 0)), mode="edge")
    smooth = np.stack([np.convolve(padded[:, axis], kernel, mode="valid") for axis in (0, 1)], axis=1)
    along = arc_length(smooth)
    known = arc_length(line)[len(mouth) :] * along[-1] / arc_length(line)[-1]
    level = np.interp(along, known, levels, left=-np.inf)
    level = np.where(along < known[0], levels[0] - (known[0] - along), level)
    knots = np.array([-60.0, -38, -30, 20, 36, 46, 80]) * size
    return Track(
        line=smooth,
        normals=left_normals(smooth),
        along=along,
        level=level,
        width_mm=np.interp(level, knots, np.array([36, 32, 29, 28, 18, 17, 17]) * size),
        hidden_mm=float(np.interp(hidden_level, level, along)),
        capacity=np.interp(level, knots, [1.0, 0.85, 0.9, 1.0, 0.75, 0.85, 0.9]),
    )


def _ends(swallow: Swallow, track: Track, person: Person, time_s: float) -> tuple[float, float]:
    """Return where tail and head are along the track."""
    s, size = swallow, person.size
    mouth = track.at_level(PALATE_LEVEL * size)
    tip = track.at_level(-22.0 * size)
    sphincter = track.at_level(38.0 * size - 0.75 * s.larynx_mm[1])
    end = float(track.along[-1])
    front = mouth * (0.72 if s.volume_ml > 4 else 0.5)
    heads = (
        (s.begin_s, front), (s.transit_s, front), (-0.02, mouth), (s.gate_s, tip), (s.opening_s, sphincter),
        (s.tail_gone_s - 0.05, sphincter + 105 * size), (s.tail_gone_s + 0.45, end),
    )  # fmt: skip
    tails = (
        (s.begin_s, 4.0), (s.transit_s, 6.0), (0.0, 0.4 * mouth), (s.tail_mouth_s, mouth),
        (s.tail_valley_s, track.at_level(-2.0 * size)), (s.tail_gone_s, sphincter + 2.0), (s.tail_gone_s + 0.75, end),
    )  # fmt: skip
    tail_at, head_at = (np.array(knots).T for knots in (tails, heads))
    return float(np.interp(time_s, tail_at[0], tail_at[1])), float(np.interp(time_s, head_at[0], head_at[1]))


def _thickness(
    track: Track, tail_mm: float, head_mm: float, volume_mm3: float
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Return sample positions and a thickness whose integral times width is the volume, unless it meets the thickest allowed."""
    at = np.linspace(tail_mm, head_mm, max(int((head_mm - tail_mm) / 1.5), 8))
    share = (at - tail_mm) / max(head_mm - tail_mm, 1e-6)
    rise = np.clip(share / 0.4, 0, 1) ** 0.7
    shape = (
        rise
        * np.sqrt(1 - np.clip((share - 0.8) / 0.2, 0, 1) ** 2)
        * np.interp(at, track.along, track.capacity)
    )
    width = np.interp(at, track.along, track.width_mm)
    cap = np.interp(np.interp(at, track.along, track.level), *np.array(THICKEST_MM).T)
    thickness = np.zeros_like(at)
    scale = 0.0
    for _ in range(4):
        held = float(np.trapezoid(thickness * width, at))
        free = shape * (thickness < cap)
        scale += (volume_mm3 - held) / max(float(np.trapezoid(free * width, at)), 1e-6)
        thickness = np.minimum(shape * max(scale, 0.0), cap)
    return at, thickness


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


def clearance_at(swallow: Swallow, track: Track, person: Person, time_s: float) -> float:
    """Return the room the bolus needs behind the leaf's tip at this moment, mm; at least 2."""
    tail, head = _ends(swallow, track, person, time_s)
    at, thickness = _thickness(track, tail, head, swallow.volume_ml * 1000)
    level = np.interp(at, track.along, track.level)
    near = thickness[(level > -24 * person.size) & (level < 26 * person.size)]
    return 2.0 + (float(near.max()) if near.size else 0.0)


def bolus_at(
    swallow: Swallow, track: Track, person: Person, neck: NeckFrame, throat: Throat, motion: Motion
) -> Bolus:
    """Return the contrast at one moment; the body is drawn as far down as the track is in view."""
    tail, head = _ends(swallow, track, person, motion.time_s)
    pooled = _pooled_area(swallow, motion.time_s)
    pool = _pool(throat, pooled + (swallow.vallecular_mm2 - pooled) * motion.residue, neck)
    pool_mm3 = area(pool) * POOL_WIDTH_MM * (1 - motion.residue) if len(pool) else 0.0
    at, thickness = _thickness(track, tail, head, swallow.volume_ml * 1000 - pool_mm3)
    gone = tail >= track.along[-1] - 2.0
    width = np.interp(at, track.along, track.width_mm)
    volume = float(np.trapezoid(thickness * width, at))
    opening = float(np.interp(track.at_level(throat.sphincter_level), at, thickness, left=0.0, right=0.0))
    level = np.interp(at, track.along, track.level)
    inside = (level > PALATE_LEVEL * person.size) & (level < throat.sphincter_level)
    return Bolus(
        body=np.zeros((0, 2)) if gone else _body(track, at, thickness),
        body_width_mm=volume / max(float(np.trapezoid(thickness, at)), 1e-6),
        valleculae=pool,
        pyriforms=_pyriform(throat, swallow.pyriform_mm2 * motion.residue, person, neck),
        volume_ml=0.0 if gone else (volume + pool_mm3) / 1000,
        head_mm=head,
        tail_mm=tail,
        opening_mm=0.0 if gone else opening,
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


def _pooled_area(swallow: Swallow, time_s: float) -> float:
    """Return the area pooled in the valleculae before and while the bolus passes."""
    early = swallow.spill * 45.0 * float(np.clip(1 - time_s / swallow.transit_s, 0, 1))
    passing = 70.0 * float(np.clip((time_s - swallow.closed_s) / 0.12, 0, 1))
    return min(max(early, passing), 0.25 * swallow.volume_ml * 1000 / POOL_WIDTH_MM)
