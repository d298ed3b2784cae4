"""What moves: tongue base, soft palate, epiglottis, larynx, trachea and hyoid, as outlines at one moment of a swallow.

Everything is built in the neck frame `(front, level)` (see `spine`), so that it follows the patient's posture, and returned in the
body frame. The pharynx outlined here is its air space; whatever room the bolus needs beyond it is added where masks are made.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from agglo.phantom.curves import (
    Points,
    arc_length,
    band,
    ellipse,
    left_normals,
    points_of,
    resampled,
    rotate,
    rounded_outline,
    smooth_line,
)
from agglo.phantom.person import Person, room_in_front
from agglo.phantom.spine import NeckFrame
from agglo.phantom.swallow import Motion

LEAF_POINTS = 15
SPHINCTER_LEVEL = 38.0
PALATE_LEVEL = -38.0


@dataclass(frozen=True)
class Throat:
    """Outlines (mm, body frame) and levels (mm, neck frame) at one moment.

    Attributes:
        pharynx, vestibule, trachea, nasopharynx: air spaces; the vestibule has no points while it is closed.
        zone: where contrast counts as being in the pharynx.
        epiglottis: the leaf; leaf_line its middle line, base to tip, in the neck frame.
        valley: two lines from the bottom of the valleculae upwards, along the leaf and along the tongue, in the neck frame.
        hyoid: body and horn outlines; hyoid_centre the landmark.
        tongue_base: where the tongue is nearest to the posterior wall, above the valleculae.
        folds: front and back end of the vocal folds; sphincter_level: of the upper oesophageal sphincter.
        lumen_cm: width of the pharynx along the beam.
        airway: a line down the front and one down the back wall of the airway, rim first, in the neck frame, each with the distance
            along it at which it passes the folds.
    """

    pharynx: Points
    zone: Points
    vestibule: Points
    trachea: Points
    nasopharynx: Points
    epiglottis: Points
    leaf_line: Points
    valley: tuple[Points, Points]
    hyoid: tuple[Points, ...]
    hyoid_centre: Points
    cartilage: tuple[Points, ...]
    tongue_base: Points
    folds: Points
    sphincter_level: float
    lumen_cm: float
    airway: tuple[tuple[Points, float], tuple[Points, float]]


def wall_front(level: Float[np.ndarray, " levels"], size: float) -> Float[np.ndarray, " levels"]:
    """Return how far the posterior pharyngeal wall lies ahead of the spine's middle line."""
    knots = np.array([-75.0, -36, 5, 15, 25, 38, 60, 90])
    return size * np.interp(level / size, knots, [14.0, 12.2, 12.0, 12.2, 12.8, 13.6, 14.0, 14.0])


def _tongue_front(level: np.ndarray, person: Person, motion: Motion) -> np.ndarray:
    knots = np.array([-52.0, -38, -28, -19, -10, 0, 6])
    rest = np.array([10.0, 11, 13, 17.5, 21.5, 24.5, 26]) * np.array([1, 1, 1, 0.5, 0.2, 0, 0]) * person.lumen
    rest += np.array([10.0, 11, 13, 17.5, 21.5, 24.5, 26]) * np.array([0, 0, 0, 0.5, 0.8, 1, 1])
    room = room_in_front(person) * np.interp(level / person.size, knots, [0, 0, 0, 0.5, 0.8, 1, 1])
    depth = person.size * np.interp(level / person.size, knots, rest) + room
    return wall_front(level, person.size) + depth * (1 - motion.squeeze_high)


