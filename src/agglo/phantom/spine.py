"""The neck from C1 to T1: vertebral outlines, and the curved frame in which the throat is described.

The neck frame measures `level` (mm along the spine, 0 at the middle of C4, down positive) and `front` (mm ahead of the line
through the middle of the bodies), so that whatever hangs on the neck follows its posture. Sizes: man's mean, see `HEIGHTS_MM`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from agglo.phantom.curves import Points, points_of, rotate, rotation, rounded_outline
from agglo.phantom.person import Person

HEIGHTS_MM = (21.0, 14.0, 13.6, 12.8, 13.0, 14.6, 16.5)
"""Body heights of C2 (without dens), C3..C7, T1."""

DEPTHS_MM = (15.6, 15.6, 16.0, 16.3, 16.8, 17.4, 17.8)
"""Body depths, front to back, of the same."""

NAMES = ("C2", "C3", "C4", "C5", "C6", "C7", "T1")


@dataclass(frozen=True)
class Vertebra:
    """Where one body is: centre (mm), turn (degrees, 0 = upright), height and depth (mm).

    `spurs_mm`: how far osteophytes reach forward from its upper and its lower front edge.
    """

    name: str
    centre: tuple[float, float]
    turn_deg: float
    height: float
    depth: float
    spurs_mm: tuple[float, float] = (0.0, 0.0)

    def place(self, points: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
        """Return body-frame points of this vertebra's own `(forward, down)` coordinates."""
        return rotate(points, self.turn_deg) + np.asarray(self.centre)

    @property
    def low_front_corner(self) -> Float[np.ndarray, "1 2"]:
        """The anterior-inferior corner, the landmark that swallowing studies scale by."""
        return self.place(points_of((self.depth / 2 + 0.3, self.height / 2 + 0.5)))


@dataclass(frozen=True)
class NeckFrame:
    """A smooth curve through the bodies with its direction, tabulated from 100 mm above C4 to 200 mm below."""

    levels: Float[np.ndarray, " levels"]
    line: Float[np.ndarray, "levels 2"]
    turns_deg: Float[np.ndarray, " levels"]

    def place(self, points: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
        """Return the body-frame points at the given `(front, level)`."""
        front, level = points.T
        turn = np.deg2rad(np.interp(level, self.levels, self.turns_deg))
        x = np.interp(level, self.levels, self.line[:, 0]) + front * np.cos(turn)
        y = np.interp(level, self.levels, self.line[:, 1]) + front * np.sin(turn)
        return np.stack([x, y], axis=1)


def vertebrae_of(person: Person) -> tuple[Vertebra, ...]:
    """Return C2 (its body), C3..C7 and T1, with C4 at the origin."""
    heights = [h * person.size * scale[0] for h, scale in zip(HEIGHTS_MM, person.body_scale, strict=True)]
    depths = [d * person.size * scale[1] for d, scale in zip(DEPTHS_MM, person.body_scale, strict=True)]
    discs = [disc * person.size for disc in person.disc_mm]
    turns = [person.lean_deg + person.lordosis_deg * (index - 2.5) / 5 for index in range(7)]
    centres = [np.zeros(2)]
    for index in range(6):
        step = (heights[index] + heights[index + 1]) / 2 + discs[index]
        down = rotation((turns[index] + turns[index + 1]) / 2) @ np.array([0.0, 1.0])
        centres.append(centres[-1] + step * down)
    origin = centres[2]
    spurs = [0.0, *(_spur_mm(disc) for disc in person.disc_mm), 0.0]
    return tuple(
        Vertebra(
            NAMES[i],
            (float(centre[0] - origin[0]), float(centre[1] - origin[1])),
            turns[i],
            heights[i],
            depths[i],
            (spurs[i], spurs[i + 1]),
        )
        for i, centre in enumerate(centres)
    )


def _spur_mm(disc_mm: float) -> float:
    """Return how far osteophytes reach beside a disc: the narrower it has become, the farther."""
    return float(np.clip(1.6 * (3.4 - disc_mm), 0.0, 3.2))


def neck_frame(vertebrae: tuple[Vertebra, ...]) -> NeckFrame:
    """Return the neck frame of a spine; beyond C2 and T1 it goes on straight, bending back a little in the chest."""
    centres = np.array([v.centre for v in vertebrae])
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(centres, axis=0).T))])
    lengths -= lengths[2]
    levels = np.arange(-100.0, 201.0, 2.0)
    turns = np.interp(levels, lengths, [v.turn_deg for v in vertebrae])
    turns = turns + np.clip(levels - lengths[-1], 0, 80) * 0.08
    steps = 2.0 * np.stack([-np.sin(np.deg2rad(turns)), np.cos(np.deg2rad(turns))], axis=1)
    line = np.cumsum(steps, axis=0)
    zero = int(np.argmin(np.abs(levels)))
    return NeckFrame(levels, line - line[zero], turns)


