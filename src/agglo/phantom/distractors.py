"""What else lies in the picture: markers, leads, a tube, a plate, an earring; and what is at the mouth before the swallow.

None of it is labelled. Devices stay where they are and are drawn into the static layers; utensils leave in time (`Utensil`), and a
shoulder may rise into the field and sink again (`raised_shoulder`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from scipy.ndimage import distance_transform_edt, gaussian_filter

from agglo.phantom.canvas import Patch, Projection, enlarged, fill, rounded
from agglo.phantom.curves import Points, band, ellipse, points_of, rotate, smooth_line, smooth_step
from agglo.phantom.head import shoulder_outline
from agglo.phantom.skeleton import CORTICAL, METAL, SOFT, SPONGIOSA, Body, Layers
from agglo.phantom.throat import wall_front
from agglo.phantom.xray import MATERIALS

BARIUM = MATERIALS.index("barium")
COARSE = 4

Shape = tuple[Points, int, float, float]
"""An outline (mm, body frame), its material, its thickness along the beam (cm) and the width over which its edge is round (mm)."""


def _marker_place(body: Body, random: np.random.Generator) -> Points:
    """Return where a marker is stuck: under the chin, before the throat, or at the nape."""
    under_chin, nape = body.head.place(points_of((66.0, 128.0))), body.neck.place(points_of((-62.0, -8.0)))
    return (under_chin, under_chin, nape)[int(random.integers(3))] + random.uniform(-6, 6, (1, 2))


def _ring(body: Body, random: np.random.Generator) -> list[Shape]:
    centre, outer = _marker_place(body, random)[0], float(random.uniform(5.5, 9.0))
    ring, hole = ellipse(centre, (outer, outer)), ellipse(centre, (0.66 * outer, 0.66 * outer))
    return [(np.concatenate([ring, ring[:1], hole[:1], hole[::-1]]), METAL, 0.12, 1.0)]


def _ball(body: Body, random: np.random.Generator) -> list[Shape]:
    radius = float(random.uniform(3.0, 9.5))
    return [(ellipse(_marker_place(body, random)[0], (radius, radius)), METAL, 0.2 * radius, 2 * radius)]


def _coin(body: Body, random: np.random.Generator) -> list[Shape]:
    radius, lean = float(random.uniform(9.0, 12.5)), float(random.uniform(0.5, 1.0))
    return [(ellipse(_marker_place(body, random)[0], (radius, lean * radius)), METAL, 0.2, 0.5)]


def _ruler(body: Body, random: np.random.Generator) -> list[Shape]:
    front = float(random.choice([-58.0, 98.0]))
    x, y = body.neck.place(points_of((front, 0.0)))[0]
    edge = points_of((x, y - 52), (x, y + 52))
    ticks = [points_of((x, y + at), (x + (7 if at % 50 == 0 else 4), y + at)) for at in range(-50, 51, 10)]
    return [(band(line, 0.5, -0.5), METAL, 0.06, 0.5) for line in (edge, *ticks)]


def _lead(body: Body, random: np.random.Generator) -> list[Shape]:
    start = body.neck.place(points_of((-34.0 + 20 * float(random.random()), body.shoulder_mm - 16)))[0]
    shape = points_of((0, 0), (14, 16), (42, 10), (66, 34), (72, 80), (110, 130))
    wires = [start + shape * (1.0, scale) for scale in random.uniform(0.6, 1.2, int(random.integers(1, 3)))]
    shapes: list[Shape] = [(band(smooth_line(wire, count=40), 0.8, -0.8), METAL, 0.12, 0.5) for wire in wires]
    return [*shapes, (ellipse(start, (4.0, 4.0)), METAL, 0.1, 1.0)]


def _tube(body: Body, random: np.random.Generator) -> list[Shape]:
    size = body.person.size
    levels = np.arange(-40.0, 150.0, 8.0) * size
    throat = body.neck.place(np.stack([wall_front(levels, size) + 2.5, levels], axis=1))
    nose = body.head.place(points_of((122, 2), (104, 0), (80, 3), (58, 1), (42, -4), (33, 2)))
    line = smooth_line(np.concatenate([nose, throat]), count=160)
    return [(band(line, 1.9, -1.9), SOFT, 0.25, 1.0), (band(line, 0.5, -0.5), METAL, 0.025, 0.5)]


def _plate(body: Body, random: np.random.Generator) -> list[Shape]:
    first = int(random.integers(2, 4))  # C4 or C5 of C2..T1
    bones = body.vertebrae[first : first + int(random.integers(2, 4))]
    line = np.concatenate(
        [b.place(points_of((b.depth / 2 + 1.6, s * b.height * 0.36))) for b in bones for s in (-1, 1)]
    )
    shapes: list[Shape] = [(band(line, 1.1, -1.1), METAL, 0.5, 0.5)]
    for bone in bones:
        screw = bone.place(points_of((bone.depth / 2 + 1.0, 0.0), (bone.depth / 2 - 13.0, 1.0)))
        shapes.append((band(screw, 1.5, -1.5), METAL, 0.16, 2.0))
    return shapes


def _earring(body: Body, random: np.random.Generator) -> list[Shape]:
    shapes: list[Shape] = []
    radius = float(random.uniform(5.0, 12.0))
    for side in (-1, 1):
        centre = body.head.place(points_of((-4.0 + 3 * side, 20.0 + radius + side)))[0]
        ring = ellipse(centre, (radius, radius * float(random.uniform(0.3, 1.0))))
        hole = centre + (ring - centre) * (1 - 1.8 / radius)
        shapes.append((np.concatenate([ring, ring[:1], hole[:1], hole[::-1]]), METAL, 0.12, 0.5))
    return shapes


DRAWN: Mapping[str, Callable[[Body, np.random.Generator], list[Shape]]] = {
    "ring marker": _ring,
    "ball marker": _ball,
    "coin marker": _coin,
    "ruler": _ruler,
    "electrode lead": _lead,
    "nasogastric tube": _tube,
    "neck plate": _plate,
    "earring": _earring,
}
"""Devices by the names that presets and captions use."""


def _patch(shape: Shape, projection: Projection) -> Patch:
    """Return the thickness of a shape, cm, on the canvas."""
    outline, _, thickness, edge_mm = shape
    patch = fill([projection.to_px(outline)], projection.side_px, margin_px=1)
    return Patch(
        patch.top, patch.left, np.float32(thickness) * rounded(patch, edge_mm / projection.spacing_mm)
    )


def draw_devices(layers: Layers, body: Body, names: Sequence[str], random: np.random.Generator) -> None:
    """Add devices to the static layers; each displaces nothing."""
    for name in names:
        for shape in DRAWN[name](body, random):
            patch = _patch(shape, layers.projection)
            layers.path[shape[1]][patch.window] += patch.cover


def _cup(random: np.random.Generator) -> list[Shape]:
    turn = float(random.uniform(-50, -20))

    def at(*pairs: tuple[float | int, float | int]) -> Points:
        return rotate(points_of(*pairs), turn) + points_of((104.0, 18.0))

    wall = at((0, -2), (10, 62), (12, 62), (2, -2), (52, -2), (42, 62), (44, 62), (54, -2))
    return [(wall, SOFT, 2.5, 1.0), (at((4, 22), (10, 60), (42, 60), (48, 30)), BARIUM, 1.6, 8.0)]


def _spoon(random: np.random.Generator) -> list[Shape]:
    handle = smooth_line(
        points_of((112, 20), (126, 17), (170, 6 + 30 * float(random.random())), (220, 20)), count=20
    )
    return [
        (band(handle, 1.3, -1.3), METAL, 0.12, 1.0),
        (ellipse((104.0, 21.0), (15.0, 3.2), degrees=6.0), METAL, 0.16, 2.0),
    ]


def _hand(random: np.random.Generator) -> list[Shape]:
    shapes: list[Shape] = []
    for finger in range(int(random.integers(2, 4))):
        line = smooth_line(
            points_of((100, 42), (124, 56), (160, 84), (215, 122)) + points_of((4 * finger, 17 * finger)),
            count=24,
        )
        shapes.append((band(line, 8.0, -8.0), SOFT, 1.6, 14.0))
        for begin, end in ((1, 5), (6, 12), (13, 22)):
            bone = line[begin:end]
            shapes.append((band(bone, 3.6, -3.6), SPONGIOSA, 0.5, 6.0))
            shapes.append((band(bone, 3.6, -3.6), CORTICAL, 0.16, 2.0))
    return shapes


HELD: Mapping[str, Callable[[np.random.Generator], list[Shape]]] = {
    "cup": _cup,
    "spoon": _spoon,
    "hand": _hand,
}
"""Utensils by name, in the head frame's man's millimetres."""


@dataclass(frozen=True)
class Utensil:
    """Something held at the mouth, as thicknesses on the canvas by material, that is taken away to the front.

    Attributes:
        parts: material and thickness (cm) of each part.
        leave_s: when it starts to go; towards: the direction in the image, pixels a second.
    """

    parts: tuple[tuple[int, Patch], ...]
    leave_s: float
    towards: tuple[float, float]

    def at(self, time_s: float) -> list[tuple[int, Patch]]:
        """Return the parts where they are at `time_s`; none once they are far."""
        gone_s = max(time_s - self.leave_s, 0.0)
        if gone_s > 1.0:
            return []
        far = smooth_step(gone_s / 0.8) * 0.8
        across, down = (round(speed * far) for speed in self.towards)
        return [(material, Patch(p.top + down, p.left + across, p.cover)) for material, p in self.parts]


def utensil_of(
    body: Body, projection: Projection, names: Sequence[str], leave_s: float, random: np.random.Generator
) -> Utensil:
    """Return what is held at the mouth until `leave_s`."""
    parts = []
    for name in names:
        for outline, material, thickness, edge_mm in HELD[name](random):
            shape = (body.head.place(outline), material, thickness, edge_mm)
            parts.append((material, _patch(shape, projection)))
    speed = 260.0 / projection.spacing_mm
    return Utensil(
        tuple(parts), leave_s, (projection.facing * speed, float(random.uniform(-0.2, 0.6)) * speed)
    )


def shoulder_cm(body: Body, projection: Projection, raised_mm: float) -> Float32[np.ndarray, "side side"]:
    """Return how much tissue a shoulder raised by `raised_mm` puts in the beam, cm."""
    cells = -(-projection.side_px // COARSE)
    coarse_mm = projection.spacing_mm * COARSE
    outline = shoulder_outline(body.neck, body.shoulder_mm - raised_mm, body.person.size)
    patch = fill([projection.to_px(outline) / COARSE], cells)
    under = np.zeros((cells, cells), np.float32)
    under[patch.window] = patch.cover
    padded = np.pad(under, 24, mode="edge")
    depth_mm = distance_transform_edt(padded > 0.5)[24:-24, 24:-24] * coarse_mm
    cm = 4.0 * (depth_mm > 0) + 26.0 * np.clip(depth_mm / 36, 0, 1) ** 0.8
    soft = gaussian_filter(cm.astype(np.float32), 2.8 / coarse_mm, mode="nearest")
    return enlarged(soft, projection.side_px, COARSE).astype(np.float32)


def shrug_at(elapsed: float, middle: float) -> float:
    """Return how far a shrug is, 0 to 1, at a share `elapsed` of the recording, when it is at its height at `middle`."""
    away = abs(elapsed - middle)
    return 1 - smooth_step((away - 0.06) / 0.14)
