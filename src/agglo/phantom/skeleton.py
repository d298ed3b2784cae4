"""What does not move in a swallow, drawn once per study: soft tissue, shoulder, spine, skull, jaw, teeth, markers, as path lengths.

Bone displaces soft tissue. The canvas is larger than the image by the patient's sway, so that a frame is a window of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import distance_transform_edt, gaussian_filter

from agglo.phantom import head as skull
from agglo.phantom import spine
from agglo.phantom.canvas import Patch, Projection, blurred, enlarged, fill, rounded, whole_area
from agglo.phantom.curves import Points, band, points_of
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

    def smooth(
        layer: Float[np.ndarray, "cells cells"], width_mm: float
    ) -> Float32[np.ndarray, "cells cells"]:
        return gaussian_filter(layer, 0.4 * width_mm / coarse_mm, mode="nearest").astype(np.float32)

    above = cover(
        body.head.place(points_of((-160, -230), (160, -230), (160, 12), (30, 14), (-20, 0), (-160, 6)))
    )
    cheeks = cover(body.head.place(points_of((22, 8), (112, 8), (112, 74), (92, 84), (28, 52))))
    width = person.neck_cm + (person.skull_cm - person.neck_cm) * smooth(above, 14.0)
    width = width + (person.jaw_cm - person.neck_cm + 0.6) * smooth(cheeks, 12.0)
    skin = cover(skull.skin_outline(person, body.head, body.neck))
    near = np.clip(smooth(depth_mm(skin), 7.0) / (44 * person.size), 0, 1)
    flesh = width * np.sqrt(1 - (1 - near) ** 2)
    under = depth_mm(cover(skull.shoulder_outline(body.neck, body.shoulder_mm, person.size)))
    shoulder = smooth(4.0 * (under > 0) + 26.0 * np.clip(under / 36, 0, 1) ** 0.8, 7.0)
    thickness = np.maximum(flesh, 0.4 * shoulder) + shoulder
    mottle = random.standard_normal((cells, cells), dtype=np.float32)
    mottled = np.ones_like(mottle)
    for width_mm, deviation in ((6.0, 0.012), (18.0, 0.022)):
        layer = smooth(mottle, width_mm)
        mottled += np.float32(deviation / max(float(layer.std()), 1e-6)) * layer
    return enlarged(smooth(thickness, 3.0) * mottled, projection.side_px, COARSE)


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


def draw_teeth(layers: Layers, body: Body) -> None:
    """Add the teeth of both sides, which the beam throws beside each other, and fillings."""
    person, frame = body.person, body.head
    for side in (1, -1):
        upper, upper_roots = skull.teeth_outlines(person, frame, upper=True, side=side)
        lower, lower_roots = skull.teeth_outlines(person, frame, upper=False, side=side)
        layers.solid(upper_roots + lower_roots, CORTICAL, 0.28, 2.0)
        layers.solid(upper + lower, ENAMEL, 0.55, 3.0)
        if person.teeth == "filled":
            filled = upper[4:7] + lower[5:8] if side > 0 else upper[5:6] + lower[4:7]
            layers.solid(filled, METAL, 0.25, 6.0)


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
    draw_teeth(layers, body)
    union = fill([layers.projection.to_px(side) for side in sides], layers.projection.side_px)
    excess = float(ATTENUATION_PER_CM[SPONGIOSA, 1] - ATTENUATION_PER_CM[SOFT, 1]) * 0.55
    excess += float(ATTENUATION_PER_CM[CORTICAL, 1] - ATTENUATION_PER_CM[SOFT, 1]) * 0.25
    return {
        "mandible": Organ(
            union, excess * union.cover, whole_area([layers.projection.to_px(side) for side in sides])
        )
    }


def draw_static(
    body: Body, projection: Projection, random: np.random.Generator
) -> tuple[Layers, dict[str, Organ]]:
    """Return the path lengths of everything that does not move, and the labelled bones by name."""
    path = np.zeros((len(MATERIALS), projection.side_px, projection.side_px), np.float32)
    layers = Layers(path, projection)
    path[SOFT] = soft_tissue(body, projection, random)
    organs = draw_spine(layers, body) | draw_head(layers, body)
    grain = blurred(random.standard_normal(path.shape[1:], dtype=np.float32), 2.4 / projection.spacing_mm)
    grain *= np.float32(1 / max(float(grain.std()), 1e-6))
    path[SPONGIOSA] *= 1 + np.clip(grain * 0.15, -0.4, 0.4)
    path[SOFT] *= 1 + np.clip(grain * 0.006, -0.02, 0.02)
    return layers, organs