def body_outline(vertebra: Vertebra) -> Points:
    """Return the outline of a body C3..T1: waisted, endplates hollow, a small lip low in front."""
    d, h = vertebra.depth / 2, vertebra.height / 2
    above, below = vertebra.spurs_mm
    local = points_of(
        (-d, -h), (-d * 0.4, -h + 0.4), (d * 0.4, -h + 0.5), (d - 0.1 + above, -h + 0.3 - 0.3 * above),
        (d - 0.2 + 0.4 * above, -h + 2.0), (d - 0.4, -h * 0.4), (d - 0.5, h * 0.4), (d + 0.2 + 0.4 * below, h - 1.5),
        (d + 0.5 + below, h + 0.9 + 0.3 * below), (d * 0.4, h - 0.6),
        (-d * 0.4, h - 0.7), (-d, h), (-d + 0.4, h * 0.4), (-d + 0.4, -h * 0.4),
    )  # fmt: skip
    return vertebra.place(rounded_outline(local))


def axis_outline(axis: Vertebra) -> Points:
    """Return the outline of C2: body and dens in one."""
    scale = np.array([axis.depth / 15.6, axis.height / 21.0])
    local = points_of(
        (-7.8, 10.5), (-2, 9.6), (3, 9.9), (8.6, 12.2), (7.6, 4), (6.6, -3), (5.6, -8.5), (5.4, -17), (4.6, -24.5),
        (1.0, -27.5), (-2.8, -26.5), (-5.2, -21), (-5.0, -12), (-7.4, -6), (-7.9, 0),
    )  # fmt: skip
    return axis.place(rounded_outline(local * scale))


def atlas_outlines(axis: Vertebra, size: float, turn_deg: float) -> tuple[Points, Points]:
    """Return the anterior and the posterior arch of C1; `turn_deg` nods it on the dens."""
    front = points_of((7.2, -24.5), (10.2, -24.2), (12.6, -20.5), (13.2, -17.0), (11.2, -13.8), (7.6, -13.8))
    back = points_of(
        (-10, -21.0), (-18, -20.6), (-25, -22.4), (-31, -23.0), (-34.2, -20.0), (-33.6, -15.8), (-29.5, -14.0),
        (-23, -15.0), (-17, -15.4), (-10, -15.0),
    )  # fmt: skip
    pivot = points_of((0.0, -19.0))
    return tuple(  # type: ignore[return-value]
        axis.place((rotate(rounded_outline(arch) - pivot, turn_deg) + pivot) * size) for arch in (front, back)
    )


def atlas_mass(axis: Vertebra, size: float) -> Points:
    """Return the outline of C1's lateral masses, which overlap the dens; no part of the label."""
    local = points_of((-10, -24), (0, -27), (7, -24), (8, -15), (4, -10.5), (-7, -11.5), (-11, -15))
    return axis.place(rounded_outline(local) * size)


def pillar_outline(vertebra: Vertebra) -> Points:
    """Return the articular pillar behind a body, a slanting block between two facet joints."""
    d, h = vertebra.depth / 2, vertebra.height / 2
    local = points_of(
        (-d + 1, -h + 2), (-d - 4, -h - 4), (-d - 14, -h + 4.5), (-d - 13, h + 3.5), (-d - 5, h - 1), (-d + 1, h - 3)
    )  # fmt: skip
    return vertebra.place(rounded_outline(local))


def spinous_outline(vertebra: Vertebra) -> Points:
    """Return lamina and spinous process; longest at C7 and T1, stout at C2."""
    length, height = {"C2": (36, 15), "C3": (30, 7), "C4": (31, 7), "C5": (34, 7.5), "C6": (41, 8.5)}.get(
        vertebra.name, (50, 10)
    )
    d, scale = vertebra.depth / 2, vertebra.depth / 16.5
    start = -d - 11 * scale
    tip = -d - length * scale
    local = points_of(
        (start, -3.5), (start - 5, -4.5), (tip, -height * 0.2), (tip - 1.5, height * 0.7), (start - 4, 4.5), (start, 5)
    )  # fmt: skip
    root = points_of((start, 0.0))
    return vertebra.place(rounded_outline(rotate(local - root, -16.0) + root))
