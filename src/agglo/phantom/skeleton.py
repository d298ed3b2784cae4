"""What does not move in a swallow, drawn once per study: soft tissue, shoulder, spine, skull, jaw, teeth, markers, as path lengths.

Bone displaces soft tissue. The canvas is larger than the image by the patient's sway, so that a frame is a window of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import distance_transform_edt

from agglo.phantom import head as skull
from agglo.phantom import spine
from agglo.phantom.canvas import Patch, Projection, blurred, enlarged, fill, rounded, whole_area
from agglo.phantom.curves import Points, band, ellipse, points_of, smooth_line
from agglo.phantom.head import HeadFrame
from agglo.phantom.person import Person
from agglo.phantom.spine import NeckFrame, Vertebra
from agglo.phantom.xray import ATTENUATION_PER_CM, MATERIALS

SOFT, SPONGIOSA, CORTICAL, ENAMEL, METAL = (
    MATERIALS.index(name) for name in ("soft", "spongiosa", "cortical", "enamel", "metal")
)
COARSE = 4

UNSHARP_MM = 1.4
"""Width over which a bone's edge fades: its rim is never seen quite edge on."""


@dataclass(frozen=True)
class Organ:
    """A labelled bone on the canvas: where it is, how much it attenuates beyond soft tissue, how large it is in all (pixels)."""

    patch: Patch
    contrast: Float[np.ndarray, "rows cols"]
    whole_px: float


@dataclass(frozen=True)
class Body:
    """Everything that the static drawing needs to know of a patient in a pose."""

    person: Person
    vertebrae: tuple[Vertebra, ...]
    neck: NeckFrame
    head: HeadFrame
    atlas_deg: float
    shoulder_mm: float


@dataclass
class Layers:
    """Path lengths being summed, cm, `[materials, side, side]`, on the canvas of a projection."""

    path: Float32[np.ndarray, "materials side side"]
    projection: Projection

    def bone(self, outlines_mm: Sequence[Points], spongiosa: float, cortical: float, rim: float) -> Organ:
        """Add a bone: rounded spongiosa, an even cortex, and more of it towards the edge (all cm along the beam)."""
        projection = self.projection
        outlines = [projection.to_px(outline) for outline in outlines_mm]
        edge_px = 2.2 / projection.spacing_mm
        patch = fill(outlines, projection.side_px, margin_px=round(edge_px) + 1)
        hazy = blurred(patch.cover, UNSHARP_MM / projection.spacing_mm)
        inner = blurred(patch.cover, edge_px)
        edge = hazy * np.clip(2 - 2 * inner, 0, 1) ** 2
        inside = spongiosa * hazy * rounded(patch, 2 * edge_px)
        dense = cortical * hazy + rim * edge
        window = patch.window
        self.path[SPONGIOSA][window] += inside
        self.path[CORTICAL][window] += dense
        self.path[SOFT][window] -= inside + dense
        excess = ATTENUATION_PER_CM[:, 1] - ATTENUATION_PER_CM[SOFT, 1]
        return Organ(patch, excess[SPONGIOSA] * inside + excess[CORTICAL] * dense, whole_area(outlines))

    def solid(self, outlines_mm: Sequence[Points], material: int, thickness: float, edge_mm: float) -> None:
        """Add a rounded solid of one material in place of soft tissue (a negative `thickness` of soft makes a cavity)."""
        outlines = [self.projection.to_px(outline) for outline in outlines_mm]
        patch = fill(outlines, self.projection.side_px, margin_px=1)
        amount = thickness * rounded(patch, edge_mm / self.projection.spacing_mm)
        self.path[material][patch.window] += amount
        if material != SOFT:
            self.path[SOFT][patch.window] -= amount


