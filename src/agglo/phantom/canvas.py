"""From millimetres to pixels: the projection of the body frame, anti-aliased filling of outlines, rounded thickness.

A `Patch` is a small window of a larger canvas, so that a moving organ costs only its own bounding box. Which materials an organ
is made of is none of this module's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from PIL import Image, ImageDraw
from scipy.ndimage import uniform_filter

from agglo.phantom.curves import rotation

OVERSAMPLE = 2


@dataclass(frozen=True)
class Projection:
    """How the body frame (mm; x to the front, y down) meets the pixels of an image.

    Attributes:
        size_px: side of the square image.
        spacing_mm: of one pixel in the midsagittal plane.
        centre_mm: the point of the body that lies in the middle of the image.
        facing: 1 when the patient looks to the image's right, -1 to its left.
        tilt_deg: rotation of the patient within the image.
        pad_px: margin of the canvas around the image, so that it can be shifted.
    """

    size_px: int
    spacing_mm: float
    centre_mm: tuple[float, float]
    facing: int
    tilt_deg: float
    pad_px: int = 0

    @property
    def side_px(self) -> int:
        """Side of the padded canvas."""
        return self.size_px + 2 * self.pad_px

    def to_px(self, points_mm: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
        """Return canvas coordinates `(column, row)`; pixel `i` covers `i..i+1`."""
        turned = (points_mm - np.asarray(self.centre_mm)) @ rotation(self.tilt_deg).T
        turned = turned * np.array([self.facing, 1.0]) / self.spacing_mm
        return turned + self.side_px / 2


class Patch(NamedTuple):
    """Coverage in `[0, 1]` of a window whose first pixel is `(top, left)` of the canvas."""

    top: int
    left: int
    cover: Float[np.ndarray, "rows cols"]

    @property
    def window(self) -> tuple[slice, slice]:
        """The slices of the canvas that this patch covers."""
        rows, cols = self.cover.shape
        return slice(self.top, self.top + rows), slice(self.left, self.left + cols)


def fill(outlines_px: Sequence[Float[np.ndarray, "_ 2"]], side_px: int, *, margin_px: int = 0) -> Patch:
    """Fill the union of closed outlines.

    Outlines of fewer than three points are left out; nothing left, or all of it outside the canvas, gives an empty patch.
    """
    outlines = [outline for outline in outlines_px if len(outline) >= 3]
    if not outlines:
        return Patch(0, 0, np.zeros((0, 0), np.float32))
    corners = np.concatenate(outlines)
    left, top = (int(v) for v in np.clip(np.floor(corners.min(0)) - margin_px, 0, side_px))
    right, bottom = (int(v) for v in np.clip(np.ceil(corners.max(0)) + margin_px, 0, side_px))
    if right <= left or bottom <= top:
        return Patch(0, 0, np.zeros((0, 0), np.float32))
    picture = Image.new("L", ((right - left) * OVERSAMPLE, (bottom - top) * OVERSAMPLE))
    draw = ImageDraw.Draw(picture)
    for outline in outlines:
        points = (outline - (left, top)) * OVERSAMPLE - 0.5
        draw.polygon([tuple(point) for point in points.tolist()], fill=255)
    cover = np.asarray(picture.reduce(OVERSAMPLE), dtype=np.float32) * np.float32(1 / 255)
    return Patch(top, left, cover)


def blurred(
    image: Float[np.ndarray, "rows cols"], width_px: float, *, passes: int = 2
) -> Float[np.ndarray, "rows cols"]:
    """Return `image` after `passes` of a moving average of about `width_px` (odd, at least 1)."""
    width = max(1, 2 * round((width_px - 1) / 2) + 1)
    if width == 1 or image.size == 0:
        return image
    for _ in range(passes):
        image = uniform_filter(image, size=width, mode="constant")
    return image


def rounded(patch: Patch, edge_px: float) -> Float[np.ndarray, "rows cols"]:
    """Return the relative thickness along the beam of a solid: 1 in its depth, falling like an ellipse over `edge_px`."""
    if patch.cover.size == 0:
        return patch.cover
    depth = blurred(patch.cover, edge_px)
    depth = depth / max(float(depth.max()), 1e-6)
    return patch.cover * np.sqrt(np.clip(2 * depth - 1, 0.08, 1.0))


def add(
    layer: Float[np.ndarray, "height width"], patch: Patch, values: Float[np.ndarray, "rows cols"] | float
) -> None:
    """Add `values` (per pixel of the patch, or one number times its coverage) to a canvas-sized layer, in place."""
    layer[patch.window] += patch.cover * np.float32(values) if isinstance(values, float) else values


def as_mask(patch: Patch, side_px: int) -> Bool[np.ndarray, "{side_px} {side_px}"]:
    """Return the canvas-sized mask of the pixels at least half covered."""
    mask = np.zeros((side_px, side_px), dtype=bool)
    mask[patch.window] = patch.cover >= 0.5
    return mask


@lru_cache(maxsize=8)
def _enlarger(side_px: int, cells: int, factor: int) -> Float[np.ndarray, "{side_px} {cells}"]:
    at = np.clip((np.arange(side_px) + 0.5) / factor - 0.5, 0, cells - 1)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(cells)[None])).astype(np.float32)


def enlarged(
    coarse: Float[np.ndarray, "cells cells"], side_px: int, factor: int
) -> Float[np.ndarray, "{side_px} {side_px}"]:
    """Return a coarse square layer, `factor` times smaller, at full size by linear interpolation."""
    weights = _enlarger(side_px, coarse.shape[0], factor)
    return weights @ coarse.astype(np.float32) @ weights.T


def whole_area(outlines_px: Sequence[Float[np.ndarray, "_ 2"]]) -> float:
    """Return the area of the union of outlines in pixels, wherever they lie; 0 for none."""
    outlines = [outline for outline in outlines_px if len(outline) >= 3]
    if not outlines:
        return 0.0
    corners = np.concatenate(outlines)
    origin = np.floor(corners.min(0))
    side = int(np.ceil((corners.max(0) - origin).max())) + 1
    return float(fill([outline - origin for outline in outlines], side).cover.sum())


def overlap(
    patch: Patch, corner: tuple[int, int], side_px: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where a patch lies in the square window whose first `(column, row)` is `corner`, and which part of it does.

    Returns:
        Slices of the window and, of the same size (0 where they do not meet), slices of the patch.
    """
    spans = []
    for first, count, start in zip(
        (patch.top, patch.left), patch.cover.shape, (corner[1], corner[0]), strict=True
    ):
        low = min(max(first - start, 0), side_px)
        high = max(min(first + count - start, side_px), low)
        spans.append((slice(low, high), slice(low + start - first, high + start - first)))
    return (spans[0][0], spans[1][0]), (spans[0][1], spans[1][1])
