"""Reading the files of one frame once, for all checks that ask about its pixels; and what is kept of it afterwards.

Only a digest outlives a frame, so a check of any number of frames needs the memory of a few.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image

from agglo.core.errors import AggloError
from agglo.data.check.native_survey import is_file
from agglo.data.check.polarity import polarity_figures
from agglo.data.check.report import Problem
from agglo.data.check.survey import Row, Survey, one_line
from agglo.data.masks import BITS
from agglo.data.states import State
from agglo_runtime.images import read_image

Pixels = UInt8[np.ndarray, "rows cols"] | UInt16[np.ndarray, "rows cols"]


@dataclass(frozen=True)
class Mask:
    """A mask file that could be read: its path, its pixels, and the structures that it holds, with their pixels' counts."""

    path: Path
    page: Pixels
    counts: dict[int, int]


@dataclass(frozen=True)
class Look:
    """One frame with its files opened.

    Attributes:
        survey: of the dataset.
        row: of the frame.
        image: its picture; None where it could not be read.
        masks: those of its masks that could be read.
    """

    survey: Survey
    row: Row
    image: Pixels | None
    masks: Sequence[Mask]

    @property
    def counts(self) -> dict[int, int]:
        """Pixels by structure, of those alone whose mask could be read."""
        return {place: count for mask in self.masks for place, count in mask.counts.items()}


@dataclass(frozen=True)
class Digest:
    """What is kept of one frame.

    Attributes:
        number: of the frame.
        size: of its picture (height, width), or None.
        pixels: a hash of the picture's pixels; "" without any.
        is_blank: whether every pixel has one value.
        polarity: figures that tell white bone from black, or None where there is too little to see.
        states: of every structure, as stated or as the masks show; None where that cannot be known.
    """

    number: int
    size: tuple[int, int] | None
    pixels: str
    is_blank: bool
    polarity: tuple[float, float] | None
    states: tuple[State | None, ...]


def look_at(survey: Survey, row: Row) -> tuple[Look, list[Problem]]:
    """Return frame `row` with its files opened, and what is wrong with the files as such."""
    found: list[Problem] = []
    image = None
    if row.image is not None:
        image = _read(survey, row, row.image, "image", found)
    masks = []
    for place, path in enumerate(row.masks):
        if path is None:
            continue
        page = _read(survey, row, path, "mask", found)
        if page is not None:
            masks.append(Mask(path, page, _count(survey, place, page)))
    return Look(survey, row, image, masks), found


def digest_of(look: Look) -> Digest:
    """Return what is to be kept of a frame."""
    image, row = look.image, look.row
    is_blank = image is not None and bool(image.min() == image.max())
    return Digest(
        number=row.number,
        size=None if image is None else (image.shape[0], image.shape[1]),
        pixels="" if image is None else _hash(image),
        is_blank=is_blank,
        polarity=None if image is None or is_blank else _polarity(row, image),
        states=tuple(_state(look, place) for place in range(len(row.states))),
    )


def _state(look: Look, place: int) -> State | None:
    stated = look.row.states[place]
    if stated is not None or look.survey.layout != "plain" or not look.masks:
        return stated
    return State.PRESENT if look.counts.get(place) else look.survey.without_pixels


def _polarity(row: Row, image: Pixels) -> tuple[float, float] | None:
    """Return a picture's figures; views other than lateral ones are not judged, since too little of them is air."""
    return polarity_figures(image) if row.cell("view") in ("", "lateral") else None


def _hash(image: Pixels) -> str:
    digest = hashlib.sha256(f"{image.shape}{image.dtype}".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def _read(survey: Survey, row: Row, path: Path, what: str, found: list[Problem]) -> Pixels | None:
    place = f"{survey.relative(path)}"
    if not is_file(path):
        why = "may not be looked at (permissions)" if _is_forbidden(path) else "is not there"
        found.append(Problem(f"missing_{what}", place, f"is named by {row.place} and {why}"))
        return None
    try:
        _verify(path, is_mask=what == "mask")
        return read_image(path)
    except AggloError as error:
        found.append(Problem(f"unreadable_{what}", place, one_line(error)))
    except (
        Exception
    ) as error:  # whatever a library throws at a spoilt file is the file's problem, and must hide no other
        found.append(Problem(f"unreadable_{what}", place, f"cannot be read: {one_line(error)}"))
    return None


def _is_forbidden(path: Path) -> bool:
    try:
        path.stat()
    except (OSError, ValueError) as error:
        return isinstance(error, PermissionError)
    return False


def _verify(path: Path, *, is_mask: bool) -> None:
    """Raise for a picture whose checksums are wrong, and for a mask whose values are colours."""
    if path.stat().st_size == 0:
        raise ValueError("the file is empty")
    with Image.open(path) as picture:
        if is_mask and picture.mode not in ("1", "L", "I", "I;16", "I;16B", "I;16L"):
            raise ValueError(f"it holds colours (mode {picture.mode}), so its values are no classes")
        if picture.format == "PNG":
            picture.verify()


def _count(survey: Survey, place: int, page: Pixels) -> dict[int, int]:
    """Return the pixels of every structure that the `place`-th mask of a frame may hold."""
    total = len(survey.structures)
    if survey.encoding == "per_structure":
        return {place: int(np.count_nonzero(page))}
    if survey.encoding == "index":
        counts = np.bincount(page.reshape(-1), minlength=total + 1)
        return {index: int(counts[index + 1]) for index in range(total)}
    first = place * BITS
    values, counts = np.unique(page, return_counts=True)
    return {
        first + bit: int(counts[(values >> bit) & 1 > 0].sum()) for bit in range(min(BITS, total - first))
    }
