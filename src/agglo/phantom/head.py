"""The head in lateral view: jaw (both sides), teeth, palate, skull base, occiput; and the outlines of skin and shoulder.

The head frame has its origin where the skull rests on the atlas, x to the front, y down, a man's millimetres; `HeadFrame.place`
scales, nods and moves it into the body frame. The two sides of the jaw are true points in space, projected by a diverging beam.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from agglo.phantom.curves import Points, ellipse, points_of, rotate, rounded_outline, smooth_line
from agglo.phantom.person import Person, room_in_front
from agglo.phantom.spine import NeckFrame, Vertebra

SOURCE_MM = 820.0
"""From the focal spot to the midsagittal plane."""

HALF_JAW_MM = 45.0
"""From the midsagittal plane to a jaw's angle."""


@dataclass(frozen=True)
class HeadFrame:
    """Where the head sits: origin (mm), scale, nod (degrees, chin down positive), yaw and roll (degrees)."""

    origin: tuple[float, float]
    scale: float
    nod_deg: float
    yaw_deg: float
    roll_deg: float

    def place(self, points: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
        """Return the body-frame points of midsagittal head points."""
        return rotate(points * self.scale, self.nod_deg) + np.asarray(self.origin)

    def place_beside(
        self, points: Float[np.ndarray, "points 2"], beside_mm: Float[np.ndarray, " points"]
    ) -> Float[np.ndarray, "points 2"]:
        """Return where points `beside_mm` towards the tube are projected onto the midsagittal plane."""
        shift = np.stack(
            [np.sin(np.deg2rad(self.yaw_deg)) * beside_mm, np.sin(np.deg2rad(self.roll_deg)) * beside_mm], 1
        )
        centre = np.asarray([30.0, 30.0])  # the central ray passes the middle of the jaw
        magnification = SOURCE_MM / (SOURCE_MM - beside_mm * self.scale)
        return self.place((points + shift - centre) * magnification[:, None] + centre)


def head_frame(person: Person, axis: Vertebra, nod_deg: float, yaw_deg: float, roll_deg: float) -> HeadFrame:
    """Put the head on the dens of C2."""
    x, y = axis.place(points_of((1.0, -33.0 * person.size)))[0]
    return HeadFrame((float(x), float(y)), person.size, nod_deg + 0.25 * axis.turn_deg, yaw_deg, roll_deg)


@dataclass(frozen=True)
class Jaw:
    """The jaw's main points in the head frame: angle, chin, and the unit vectors along and above its lower border."""

    gonion: Float[np.ndarray, " 2"]
    menton: Float[np.ndarray, " 2"]
    along: Float[np.ndarray, " 2"]
    above: Float[np.ndarray, " 2"]


def jaw_of(person: Person) -> Jaw:
    """Return the jaw of a patient; its lower border slopes 24 degrees to the front."""
    gonion = np.array([29.0, 44.0])
    along = rotate(points_of((1.0, 0.0)), 24.0)[0]
    return Jaw(gonion, gonion + person.jaw_mm * along, along, np.array([along[1], -along[0]]))


def jaw_side(person: Person, frame: HeadFrame, side: int) -> Points:
    """Return the projected outline of one half of the jaw (`side` 1 towards the tube, -1 away): ramus, body, half the chin."""
    jaw = jaw_of(person)
    length = person.jaw_mm

    def at(forward: float, above: float) -> tuple[float, float]:
        x, y = jaw.gonion + forward * jaw.along + above * jaw.above
        return float(x), float(y)

    up = rotate(points_of((1.0, 0.0)), 24.0 - person.gonial_deg)[0]
    front = np.array([-up[1], up[0]])

    def ramus(height: float, ahead: float) -> tuple[float, float]:
        x, y = jaw.gonion + height * up + ahead * front
        return float(x), float(y)

    local = points_of(
        ramus(58.0, 0.0), ramus(62.0, 4.0), ramus(59.0, 9.0), ramus(48.0, 15.0), ramus(58.0, 25.0),
        ramus(54.0, 30.0), ramus(38.0, 31.0), ramus(27.0, 33.0), at(36.0, 21.5), at(length - 18, 27.5),
        at(length - 9, 30.0), at(length - 5, 28.5),
        at(length - 5.5, 16.0), at(length + 1.5, 8.0), at(length + 1, 0.5), at(length - 8, -1.0), at(length * 0.55, 0.0),
        at(length * 0.28, 2.2), at(8.0, 0.6), at(-1.0, 4.5), ramus(22.0, -1.5), ramus(42.0, 1.5),
    )  # fmt: skip
    forward = np.clip((local - jaw.gonion) @ jaw.along / length, 0, 1)
    beside = side * HALF_JAW_MM * (1 - forward**2.2)
    outline = np.concatenate([local, beside[:, None]], axis=1)
    following = np.roll(outline, -1, axis=0)
    outline = np.stack([0.75 * outline + 0.25 * following, 0.25 * outline + 0.75 * following], 1).reshape(
        -1, 3
    )
    return frame.place_beside(outline[:, :2], outline[:, 2])


def chin_outline(person: Person, frame: HeadFrame) -> Points:
    """Return the symphysis seen edge on."""
    jaw = jaw_of(person)
    centre = jaw.menton - 5.0 * jaw.along + 13.0 * jaw.above
    return frame.place(ellipse(centre, (14.0, 5.6), degrees=24.0 - 98.0))


CROWN_WIDTHS_MM = (5.0, 5.5, 6.5, 6.5, 7.0, 10.0, 10.0, 9.5)
"""Of the teeth of one side, front to back, as seen from the side."""


HALF_ARCH_MM = (2.0, 8.0, 14.0, 18.0, 21.0, 25.0, 28.0, 30.0)
"""From the midsagittal plane to the same teeth."""


def teeth_outlines(
    person: Person, frame: HeadFrame, *, upper: bool, side: int
) -> tuple[list[Points], list[Points]]:
    """Return crowns and roots of one side's row, front to back (`side` as in `jaw_side`); none for a patient without teeth."""
    if person.teeth == "none":
        return [], []
    jaw = jaw_of(person)
    crowns: list[Points] = []
    roots: list[Points] = []
    ends = person.jaw_mm - 9.0 + (3.0 if upper else 0.0) - np.concatenate([[0.0], np.cumsum(CROWN_WIDTHS_MM)])
    occlusal = jaw.gonion + 38.0 * jaw.above - 0.18 * person.jaw_mm * jaw.above
    slope = jaw.along + 0.18 * jaw.above
    for index, width in enumerate(CROWN_WIDTHS_MM):
        middle = occlusal + (ends[index] - width / 2) * slope
        tall = (9.5 if index < 3 else 7.5) * (1 if upper else -1)
        edge, neck, tip = 0.5 * np.sign(tall), tall, tall * (2.4 if index < 3 else 2.7)
        crown = points_of(
            (-0.46 * width, edge), (-0.40 * width, neck), (0.40 * width, neck), (0.46 * width, edge)
        )
        root = points_of(
            (-0.36 * width, neck), (-0.12 * width, tip), (0.12 * width, tip), (0.36 * width, neck)
        )
        for outlines, local in ((crowns, np.repeat(crown, 2, axis=0)), (roots, root)):
            placed = rounded_outline(middle + local[:, :1] * slope + local[:, 1:] * jaw.above)
            beside = np.full(len(placed), side * HALF_ARCH_MM[index])
            outlines.append(frame.place_beside(placed, beside))
    return crowns, roots


def palate_line(frame: HeadFrame) -> Points:
    """Return the hard palate from its back end to the front."""
    return frame.place(smooth_line(points_of((39, 9), (60, 7), (76, 8), (86, 11)), count=24))


def skull_outlines(frame: HeadFrame) -> dict[str, Points]:
    """Return the bones above the neck by name, in the body frame."""
    occiput = smooth_line(
        points_of((-2, -7), (-14, 4), (-30, 11), (-52, 4), (-77, -24), (-92, -66), (-94, -110)), count=40
    )
    inner = smooth_line(
        points_of((-90, -110), (-87, -68), (-72, -30), (-50, -4), (-30, 3), (-14, -3), (-2, -12)), count=40
    )
    shapes = {
        "occiput": np.concatenate([occiput, inner]),
        "base": points_of(
            (-30, -10), (-10, -9), (2, -7), (10, -12), (18, -24), (30, -27), (46, -38), (70, -44), (70, -50), (40, -48),
            (22, -42), (6, -40), (-12, -30), (-30, -22),
        ),
        "petrous": points_of((-34, -20), (-20, -14), (-2, -22), (10, -30), (6, -38), (-10, -42), (-30, -34), (-40, -26)),
        "mastoid": points_of((-20, -18), (-6, -14), (-2, -2), (-8, 8), (-15, 5), (-22, -8)),
        "pterygoid": points_of((36, -30), (44, -28), (45, -8), (43, 10), (38, 12), (37, -6)),
        "maxilla": points_of((46, 10), (60, 8), (78, 9), (90, 12), (95, 22), (92, 30), (58, 25), (48, 20)),
        "sinus": points_of((48, -26), (66, -31), (78, -24), (80, -8), (72, 4), (54, 4), (47, -8)),
        "nose": points_of((42, -14), (60, -34), (90, -30), (102, -4), (88, 6), (58, 5), (44, 4)),
    }  # fmt: skip
    return {name: frame.place(rounded_outline(shape)) for name, shape in shapes.items()}


def skin_outline(person: Person, frame: HeadFrame, neck: NeckFrame) -> Points:
    """Return the outline of head and neck, closed far above and below any field."""
    jaw = jaw_of(person)
    mx, my = jaw.menton
    face = points_of(
        (60, -190), (98, -110), (102, -66), (99, -40), (120, -10), (121, -2), (107, 7), (110, 18), (107, 26), (108, 34),
        (mx + 11, my - 19), (mx + 14, my - 8), (mx + 10, my + 5), (mx - 4, my + 10), (mx - 22, my + 6),
    )  # fmt: skip
    depth = person.neck_depth * person.size
    front = (
        points_of((64, 14), (61, 24), (60, 36), (59, 52), (60, 70), (63, 88), (71, 110), (90, 200))
        * person.size
    )
    front = front + points_of((14.0 * (depth - person.size) + room_in_front(person), 0.0))
    nape = points_of((-110, 200), (-88, 90), (-76, 60), (-66, 30), (-60, 0), (-60, -24), (-62, -40)) * (
        depth,
        person.size,
    )
    skull = points_of((-84, -16), (-104, -60), (-104, -120), (-60, -190))
    return rounded_outline(
        np.concatenate([frame.place(face), neck.place(front), neck.place(nape), frame.place(skull)]), rounds=3
    )


def shoulder_outline(neck: NeckFrame, level_mm: float, size: float) -> Points:
    """Return the shoulder's shadow, its upper edge crossing the spine at `level_mm` and falling to the front."""
    x, y = neck.place(points_of((0.0, level_mm)))[0]
    edge = points_of(
        (-160, -70),
        (-100, -42),
        (-60, -22),
        (-25, -6),
        (0, 0),
        (18, 9),
        (40, 30),
        (75, 75),
        (110, 130),
        (130, 260),
        (-160, 260),
    )
    return rounded_outline(edge * size) + points_of((x, y))
