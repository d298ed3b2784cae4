"""The moving body of the bolus: the line it slides along, where its head and tail are, and how thick it is.

The track runs under the palate, down the posterior wall and into the oesophagus; the body lies on its tongue and larynx side. Its
thickness follows from its volume at every moment, so that volume is kept; tissue gives way to it. What lies in pools is in `bolus`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from agglo.phantom.curves import Points, arc_length, left_normals, points_of, resampled, smooth_step
from agglo.phantom.head import HeadFrame
from agglo.phantom.person import Person
from agglo.phantom.spine import NeckFrame
from agglo.phantom.swallow import Act, Motion, Swallow
from agglo.phantom.throat import PALATE_LEVEL, wall_front

POOL_WIDTH_MM = 20.0
"""Of contrast in the valleculae, along the beam."""

PYRIFORM_WIDTH_MM = 14.0
"""Of contrast in both pyriform sinuses, along the beam."""


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
        width_mm=np.interp(level, knots, np.array([36, 32, 29, 27, 15, 15, 16]) * size),
        hidden_mm=float(np.interp(hidden_level, level, along)),
        capacity=np.interp(level, knots, [1.0, 0.85, 0.9, 1.0, 0.75, 0.85, 0.9]),
    )


def _length_mm(volume_ml: float) -> float:
    """Return how long a bolus is drawn out."""
    return 24.0 + 5.0 * volume_ml


def _ends(swallow: Swallow, track: Track, person: Person, motion: Motion) -> tuple[float, float]:
    """Return where tail and head of the current act's load are along the track."""
    s, size = swallow.acts[motion.act], person.size
    sphincter = track.at_level(38.0 * size - 0.75 * s.larynx_mm[1])
    end = float(track.along[-1])
    length = _length_mm(s.volume_ml)
    beyond = ((s.tail_gone_s - 0.05, sphincter + min(length, 105 * size)), (s.tail_gone_s + 0.45, end))
    leaving = ((s.tail_gone_s, sphincter + 2.0), (s.tail_gone_s + 0.75, end))
    valley = track.at_level(-2.0 * size)
    if motion.act > 0:
        heads = [(s.closed_s, valley + 6), (s.opening_s, sphincter), *beyond]
        tails = [(s.closed_s, valley - 4), (s.tail_valley_s, valley), *leaving]
    else:
        mouth, tip = track.at_level(PALATE_LEVEL * size), track.at_level(-22.0 * size)
        left = [
            float(np.interp(s.volume_ml, [5, 20], shares)) * mouth for shares in ([0.4, 0.13], [0.7, 0.2])
        ]
        front = mouth * float(np.interp(s.volume_ml, [3, 5, 10, 20], [0.5, 0.72, 0.74, 0.88]))
        heads = [(swallow.begin_s, front), (s.transit_s, front), (s.enter_s, mouth), (s.gate_s, tip)]
        heads += [(s.opening_s, sphincter), *beyond]
        tails = [(swallow.begin_s, 4.0), (s.transit_s, 6.0), (s.enter_s, left[0]), (s.gate_s, left[1])]
        tails += [(s.tail_mouth_s, mouth), (s.tail_valley_s, valley), *leaving]
    tail_at, head_at = (np.array(knots).T for knots in (tails, heads))
    head = float(np.interp(motion.local_s, head_at[0], head_at[1]))
    tail = float(np.interp(motion.local_s, tail_at[0], tail_at[1]))
    return (max(tail, head - length) if motion.local_s > s.enter_s else tail), head


