"""What predicted masks say about the neck they show: where each structure lies, which way is down and forward, the C2-C4 distance.

Everything here is a function of masks alone; no grey value, no earlier frame, no reference. Points are `(column, row)` in pixels.
Names are those of the swallowing set (`C1` .. `C7`, `mandible` ...); a model with other structures has no neck to describe.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

LEVELS = ("C1", "C2", "C3", "C4", "C5", "C6", "C7")
"""The column from above; `BODIES` are those with a vertebral body."""

BODIES = LEVELS[1:]
FRONT = ("mandible", "pharynx", "trachea", "epiglottis")
"""What lies in front of the column in a lateral view."""

MIN_SHARE = 1e-4
"""A mask smaller than this share of the picture is a speck, not a place (chosen on phantoms: a body has at least 6e-4)."""

Point = Float[np.ndarray, "2"]


@dataclass(frozen=True)
class Anatomy:
    """Where things are in one frame.

    Attributes:
        centres: centroid of every structure that is more than a speck; of a body, that of its largest piece.
        areas: the pixels that this is the centroid of.
        down, forward: unit vectors along the column and towards the face; None where fewer than two bodies, or nothing in front, is
            found.
        corners: anterior-inferior corners of C2 and C4, where they can be estimated.
        picture_px: rows and columns of the picture.
    """

    picture_px: tuple[int, int]
    centres: Mapping[str, Point] = field(default_factory=dict)
    areas: Mapping[str, int] = field(default_factory=dict)
    down: Point | None = None
    forward: Point | None = None
    corners: Mapping[str, Point] = field(default_factory=dict)

    @property
    def c2_c4_px(self) -> float | None:
        """Distance between the anterior-inferior corners of C2 and C4; None where either is unknown."""
        if not {"C2", "C4"} <= self.corners.keys():
            return None
        return float(np.hypot(*(self.corners["C4"] - self.corners["C2"])))

    @property
    def facing(self) -> str | None:
        """`left` or `right`: where the patient looks in the picture."""
        if self.forward is None:
            return None
        return "left" if self.forward[0] < 0 else "right"


def describe(masks: Bool[np.ndarray, "structures rows cols"], names: Sequence[str]) -> Anatomy:
    """Return the anatomy that the masks of one frame show; an empty one where nothing is found."""
    rows, cols = masks.shape[1:]
    points = {
        name: found
        for name, mask in zip(names, masks, strict=True)
        if len(found := _pixels(_main_piece(mask) if name in BODIES else mask))
        >= max(1, MIN_SHARE * rows * cols)
    }
    centres = {name: found.mean(0) for name, found in points.items()}
    areas = {name: len(found) for name, found in points.items()}
    down = column_direction(centres)
    forward = None if down is None else _forward(centres, areas, down)
    corners: dict[str, Point] = {}
    if forward is not None:
        for name in ("C2", "C4"):
            if name in points and (local := _local_down(name, centres)) is not None:
                across = _across(local)
                ahead = across if across @ forward > 0 else -across
                corners[name] = extreme_point(points[name], ahead + local)
    return Anatomy((rows, cols), centres, areas, down, forward, corners)


def column_direction(centres: Mapping[str, Point]) -> Point | None:
    """Return the unit vector from the uppermost to the lowest body by name; None with fewer than two."""
    bodies = [centres[name] for name in BODIES if name in centres]
    return _unit(bodies[-1] - bodies[0]) if len(bodies) >= 2 else None


def _forward(centres: Mapping[str, Point], areas: Mapping[str, int], down: Point) -> Point | None:
    """Return the side of the column on which jaw and airway lie: their offsets, weighed by area, decide."""
    bodies = np.mean([centres[name] for name in BODIES if name in centres], axis=0)
    across = _across(down)
    votes = [areas[name] * float((centres[name] - bodies) @ across) for name in FRONT if name in centres]
    if not votes or sum(votes) == 0:
        return None
    return across if sum(votes) > 0 else -across


def _local_down(name: str, centres: Mapping[str, Point]) -> Point | None:
    """Return the direction of the column at one level, from the bodies next to it; C1 is no body and has no say."""
    at = BODIES.index(name)
    above = BODIES[at - 1] if at and BODIES[at - 1] in centres else name
    below = BODIES[at + 1] if BODIES[at + 1] in centres else name
    return None if above == below else _unit(centres[below] - centres[above])


def extreme_point(points: Float[np.ndarray, "points 2"], direction: Point) -> Point:
    """Return the point of a mask that lies furthest in `direction`: the mean of the pixels within one pixel of the furthest."""
    along = points @ _unit(direction)
    return points[along >= along.max() - 1].mean(0)


def _main_piece(mask: Bool[np.ndarray, "rows cols"]) -> Bool[np.ndarray, "rows cols"]:
    """Return the largest connected piece of a mask (neighbours along an edge); a body is one, strays of it have no say."""
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return mask
    box = (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1))
    pieces, count = ndimage.label(mask[box])
    if count < 2:
        return mask
    main = np.zeros_like(mask)
    main[box] = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    return main


def _pixels(mask: Bool[np.ndarray, "rows cols"]) -> Float[np.ndarray, "points 2"]:
    rows, cols = np.nonzero(mask)
    return np.stack([cols, rows], axis=1).astype(np.float64)


def _unit(vector: Point) -> Point:
    length = float(np.hypot(*vector))
    return vector / length if length > 0 else vector


def _across(down: Point) -> Point:
    """Return `down` turned by a quarter: to the right of the picture when `down` points down."""
    return np.array([down[1], -down[0]])
