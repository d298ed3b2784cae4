"""Files that keep what the lab has made once: arrays by name, masks packed to bits; made anew where they do not fit the seed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from agglo.core.files import write_atomic

Arrays = dict[str, np.ndarray]


def pack_masks(masks: Bool[np.ndarray, "things size size"]) -> UInt8[np.ndarray, "things bytes"]:
    """Return masks at one bit per pixel."""
    return np.packbits(masks.reshape(len(masks), masks.shape[1] * masks.shape[2]), axis=1)


def unpack_masks(
    packed: UInt8[np.ndarray, "things bytes"], size_px: int
) -> Bool[np.ndarray, "things {size_px} {size_px}"]:
    """Return what `pack_masks` packed."""
    flat = np.unpackbits(packed, axis=1, count=size_px * size_px)
    return flat.reshape(len(packed), size_px, size_px).astype(bool)


def cached_arrays(
    path: Path, make: Callable[[], Arrays], *, first_image: Callable[[], UInt8[np.ndarray, "size size"]]
) -> Arrays:
    """Return the arrays in `path`; they are made and written where the file is absent or begins with another image."""
    if path.exists():
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        if np.array_equal(arrays["images"][0], first_image()):
            return arrays
    arrays = make()
    write_atomic(path, lambda temporary: _save(temporary, arrays))
    return arrays


def _save(path: Path, arrays: Arrays) -> None:
    with path.open("wb") as file:
        content: dict[str, Any] = arrays
        np.savez(file, **content)