def _thickest(act: Act, person: Person, motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Return neck levels and the most that a bolus may part the walls there: the sphincter gives way least."""
    size = person.size
    sphincter = 38.0 * size - 0.75 * motion.larynx_mm[1]
    above = sphincter - 14.0 * size
    levels = [-60 * size, -38 * size, -30 * size, min(2.0 * size, above - 1), above]
    caps = [20 * size, 20 * size, 17 * size, 15 * size, 13 * size]
    levels += [sphincter - 4.0, sphincter + 5.0, sphincter + 25.0]
    caps += [act.opening_mm, act.opening_mm, max(1.5 * act.opening_mm, 9.0 + 0.45 * act.volume_ml)]
    return np.array(levels), np.array(caps)


def _thickness(
    track: Track,
    ends: tuple[float, float],
    volume_mm3: float,
    thickest: tuple[np.ndarray, np.ndarray],
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Return sample positions and a thickness whose integral times width is the volume, unless it meets the thickest allowed."""
    tail_mm, head_mm = ends
    at = np.linspace(tail_mm, head_mm, max(int((head_mm - tail_mm) / 1.5), 8))
    share = (at - tail_mm) / max(head_mm - tail_mm, 1e-6)
    rise = np.clip(share / 0.4, 0, 1) ** 0.7
    shape = (
        rise
        * np.sqrt(1 - np.clip((share - 0.8) / 0.2, 0, 1) ** 2)
        * np.interp(at, track.along, track.capacity)
    )
    step = (head_mm - tail_mm) / (len(at) - 1)
    weight = np.interp(at, track.along, track.width_mm) * step
    cap = np.interp(np.interp(at, track.along, track.level), *thickest)
    for depth, from_end in ((9.0, head_mm - at), (14.0, at - tail_mm)):  # no end is blunt, however full
        cap = cap * np.sqrt(1 - (1 - np.clip(from_end / depth, 0, 1)) ** 2)
    thickness = np.zeros_like(at)
    scale = 0.0
    for _ in range(6):
        missing = volume_mm3 - float(thickness @ weight)
        if abs(missing) < 0.01 * volume_mm3:
            break
        free = shape * (thickness < cap)
        scale += missing / max(float(free @ weight), 1e-6)
        thickness = np.minimum(shape * max(scale, 0.0), cap)
    return at, thickness


def pooled_mm2(swallow: Swallow, motion: Motion) -> tuple[float, float]:
    """Return lateral areas pooled in valleculae and pyriforms: spilled before the burst, in passing, and left behind."""
    valleculae, pyriforms = swallow.vallecular_mm2 * motion.residue, swallow.pyriform_mm2 * motion.residue
    if motion.act > 0:
        return valleculae, pyriforms
    act, time_s = swallow.main, motion.local_s
    before = float(np.clip(1 - time_s / act.transit_s, 0, 1))
    passing = min(70.0, 0.12 * act.volume_ml * 1000 / POOL_WIDTH_MM) * float(
        np.clip((time_s - act.gate_s) / 0.12, 0, 1)
    )
    swept = 1 - smooth_step((time_s - act.opening_s) / 0.15)
    early = max(swallow.spill_mm2[0] * before, passing) * (1 - motion.residue)
    return valleculae + early, pyriforms + swallow.spill_mm2[1] * before * swept


@dataclass(frozen=True)
class Stream:
    """The moving body of contrast along the track: its ends, samples and thickness (mm), and its volume (mm3)."""

    ends: tuple[float, float]
    at: Float[np.ndarray, " samples"]
    thickness: Float[np.ndarray, " samples"]
    level: Float[np.ndarray, " samples"]
    volume_mm3: float


def stream_at(swallow: Swallow, track: Track, person: Person, motion: Motion) -> Stream:
    """Return the moving body: in the main act the bolus without what lies in its pools, in a clearing act what it takes."""
    act = swallow.acts[motion.act]
    volume = act.volume_ml * 1000
    if motion.act > 0:
        volume *= motion.carried
    else:
        valleculae, pyriforms = pooled_mm2(swallow, motion)
        volume -= valleculae * POOL_WIDTH_MM + pyriforms * PYRIFORM_WIDTH_MM
    ends = _ends(swallow, track, person, motion)
    at, thickness = _thickness(track, ends, max(volume, 0.0), _thickest(act, person, motion))
    return Stream(ends, at, thickness, np.interp(at, track.along, track.level), volume)


def clearance_of(stream: Stream, person: Person) -> float:
    """Return the room the bolus needs behind the leaf's tip, mm; at least 2."""
    near = stream.thickness[(stream.level > -24 * person.size) & (stream.level < 26 * person.size)]
    return 2.0 + (float(near.max()) if near.size else 0.0)