def leaf_line(person: Person, motion: Motion, clearance_mm: float) -> Points:
    """Return the epiglottis' middle line, base to tip, in the neck frame.

    It turns on its base from upright to hanging backwards over the larynx; its tip keeps `clearance_mm` from the posterior wall,
    the room in which the bolus passes behind it.
    """
    size = person.size
    front = 36.0 * size + room_in_front(person) + 0.8 * motion.larynx_mm[0]
    base = points_of((front, 13.0 * size - motion.larynx_mm[1]))
    fraction = (np.arange(LEAF_POINTS - 1) + 0.5) / (LEAF_POINTS - 1)
    turn = np.interp(motion.leaf, [0, 0.5, 1], [20.0, 80.0, 118.0])
    bend = np.interp(motion.leaf, [0, 0.5, 1], [-14.0, 20.0, 50.0])
    angle = np.deg2rad(turn + bend * (fraction - 0.5))
    step = person.leaf_mm * size / (LEAF_POINTS - 1)
    offsets = np.concatenate(
        [[[0, 0]], np.cumsum(step * np.stack([-np.sin(angle), -np.cos(angle)], 1), axis=0)]
    )
    tip_level = base[0, 1] + offsets[-1, 1]
    limit = base[0, 0] - float(wall_front(np.array([tip_level]), size)[0]) - clearance_mm
    offsets[:, 0] *= min(1.0, max(limit / max(-offsets[-1, 0], 1e-6), 0.45))
    return base + offsets


def _leaf_halves(person: Person) -> np.ndarray:
    fraction = np.linspace(0, 1, LEAF_POINTS)
    return (
        person.leaf_thickness_mm
        * person.size
        / 2
        * np.interp(fraction, [0, 0.15, 0.8, 1], [0.7, 1.0, 0.9, 0.45])
    )


def _larynx(points: Points, person: Person, motion: Motion, *, follow: float = 1.0) -> Points:
    shift = np.array([motion.larynx_mm[0], -motion.larynx_mm[1]]) * follow
    return points * person.size + shift + points_of((room_in_front(person), 0.0))


def _pharynx(
    person: Person, motion: Motion, leaf: Points, valley: tuple[Points, Points], top: float, low: float
) -> Points:
    size = person.size
    down = np.linspace(top, low, 24)
    wall = np.stack([wall_front(down, size), down], axis=1)
    tilt = 4.0 * motion.closure
    inlet = _larynx(points_of((19.5 + tilt, 22), (17.0 + 0.5 * tilt, 29), (15.2, 34)), person, motion)
    inlet[:, 0] -= np.array([0.0, 0.4, 0.8]) * motion.larynx_mm[0]
    behind = wall_front(inlet[:, 1], size)
    inlet[:, 0] = behind + (inlet[:, 0] - behind) * (1 - motion.squeeze_low)
    inlet = inlet[(inlet[:, 1] > leaf[-1, 1] + 3) & (inlet[:, 1] < low - 1)]
    end = points_of((float(wall[-1, 0]) + 0.5, low))
    along_leaf, along_tongue = valley
    return np.concatenate([wall, end, inlet[::-1], leaf[-1:], along_leaf[::-1], along_tongue])


def _valley(person: Person, motion: Motion, leaf: Points, top: float) -> tuple[Points, Points]:
    lingual = leaf - left_normals(leaf) * _leaf_halves(person)[:, None]
    start = 0.28 + 0.5 * motion.squeeze_high
    along_leaf = resampled(lingual, np.linspace(start, 1.0, 10))
    bottom = along_leaf[:1] - left_normals(lingual)[3:4] * 1.6 * person.size
    levels = np.linspace(float(along_leaf[0, 1]) - 3.0 * person.size, top, 14)
    levels = np.minimum(levels, float(along_leaf[0, 1]))
    tongue = np.stack([_tongue_front(levels, person, motion), levels], axis=1)
    return along_leaf, np.concatenate([bottom, tongue])


def _vestibule(person: Person, motion: Motion, leaf: Points, folds: Points) -> Points:
    if motion.closure > 0.96:
        return np.zeros((0, 2))
    laryngeal = leaf + left_normals(leaf) * _leaf_halves(person)[:, None]
    closed = motion.closure
    along = resampled(laryngeal, np.linspace(1.0 - 0.8 * closed, 0.04, 10))
    back = np.concatenate([folds[1:], _larynx(points_of((22.5, 29), (20.0, 22)), person, motion)])
    target = along[-2:-1]
    back = back + (target - back) * closed
    front = folds[:1] + (target - folds[:1]) * closed
    return np.concatenate(
        [along, front + points_of((-1.0, -2.5)), back + points_of((0, -2.5), (0, -1), (0, 0))]
    )


