"""Whether bone is white or black in a lateral X-ray, as far as its texture tells.

In a fluoroscopic frame as it comes (bone black) the brightest parts are air and direct beam: saturated, without noise or edges,
while the dark ones are bone, teeth and contrast. With white bone it is the other way round. So two figures are taken over the field
(the picture without what the collimator hides): the logarithm of how rough the brightest 15 % are over the darkest 15 %, and how
bright the flattest fifth is against the mean. Inverting a picture turns the sign of both. The medians of a video must agree, or
nothing is said. Views with little air in them (AP spine, angiograms) do not fit.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Integer
from PIL import Image
from scipy import ndimage

Polarity = Literal["bone_white", "bone_black"]

MIN_SIDE_PX = 64
"""Smaller pictures are not judged."""

_SIDE_PX = 256
_ROUGHER = 0.25  # natural logarithm; a cephalogram has about 0.35, a fluoroscopic frame about -3
_FLAT_LEVEL = 0.03  # of the range from 0 to 1
_SHUTTER = 0.06  # nearer to an extreme that fills corners is taken for what the collimator hides
_MARGIN_PX = 5  # around that, where its edge is blurred
_EPSILON = 1e-4


def polarity_of(figures: Sequence[tuple[float, float]]) -> Polarity | None:
    """Return what pictures with these `polarity_figures` look like together, or None where their medians do not agree."""
    if not figures:
        return None
    rougher, flat_level = np.median(np.asarray(figures), axis=0)
    if rougher < -_ROUGHER and flat_level > _FLAT_LEVEL:
        return "bone_black"
    return "bone_white" if rougher > _ROUGHER and flat_level < -_FLAT_LEVEL else None


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
    around = ndimage.uniform_filter(edges, 9)[is_field]
    flat = inside[around <= np.quantile(around, 0.2)].mean()
    return float(ratio), float(flat - inside.mean())


def _field(levels: Float[np.ndarray, "rows cols"]) -> Bool[np.ndarray, "rows cols"]:
    """Return where the beam went: all but what has the extreme level of at least two corners and touches the border."""
    side = max(2, min(levels.shape) // 40)
    ends = (slice(None, side), slice(-side, None))
    corners = np.array([levels[rows, cols].mean() for rows in ends for cols in ends])
    is_hidden = np.zeros(levels.shape, np.bool_)
    if (corners < _SHUTTER).sum() >= 2:
        is_hidden |= levels < _SHUTTER
    if (corners > 1 - _SHUTTER).sum() >= 2:
        is_hidden |= levels > 1 - _SHUTTER
    if not is_hidden.any():
        return ~is_hidden
    seed = is_hidden.copy()
    seed[1:-1, 1:-1] = False
    touching = ndimage.binary_propagation(seed, mask=is_hidden)
    return ~ndimage.binary_dilation(touching, iterations=_MARGIN_PX)


def _small(image: Integer[np.ndarray, "rows cols"]) -> Float[np.ndarray, "small_rows small_cols"]:
    """Return the picture as floats, with a long side of at most 256 px."""
    grey = Image.fromarray(image.astype(np.float32))
    scale = min(1.0, _SIDE_PX / max(grey.size))
    size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
    return np.asarray(grey.resize(size, Image.Resampling.BOX), np.float32)
