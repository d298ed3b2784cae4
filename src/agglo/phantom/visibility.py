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

Window = tuple[slice, slice]


class Light(NamedTuple):
    """What falls on the detector: expected signal and its primary part (open beam = 1), noise-free."""

    signal: Float32[np.ndarray, "size size"]
    primary: Float32[np.ndarray, "size size"]


class Seen(NamedTuple):
    """What can be seen of each structure.

    Attributes:
        fraction: 0..1, in the order of `STRUCTURES`; bones count what lies outside the image as unseen.
        contrast_to_noise: mean change in grey level if the structure were not there, over the noise there; 0 outside the field.
        masks: the visible part of each.
    """

    fraction: Float[np.ndarray, " structures"]
    contrast_to_noise: Float[np.ndarray, " structures"]
    masks: Bool[np.ndarray, "structures size size"]


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


def _box(mask: Bool[np.ndarray, "size size"], reach: int) -> Window | None:
    """Return the window around a mask and `reach` pixels more; None for an empty mask."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return None
    cols = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    first, left = max(int(rows[0]) - reach, 0), max(int(cols[0]) - reach, 0)
    return slice(first, int(rows[-1]) + reach + 1), slice(left, int(cols[-1]) + reach + 1)


def _ratio(
    scene: Scene,
    light: Light,
    window: Window,
    change: Float[np.ndarray, "rows cols"],
    where: Bool[np.ndarray, "rows cols"],
) -> float:
    """Return the mean of `change` over the mean noise, `where` it is in the open field; 0 nowhere."""
    counted = where & (scene.field[window] > 0.5)
    if not counted.any():
        return 0.0
    beam = scene.unit.beam
    grey = np.minimum(display(light.signal[window][counted], beam), np.float32(beam.white))
    noise = beam.noise_grey * float(np.sqrt(np.mean(grey) / 120.0))
    return float(np.mean(change[counted])) / max(noise, 0.1)


def visible_parts(
    scene: Scene,
    moving: Moving,
    masks: Bool[np.ndarray, "structures size size"],
    light: Light,
    corner: tuple[int, int],
) -> Seen:
    """Return what can be seen of each structure.

    Args:
        scene: the study.
        moving: this frame's moving organs.
        masks: this frame's twelve masks.
        light: this frame's expected light.
        corner: first column and row of the canvas that the frame shows.
    """
    strength = scene.swallow.barium_percent / 20.0 * (BARIUM_PER_CM - SOFT_PER_CM)
    seen = Seen(np.zeros(len(STRUCTURES)), np.zeros(len(STRUCTURES)), np.zeros_like(masks))
    for index, name in enumerate(STRUCTURES):
        if name == "epiglottis":
            _leaf(scene, light, masks[index], moving, seen)
        elif name in moving.masks:
            box = _box(masks[index], 0)
            if box is not None:
                contrast = np.float32(strength) * moving.contrast_cm[box]
                air = np.float32(-SOFT_PER_CM) * np.maximum(moving.air_cm[box] - moving.contrast_cm[box], 0)
                integral = contrast if name == "bolus" else np.where(contrast > 0.05, contrast, air)
                _solid(scene, light, box, integral, masks[index], index, seen)
        else:
            _bone(scene, light, masks[index], index, corner, seen)
    return seen


def _solid(
    scene: Scene,
    light: Light,
    box: Window,
    integral: Float[np.ndarray, "rows cols"],
    mask: Bool[np.ndarray, "size size"],
    index: int,
    seen: Seen,
) -> None:
    """Note what is seen of a structure that has `integral` in the beam, within a box around its mask."""
    inside = mask[box]
    change = change_when_removed(light.signal[box], light.primary[box], integral, scene.unit.beam)
    part = inside & (change >= VISIBLE_GREY) & (scene.field[box] > 0.5)
    seen.masks[index][box] = part
    seen.fraction[index] = float(part.sum()) / max(float(inside.sum()), 1.0)
    seen.contrast_to_noise[index] = _ratio(scene, light, box, change, inside)


def _leaf(
    scene: Scene, light: Light, mask: Bool[np.ndarray, "size size"], moving: Moving, seen: Seen
) -> None:
    """Note how much of the leaf's border (2 mm wide) is air or contrast that stands out, doubled: one side is enough."""
    index, reach = STRUCTURES.index("epiglottis"), max(round(2.0 / scene.projection.spacing_mm), 1)
    box = _box(mask, reach)
    if box is None:
        return
    wide = 2.0 * reach + 1
    border = (blurred(mask[box].astype(np.float32), wide, passes=1) > 1e-4) & ~mask[box]
    integral = SOFT_PER_CM * np.maximum(moving.air_cm[box], 3 * moving.contrast_cm[box])
    change = change_when_removed(light.signal[box], light.primary[box], -integral, scene.unit.beam)
    stands_out = border & (change >= 2 * VISIBLE_GREY) & (scene.field[box] > 0.5)
    seen.fraction[index] = min(1.0, 2.0 * float(stands_out.sum()) / max(float(border.sum()), 1.0))
    seen.contrast_to_noise[index] = _ratio(scene, light, box, change, border)
    near = blurred(stands_out.astype(np.float32), 2 * wide - 1, passes=1) > 1e-4
    seen.masks[index][box] = mask[box] & near


def _bone(
    scene: Scene,
    light: Light,
    mask: Bool[np.ndarray, "size size"],
    index: int,
    corner: tuple[int, int],
    seen: Seen,
) -> None:
    organ = scene.organs[STRUCTURES[index]]
    here, there = overlap(organ.patch, corner, scene.projection.size_px)
    if not mask[here].any():
        return
    _solid(scene, light, here, organ.contrast[there], mask, index, seen)
    share = float(seen.masks[index].sum()) / max(organ.whole_px, 1.0)
    seen.fraction[index] = min(1.0, share)