def _trachea(person: Person, motion: Motion, low: float) -> Points:
    top = _larynx(
        points_of((25.0, 42.0), (28.5, 36.6), (34.0, 35.6), (37.6, 40.0)), person, motion, follow=0.95
    )
    near = _larynx(points_of((39.2, 49.0), (22.8, 51.0)), person, motion, follow=0.8)
    far = points_of((39.5, 72.0), (40.0, 130.0), (23.0, 130.0), (22.5, 74.0)) * person.size
    far = far + points_of((0.6 * room_in_front(person), 0.0))
    outline = np.concatenate([top, near[:1], far, near[1:]])
    outline = rounded_outline(outline, rounds=2)
    outline[:, 1] = np.minimum(outline[:, 1], low)
    return outline


def _tongue_base(tongue: Points, size: float) -> Points:
    depth = tongue[:, 0] - wall_front(tongue[:, 1], size)
    return tongue[np.argmin(np.where(tongue[:, 1] < -12.0 * size, depth, np.inf))][None]


def _airway_lines(
    person: Person, motion: Motion, leaf: Points, folds: Points
) -> tuple[tuple[Points, float], tuple[Points, float]]:
    """Return lines down the front wall (under the leaf) and the back wall, through the folds, with the folds' place on each."""
    laryngeal = leaf + left_normals(leaf) * _leaf_halves(person)[:, None]
    fold_front, fold_back = folds[:1] + points_of((-1.0, 0.0)), folds[1:] + points_of((1.0, 0.0))
    front_wall = _trachea_wall(person, motion, ((37.2, 44.0), (38.6, 72.0), (39.2, 128.0)))
    back_wall = _trachea_wall(person, motion, ((23.8, 44.0), (23.3, 72.0), (23.4, 128.0)))
    rim = _larynx(points_of((20.5, 22.0), (22.6, 28.0)), person, motion)
    front_above = np.concatenate([resampled(laryngeal, np.linspace(0.7, 0.06, 8)), fold_front])
    back_above = np.concatenate([rim, fold_back])
    lines = []
    for above, wall in ((front_above, front_wall), (back_above, back_wall)):
        lines.append((np.concatenate([above, wall]), float(arc_length(above)[-1])))
    return lines[0], lines[1]


def _trachea_wall(person: Person, motion: Motion, knots: tuple[tuple[float, float], ...]) -> Points:
    """Return points of a wall of the trachea, which follows the larynx less the lower it is."""
    follow = np.array([[0.85], [0.25], [0.0]])
    shift = points_of((motion.larynx_mm[0], -motion.larynx_mm[1]))
    room = points_of((room_in_front(person), 0.0)) * np.array([[0.9], [0.6], [0.6]])
    return points_of(*knots) * person.size + shift * follow + room


def _hyoid(person: Person, motion: Motion) -> tuple[Points, Points, Points]:
    size = person.size
    shift = np.array([motion.hyoid_mm[0], -motion.hyoid_mm[1]])
    shift[0] += room_in_front(person)
    centre = points_of((46.0, -2.0)) * size + shift
    body = ellipse(centre[0], (5.8 * size, 2.7 * size), degrees=-60.0)
    horn = smooth_line(
        points_of((45.0, -3.5), (38.0, -3.0), (29.0, -5.5), (19.5, -11.0)) * size + shift, count=12
    )
    half = np.interp(np.linspace(0, 1, 12), [0, 0.5, 0.85, 0.95, 1], [1.5, 1.0, 0.9, 1.3, 0.8]) * size
    return centre, body, band(horn, half, -half)