def soft_tissue(
    body: Body, projection: Projection, random: np.random.Generator
) -> Float32[np.ndarray, "side side"]:
    """Return the thickness of head, neck and shoulder, cm: falling to nothing at the skin like an ellipse, finely mottled."""
    person, coarse_mm = body.person, projection.spacing_mm * COARSE
    cells = -(-projection.side_px // COARSE)

    def cover(outline: Points) -> Float[np.ndarray, "cells cells"]:
        layer = np.zeros((cells, cells), np.float32)
        patch = fill([projection.to_px(outline) / COARSE], cells)
        layer[patch.window] = patch.cover
        return layer

    def depth_mm(layer: Float32[np.ndarray, "cells cells"]) -> Float32[np.ndarray, "cells cells"]:
        padded = np.pad(layer, 24, mode="edge")
        return (distance_transform_edt(padded > 0.5)[24:-24, 24:-24] * coarse_mm).astype(np.float32)

    above = cover(
        body.head.place(points_of((-160, -230), (160, -230), (160, 12), (30, 14), (-20, 0), (-160, 6)))
    )
    cheeks = cover(body.head.place(points_of((22, 8), (112, 8), (112, 74), (92, 84), (28, 52))))
    width = person.neck_cm + (person.skull_cm - person.neck_cm) * blurred(above, 14 / coarse_mm)
    width = width + (person.jaw_cm - person.neck_cm + 0.6) * blurred(cheeks, 12 / coarse_mm)
    skin = cover(skull.skin_outline(person, body.head, body.neck))
    near = np.clip(blurred(depth_mm(skin), 7 / coarse_mm) / (44 * person.size), 0, 1)
    flesh = width * np.sqrt(1 - (1 - near) ** 2)
    under = depth_mm(cover(skull.shoulder_outline(body.neck, body.shoulder_mm, person.size)))
    shoulder = blurred(4.0 * (under > 0) + 26.0 * np.clip(under / 36, 0, 1) ** 0.8, 5 / coarse_mm)
    thickness = np.maximum(flesh, 0.4 * shoulder) + shoulder
    mottle = random.standard_normal((cells, cells), dtype=np.float32)
    mottled = 1 + blurred(mottle, 5 / coarse_mm) * 0.05 + blurred(mottle, 14 / coarse_mm) * 0.20
    return enlarged(blurred(thickness, 3 / coarse_mm) * mottled, projection.side_px, COARSE)


def draw_spine(layers: Layers, body: Body) -> dict[str, Organ]:
    """Add C1..T1 with pillars and spinous processes; return the labelled part of C1..C7."""
    size, bones = body.person.size, body.vertebrae
    organs = {}
    front, back = spine.atlas_outlines(bones[0], size, body.atlas_deg)
    organs["C1"] = layers.bone([front, back], 0.9, 0.25, 0.55)
    layers.bone([spine.atlas_mass(bones[0], size)], 1.6, 0.1, 0.2)
    for vertebra in bones:
        layers.bone([spine.pillar_outline(vertebra)], 1.6, 0.12, 0.25)
        layers.bone([spine.spinous_outline(vertebra)], 0.7, 0.12, 0.3)
        outline = spine.axis_outline(vertebra) if vertebra.name == "C2" else spine.body_outline(vertebra)
        organs[vertebra.name] = layers.bone([outline], 2.8, 0.24, 0.75)
    del organs["T1"]
    return organs


def draw_head(layers: Layers, body: Body) -> dict[str, Organ]:
    """Add skull, palate, teeth and jaw; return the jaw."""
    person, frame = body.person, body.head
    shapes = skull.skull_outlines(frame)
    layers.solid([shapes["nose"]], SOFT, -2.4, 12.0)
    layers.solid([shapes["sinus"]], SOFT, -2.0, 6.0)
    layers.bone([shapes["occiput"]], 1.2, 0.5, 0.9)
    layers.bone([shapes["base"]], 3.0, 0.5, 0.3)
    layers.bone([shapes["petrous"]], 2.0, 0.9, 0.2)
    layers.bone([shapes["mastoid"]], 1.2, 0.2, 0.3)
    layers.bone([shapes["pterygoid"]], 0.2, 0.4, 0.3)
    layers.bone([shapes["maxilla"]], 1.8, 0.15, 0.3)
    layers.bone([band(skull.palate_line(frame), 1.3, -1.3)], 0.5, 0.9, 0.3)
    sides = [skull.jaw_side(person, frame, side) for side in (1, -1)]
    for side in sides:
        layers.bone([side], 0.6, 0.24, 0.85)
    layers.bone([skull.chin_outline(person, frame)], 1.1, 0.1, 0.5)
    upper, upper_roots = skull.teeth_outlines(person, frame, upper=True)
    lower, lower_roots = skull.teeth_outlines(person, frame, upper=False)
    layers.solid(upper_roots + lower_roots, CORTICAL, 0.45, 2.0)
    layers.solid(upper + lower, ENAMEL, 1.0, 2.0)
    if person.teeth == "filled":
        layers.solid(upper[4:7] + lower[4:8], METAL, 0.35, 5.0)
    union = fill([layers.projection.to_px(side) for side in sides], layers.projection.side_px)
    excess = float(ATTENUATION_PER_CM[SPONGIOSA, 1] - ATTENUATION_PER_CM[SOFT, 1]) * 0.55
    excess += float(ATTENUATION_PER_CM[CORTICAL, 1] - ATTENUATION_PER_CM[SOFT, 1]) * 0.25
    return {
        "mandible": Organ(
            union, excess * union.cover, whole_area([layers.projection.to_px(side) for side in sides])
        )
    }


def draw_marker(layers: Layers, body: Body) -> None:
    """Add a ring marker of known size under the chin."""
    centre = body.head.place(points_of((66.0, 128.0)))[0]
    ring = ellipse(centre, (7.0, 7.0))
    hole = ellipse(centre, (4.6, 4.6))
    layers.solid([np.concatenate([ring, ring[:1], hole[:1], hole[::-1]])], METAL, 0.12, 1.0)


def draw_lead(layers: Layers, body: Body) -> None:
    """Add an electrode lead across the shoulder."""
    start = body.neck.place(points_of((-34.0, body.shoulder_mm - 16)))[0]
    knots = smooth_line(
        points_of((0, 0), (14, 16), (42, 10), (66, 34), (72, 80), (110, 130)) + start, count=40
    )
    layers.solid([band(knots, 0.8, -0.8)], METAL, 0.12, 0.5)
    layers.solid([ellipse(start, (4.0, 4.0))], METAL, 0.1, 1.0)


def draw_static(
    body: Body, projection: Projection, random: np.random.Generator, *, marker: bool, lead: bool
) -> tuple[Layers, dict[str, Organ]]:
    """Return the path lengths of everything that does not move, and the labelled bones by name."""
    path = np.zeros((len(MATERIALS), projection.side_px, projection.side_px), np.float32)
    layers = Layers(path, projection)
    path[SOFT] = soft_tissue(body, projection, random)
    organs = draw_spine(layers, body) | draw_head(layers, body)
    if marker:
        draw_marker(layers, body)
    if lead:
        draw_lead(layers, body)
    grain = blurred(random.standard_normal(path.shape[1:], dtype=np.float32), 2.4 / projection.spacing_mm)
    grain *= np.float32(1 / max(float(grain.std()), 1e-6))
    path[SPONGIOSA] *= 1 + np.clip(grain * 0.10, -0.3, 0.3)
    path[SOFT] *= 1 + np.clip(grain * 0.006, -0.02, 0.02)
    return layers, organs
