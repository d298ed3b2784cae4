"""Whether bone is white or black in a lateral X-ray, as far as its texture tells.

In a fluoroscopic frame as it comes (bone black) the brightest parts are air and direct beam: saturated, without noise or edges. In
one with white bone the brightest parts are teeth, fillings and dense bone, full of edges, and what is flat is dark. So two figures
are taken over the field (what is not black): how rough the brightest 15 % are against the darkest 15 %, and how bright the flattest
fifth is against the mean. Both must agree, or nothing is said. Views with little air in them (AP spine, angiograms) do not fit.
"""

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Integer
from PIL import Image

Polarity = Literal["bone_white", "bone_black"]

MIN_SIDE_PX = 64
"""Smaller pictures are not judged."""

_SIDE_PX = 256
_ROUGHER, _SMOOTHER = 0.25, -0.4  # log of roughness of bright over dark parts
_FLAT_LEVEL = 0.1  # level of flat parts above the mean, of the range from 0 to 1
_SHUTTER = 0.06  # nearer to an extreme that fills corners is taken for what the collimator hides
_EPSILON = 1e-4


def guess_polarity(image: Integer[np.ndarray, "rows cols"]) -> Polarity | None:
    """Return what a grey picture looks like, or None where its figures do not agree or it is too small to tell."""
    figures = polarity_figures(image)
    if figures is None:
        return None
    roughness, flat_level = figures
    if roughness < _SMOOTHER and flat_level > _FLAT_LEVEL:
        return "bone_black"
    return "bone_white" if roughness > _ROUGHER and flat_level < _FLAT_LEVEL else None


def polarity_figures(image: Integer[np.ndarray, "rows cols"]) -> tuple[float, float] | None:
    """Return log(bright over dark roughness), and the level of flat parts above the mean; None where there is too little to see."""
    if min(image.shape) < MIN_SIDE_PX:
        return None
    grey = _small(image)
    low, high = np.percentile(grey, [1, 99])
    if high <= low:
        return None
    grey = np.clip((grey - low) / (high - low), 0, 1)
    edges = np.abs(np.diff(grey, axis=0))[:, :-1] + np.abs(np.diff(grey, axis=1))[:-1]
    levels = grey[:-1, :-1]
    is_field = _field(levels)
    if is_field.mean() < 0.1:
        return None
    inside, rough = levels[is_field], edges[is_field]
    dark, bright = np.quantile(inside, [0.15, 0.85])
    ratio = np.log((rough[inside >= bright].mean() + _EPSILON) / (rough[inside <= dark].mean() + _EPSILON))
    around = _box_mean(edges)[is_field]
    flat = inside[around <= np.quantile(around, 0.2)].mean()
    return float(ratio), float(flat - inside.mean())


def _field(levels: Float[np.ndarray, "rows cols"]) -> Bool[np.ndarray, "rows cols"]:
    """Return where the beam went: what is not as black, or as white, as at least two corners of the picture."""
    side = max(2, min(levels.shape) // 40)
    corners = [levels[rows, cols].mean() for rows in _ends(side) for cols in _ends(side)]
    is_field = levels > _SHUTTER
    if sum(corner > 1 - _SHUTTER for corner in corners) >= 2:
        is_field &= levels < 1 - _SHUTTER
    return is_field


def _ends(side: int) -> tuple[slice, slice]:
    return slice(None, side), slice(-side, None)


def _small(image: Integer[np.ndarray, "rows cols"]) -> Float[np.ndarray, "small_rows small_cols"]:
    """Return the picture as floats, with a long side of at most 256 px."""
    grey = Image.fromarray(image.astype(np.float32))
    scale = min(1.0, _SIDE_PX / max(grey.size))
    size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
    return np.asarray(grey.resize(size, Image.Resampling.BOX), np.float32)


def _box_mean(values: Float[np.ndarray, "rows cols"], width: int = 9) -> Float[np.ndarray, "rows cols"]:
    """Return the mean over a square of `width` around each value, edges repeated."""
    half = width // 2
    for axis in (0, 1):
        padding = [(half + 1, half) if axis == each else (0, 0) for each in (0, 1)]
        total = np.cumsum(np.pad(values, padding, mode="edge"), axis=axis, dtype=np.float64)
        length = values.shape[axis]
        values = (total.take(range(width, width + length), axis) - total.take(range(length), axis)) / width
    return values
