"""From a grey picture to a network input: unit intensities, letterbox, mean and standard deviation. Nothing is learned here."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agglo_runtime.errors import ImageError
from agglo_runtime.geometry import Letterbox


def to_unit(image: NDArray[Any]) -> NDArray[np.float32]:
    """Return `image` (any shape) as float32 in `[0, 1]`.

    Integers are divided by the largest value of their type (255 or 65535), so that equal grey values stay equal across frames;
    floats, which have no natural range, are stretched from their minimum to their maximum (a constant gives 0). Raises
    `ImageError` for values that are not finite and for other types.
    """
    if image.dtype == np.bool_:
        return image.astype(np.float32)
    if image.dtype in (np.uint8, np.uint16):
        return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
    if not np.issubdtype(image.dtype, np.floating):
        raise ImageError(
            f"grey values must be uint8, uint16 or floats, got {image.dtype}; convert the picture first."
        )
    if not image.size or not np.isfinite(image).all():
        raise ImageError(
            "grey values must be finite and at least one, got an empty picture or NaN/infinity; mend the source."
        )
    low, high = image.min(), image.max()
    span = high - low
    return ((image - low) / span if span > 0 else np.zeros_like(image)).astype(np.float32)


def invert(image: NDArray[Any]) -> NDArray[Any]:
    """Return a grey `image` with black and white swapped, of the same type.

    Integers are mirrored within their type's range, floats between their own minimum and maximum.
    """
    if image.dtype == np.bool_:
        return ~image
    if not image.size:
        return image
    if np.issubdtype(image.dtype, np.integer):
        return np.iinfo(image.dtype).max - image
    return image.max() + image.min() - image


def prepare(
    image: NDArray[Any], *, size_px: int, mean: Sequence[float], std: Sequence[float]
) -> tuple[NDArray[np.float32], Letterbox]:
    """Return the network input `[1, 3, size_px, size_px]` of a grey `image [H, W]`, and the letterbox that leads back.

    `mean` and `std` have three values each, in units of `[0, 1]` intensity. Padding is intensity 0 before normalisation.
    """
    if image.ndim != 2:
        raise ImageError(
            f"a picture must be grey [H, W], got shape {image.shape}; take one frame and one channel."
        )
    if len(mean) != 3 or len(std) != 3:
        raise ImageError(
            f"`mean` and `std` must have three values each, got {list(mean)} and {list(std)}; see the model's config."
        )
    letterbox = Letterbox.fit(image.shape[0], image.shape[1], size_px)
    square = letterbox.apply(to_unit(image))
    prepared = np.empty((1, 3, size_px, size_px), np.float32)
    for channel in range(3):
        np.subtract(square, np.float32(mean[channel]), out=prepared[0, channel])
        prepared[0, channel] /= np.float32(std[channel])
    return prepared, letterbox
