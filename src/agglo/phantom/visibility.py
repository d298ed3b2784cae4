"""How much of each structure a reader could see: in the open field, and with contrast enough.

A pixel is visible when taking the structure out of the beam would change its grey level (noise-free) by `VISIBLE_GREY`, about one
standard deviation of noise. The epiglottis, soft tissue in soft tissue, is seen only by what borders it.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32

from agglo.phantom.canvas import blurred, overlap
from agglo.phantom.moving import Moving
from agglo.phantom.scene import Scene
from agglo.phantom.structures import STRUCTURES
from agglo.phantom.xray import ATTENUATION_PER_CM, MATERIALS, Beam, display

VISIBLE_GREY = 2.5

SOFT_PER_CM = float(ATTENUATION_PER_CM[MATERIALS.index("soft"), 1])
BARIUM_PER_CM = float(ATTENUATION_PER_CM[MATERIALS.index("barium"), 1])


class Light(NamedTuple):
    """What falls on the detector: expected signal and its primary part (open beam = 1), noise-free."""

    signal: Float32[np.ndarray, "size size"]
    primary: Float32[np.ndarray, "size size"]


def change_when_removed(
    signal: Float32[np.ndarray, "*shape"],
    primary: Float32[np.ndarray, "*shape"],
    integral: Float[np.ndarray, "*shape"],
    beam: Beam,
) -> Float32[np.ndarray, "*shape"]:
    """Return the change in grey level if a line integral of attenuation were taken out of the beam (negative: put in)."""
    without = signal + primary * np.expm1(np.clip(integral, -4, 8)).astype(np.float32)
    white = np.float32(beam.white)
    return np.abs(np.minimum(display(without, beam), white) - np.minimum(display(signal, beam), white))


def _share_changed(
    scene: Scene,
    light: Light,
    mask: Bool[np.ndarray, "size size"],
    integral: Float32[np.ndarray, "size size"],
) -> float:
    """Return the share of a mask's pixels that are in the open field and visible; 0 for an empty mask."""
    rows, cols = np.nonzero(mask)
    if rows.size == 0:
        return 0.0
    change = change_when_removed(
        light.signal[rows, cols], light.primary[rows, cols], integral[rows, cols], scene.unit.beam
    )
    return float(np.mean((change >= VISIBLE_GREY) & (scene.field[rows, cols] > 0.5)))


def _leaf_share(scene: Scene, light: Light, mask: Bool[np.ndarray, "size size"], moving: Moving) -> float:
    """Return how much of the leaf's border (2 mm wide) is air or contrast that stands out, doubled: one side is enough."""
    rows, cols = np.nonzero(mask)
    if rows.size == 0:
        return 0.0
    reach = max(round(2.0 / scene.projection.spacing_mm), 1)
    window = (
        slice(max(int(rows.min()) - reach, 0), int(rows.max()) + reach + 1),
        slice(max(int(cols.min()) - reach, 0), int(cols.max()) + reach + 1),
    )
    border = (blurred(mask[window].astype(np.float32), 2.0 * reach + 1, passes=1) > 1e-4) & ~mask[window]
    integral = SOFT_PER_CM * np.maximum(moving.air_cm[window], 3 * moving.contrast_cm[window])
    change = change_when_removed(light.signal[window], light.primary[window], -integral, scene.unit.beam)
    seen = (change >= 2 * VISIBLE_GREY) & (scene.field[window] > 0.5)
    return min(1.0, 2.0 * float(seen[border].mean())) if border.any() else 0.0


def visible_fractions(
    scene: Scene,
    moving: Moving,
    masks: Bool[np.ndarray, "structures size size"],
    light: Light,
    corner: tuple[int, int],
) -> Float[np.ndarray, " structures"]:
    """Return the visible fraction of each structure, 0..1; bones count what lies outside the image as unseen.

    Args:
        scene: the study.
        moving: this frame's moving organs.
        masks: this frame's twelve masks.
        light: this frame's expected light.
        corner: first column and row of the canvas that the frame shows.
    """
    strength = scene.swallow.barium_percent / 20.0 * (BARIUM_PER_CM - SOFT_PER_CM)
    contrast = np.float32(strength) * moving.contrast_cm
    air = np.float32(-SOFT_PER_CM) * np.maximum(moving.air_cm - moving.contrast_cm, 0)
    fractions = np.zeros(len(STRUCTURES))
    for index, name in enumerate(STRUCTURES):
        if name == "epiglottis":
            fractions[index] = _leaf_share(scene, light, masks[index], moving)
        elif name in moving.masks:
            integral = contrast if name == "bolus" else np.where(contrast > 0.05, contrast, air)
            fractions[index] = _share_changed(scene, light, masks[index], integral)
        else:
            fractions[index] = _bone_share(scene, light, masks[index], name, corner)
    return fractions


def _bone_share(
    scene: Scene, light: Light, mask: Bool[np.ndarray, "size size"], name: str, corner: tuple[int, int]
) -> float:
    organ = scene.organs[name]
    here, there = overlap(organ.patch, corner, scene.projection.size_px)
    inside = mask[here]
    if not inside.any():
        return 0.0
    change = change_when_removed(
        light.signal[here], light.primary[here], organ.contrast[there], scene.unit.beam
    )
    seen = inside & (change >= VISIBLE_GREY) & (scene.field[here] > 0.5)
    return min(1.0, float(seen.sum()) / max(organ.whole_px, 1.0))