def _nasopharynx(person: Person, motion: Motion, neck: NeckFrame, palate_end: Points) -> Points:
    """Air behind the soft palate, in the body frame; raised, the palate shuts it off from below."""
    size = person.size
    low = (PALATE_LEVEL - 22.0 * motion.velum) * size
    levels = np.linspace(-72.0 * size, low, 10)
    wall = neck.place(np.stack([wall_front(levels, size) + 0.5, levels], axis=1))
    tip = neck.place(
        points_of((float(wall_front(np.array([low]), size)[0]) + 6.0 * size * (1 - motion.velum), low))
    )
    middle = (tip + palate_end) / 2 + np.array([[-4.0, -1.0]]) * size
    roof = palate_end + np.array([[-2.0, -9.0]]) * size
    return np.concatenate([wall, tip, middle, palate_end + np.array([[-3.0, -2.0]]) * size, roof])


def _cartilage(person: Person, motion: Motion, neck: NeckFrame) -> tuple[Points, ...]:
    if not person.calcified:
        return ()
    specks = (
        (40.0, 20.0, 5.0, 1.3, 75.0),
        (41.0, 31.0, 4.0, 1.2, 60.0),
        (20.5, 37.0, 6.0, 2.2, 80.0),
        (38.5, 39.0, 2.6, 1.2, 50.0),
    )
    outlines = []
    for front, level, long, short, turn in specks:
        centre = _larynx(points_of((front, level)), person, motion)[0]
        outlines.append(neck.place(rotate(ellipse((0, 0), (long, short)), turn) * person.size + centre))
    return tuple(outlines)


def throat_at(
    person: Person,
    neck: NeckFrame,
    palate_end: Points,
    motion: Motion,
    *,
    clearance_mm: float,
    trachea_end: float,
) -> Throat:
    """Return every moving outline.

    Args:
        person: sizes.
        neck: the frame everything hangs in.
        palate_end: the back end of the hard palate, body frame, `[1, 2]`.
        motion: of this moment.
        clearance_mm: room kept between the leaf's tip and the posterior wall.
        trachea_end: level at which the trachea goes under the shoulder.
    """
    size = person.size
    top = (PALATE_LEVEL - 7.0 * motion.velum) * size
    sphincter = SPHINCTER_LEVEL * size - 0.75 * motion.larynx_mm[1]
    leaf = leaf_line(person, motion, clearance_mm)
    valley = _valley(person, motion, leaf, top)
    folds = _larynx(points_of((37.5, 32.0), (23.0, 34.5)), person, motion)
    levels = np.linspace(top, sphincter, 12)
    near, far = wall_front(levels, size) - 3.0, wall_front(levels, size) + 45.0
    zone = np.concatenate([np.stack([near, levels], 1), np.stack([far, levels], 1)[::-1]])
    centre, body, horn = _hyoid(person, motion)
    halves = _leaf_halves(person)
    return Throat(
        pharynx=neck.place(rounded_outline(_pharynx(person, motion, leaf, valley, top, sphincter))),
        zone=neck.place(zone),
        vestibule=neck.place(rounded_outline(_vestibule(person, motion, leaf, folds))),
        trachea=neck.place(_trachea(person, motion, trachea_end)),
        nasopharynx=_nasopharynx(person, motion, neck, palate_end),
        epiglottis=neck.place(rounded_outline(band(leaf, halves, -halves), rounds=1)),
        leaf_line=leaf,
        valley=valley,
        hyoid=(neck.place(body), neck.place(horn)),
        hyoid_centre=neck.place(centre),
        cartilage=_cartilage(person, motion, neck),
        tongue_base=neck.place(_tongue_base(valley[1], size)),
        folds=neck.place(folds),
        sphincter_level=sphincter,
        lumen_cm=3.6 * (1 - 0.75 * motion.squeeze_high),
        airway=_airway_lines(person, motion, leaf, folds),
    )
