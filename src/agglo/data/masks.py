"""How masks lie in files and in memory. In memory they are packed: bit `k % 16` of plane `k // 16` is structure `k`.

Packed masks are small (two bytes a pixel for up to sixteen overlapping structures) and are what the cache holds; unpacked ones are
`bool [K, H, W]`. Which frame has which files is not known here.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Integer, UInt16
from PIL import Image

from agglo.core.errors import DataError
from agglo.core.files import write_atomic
from agglo_runtime.images import read_image

BITS = 16
"""Structures per plane."""

Kind = Literal["bitfield", "per_structure", "index"]

KINDS: tuple[Kind, ...] = ("bitfield", "per_structure", "index")
"""bitfield: a 16-bit grey PNG per 16 structures, bit k is structure k. per_structure: one PNG each, not 0 is inside. index: one
PNG whose value is the class, 0 is background, so structures cannot overlap."""


@dataclass(frozen=True)
class MaskEncoding:
    """How the mask files of a dataset are to be read.

    Attributes:
        kind: one of `KINDS`.
        channels: for each structure of the dataset its place in the files: the bit, the class value, or the file's position.
    """

    kind: Kind
    channels: tuple[int, ...]


def num_planes(num_structures: int) -> int:
    """Return how many 16-bit planes hold `num_structures` masks; none for none."""
    return -(-num_structures // BITS)


def pack(masks: Bool[np.ndarray, "structures rows cols"]) -> UInt16[np.ndarray, "planes rows cols"]:
    """Return masks as bits; see the module's text for the layout."""
    planes = np.zeros((num_planes(len(masks)), *masks.shape[1:]), np.uint16)
    for index, mask in enumerate(masks):
        planes[index // BITS] |= mask.astype(np.uint16) << np.uint16(index % BITS)
    return planes


def unpack(
    bits: UInt16[np.ndarray, "planes rows cols"], num_structures: int
) -> Bool[np.ndarray, "{num_structures} rows cols"]:
    """Return the first `num_structures` masks of packed `bits`."""
    masks = np.empty((num_structures, *bits.shape[1:]), np.bool_)
    for index in range(num_structures):
        masks[index] = (bits[index // BITS] >> np.uint16(index % BITS)) & np.uint16(1)
    return masks


def read_bits(
    files: Sequence[Path | None], encoding: MaskEncoding, height: int, width: int
) -> UInt16[np.ndarray, "planes {height} {width}"]:
    """Return the packed masks in `files`, all zero where there is no file.

    `files` are the planes' files (bitfield), the one file (index), or a file or None per structure (per_structure). Raises
    `DataError` when a mask is not of the image's size.
    """
    pages = [None if file is None else _read_page(file, height, width) for file in files]
    planes = np.zeros((num_planes(len(encoding.channels)), height, width), np.uint16)
    if encoding.kind == "index" and pages and pages[0] is not None:
        return _bits_of_labels(pages[0], encoding.channels, planes)
    for index, channel in enumerate(encoding.channels):
        if encoding.kind == "per_structure":
            page = pages[index] if pages else None
            inside = None if page is None else page > 0
        else:
            page = pages[channel // BITS] if pages else None
            inside = None if page is None else (page & np.uint16(1 << (channel % BITS))) > 0
        if inside is not None:
            planes[index // BITS] |= inside.astype(np.uint16) << np.uint16(index % BITS)
    return planes


def _read_page(file: Path, height: int, width: int) -> UInt16[np.ndarray, "rows cols"]:
    page = read_image(file).astype(np.uint16)
    if page.shape != (height, width):
        raise DataError(
            f"{file} must be {height}x{width} like its image, it is {page.shape[0]}x{page.shape[1]}; resample the mask "
            "(nearest neighbour) or remove it."
        )
    return page


def _bits_of_labels(
    labels: UInt16[np.ndarray, "rows cols"],
    values: Sequence[int],
    planes: UInt16[np.ndarray, "planes rows cols"],
) -> UInt16[np.ndarray, "planes rows cols"]:
    table = np.zeros((len(planes), max(int(labels.max()), *values, 0) + 1), np.uint16)
    for index, value in enumerate(values):
        table[index // BITS, value] |= np.uint16(1 << (index % BITS))
    for plane, row in zip(planes, table, strict=True):
        np.take(row, labels, out=plane)
    return planes


def mask_paths(
    folder: Path, kind: Kind, frame: str, structures: Sequence[str], *, rater: str = ""
) -> list[Path]:
    """Return where the masks of the frame with id `frame` lie in a native dataset's folder; a rater's if one is named."""
    inside = folder / "masks" / rater
    if kind == "per_structure":
        return [inside / structure / f"{frame}.png" for structure in structures]
    planes = num_planes(len(structures)) if kind == "bitfield" else 1
    if planes == 1:
        return [inside / f"{frame}.png"]
    return [inside / f"{frame}.{plane}.png" for plane in range(planes)]


def write_masks(masks: Bool[np.ndarray, "structures rows cols"], kind: Kind, files: Sequence[Path]) -> None:
    """Write `masks` to `files`, as `mask_paths` names them; raises `DataError` when an index mask would have to overlap."""
    if kind == "per_structure":
        pages: list[np.ndarray] = [mask.astype(np.uint8) * np.uint8(255) for mask in masks]
    elif kind == "bitfield":
        pages = list(pack(masks))
    else:
        if (masks.sum(0) > 1).any():
            raise DataError("`index` masks cannot overlap and these do; use `bitfield` or `per_structure`.")
        numbers = np.arange(1, len(masks) + 1)[:, None, None]
        pages = [(masks * numbers).sum(0).astype(np.uint8 if len(masks) < 256 else np.uint16)]
    for file, page in zip(files, pages, strict=True):
        write_png(file, page)


def write_png(file: Path, pixels: Integer[np.ndarray, "rows cols"]) -> None:
    """Write grey `pixels` (uint8 or uint16) as PNG, whole or not at all; run lengths suit both noise and masks, and are fast."""
    picture = Image.fromarray(pixels)
    write_atomic(
        file,
        lambda temporary: picture.save(temporary, format="PNG", compress_level=1, compress_type=zlib.Z_RLE),
    )
