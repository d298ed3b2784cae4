"""Writing what was found: a mask per structure, and pictures with contours for people to look at.

Colours belong to names and never to the order of a call, so that the pharynx looks the same in every picture. Files are written
beside their place and then moved over it. DICOM is not written here.
"""

import math
import os
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from agglo_runtime.errors import AggloError
from agglo_runtime.prepare import to_unit

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "bolus": (255, 225, 25),
    "food_bolus": (255, 225, 25),
    "pharynx": (0, 200, 255),
    "pharynx_lumen": (0, 200, 255),
    "trachea": (60, 235, 120),
    "epiglottis": (255, 70, 70),
    "mandible": (140, 160, 255),
    "C1": (255, 190, 140),
    "C2": (255, 160, 100),
    "C3": (250, 130, 80),
    "C4": (245, 115, 110),
    "C5": (235, 110, 150),
    "C6": (210, 115, 195),
    "C7": (175, 125, 235),
}
"""Colour (red, green, blue) of every structure of the swallowing set; neighbouring vertebrae are neighbouring shades."""

_WHEEL: tuple[Colour, ...] = (
    (0, 200, 255),
    (255, 225, 25),
    (60, 235, 120),
    (255, 70, 70),
    (240, 120, 240),
    (255, 150, 60),
    (120, 140, 255),
    (200, 240, 90),
    (255, 170, 200),
    (90, 230, 220),
    (190, 150, 110),
    (200, 200, 200),
)
_LEVEL_STOPS: tuple[Colour, ...] = (
    (255, 205, 120),
    (245, 110, 80),
    (190, 80, 160),
    (90, 110, 230),
    (60, 200, 200),
)
_LEVEL = re.compile(r"[CTLS]\d+")
_BACKGROUND: Colour = (18, 20, 24)
_TEXT: Colour = (225, 228, 232)
_FAINT: Colour = (120, 126, 134)
_MIN_SIDE = 512
_OVERSAMPLING = 2
_WIDTH_PX = 2.0
_BLUR = 1.2


class MaskShapeError(AggloError, ValueError):
    """Masks, names and picture do not fit each other."""


def colours_for(names: Sequence[str]) -> list[Colour]:
    """Return a colour for every name: the fixed one where there is one, a graded family for vertebra levels, a wheel for others.

    Levels (`T1` .. `L5`) are graded in the order given; names without a colour of their own take the wheel in their order.
    """
    levels = [name for name in names if name not in COLOURS and _LEVEL.fullmatch(name)]
    others = [name for name in names if name not in COLOURS and name not in levels]
    taken = {COLOURS[name] for name in names if name in COLOURS}
    wheel = [colour for colour in _WHEEL if colour not in taken] or list(_WHEEL)
    colours = dict(COLOURS)
    colours.update({name: _graded(place, len(levels)) for place, name in enumerate(levels)})
    colours.update({name: wheel[place % len(wheel)] for place, name in enumerate(others)})
    return [colours[name] for name in names]


def _graded(place: int, count: int) -> Colour:
    position = place / max(1, count - 1) * (len(_LEVEL_STOPS) - 1)
    low = min(int(position), len(_LEVEL_STOPS) - 2)
    share = position - low
    red, green, blue = (
        round(a + (b - a) * share) for a, b in zip(_LEVEL_STOPS[low], _LEVEL_STOPS[low + 1], strict=True)
    )
    return red, green, blue


def write_masks(folder: Path, stem: str, masks: NDArray[np.bool_], names: Sequence[str]) -> list[Path]:
    """Write `masks [K, H, W]` as `folder/<name>/<stem>.png` (0 and 255) and return the paths in the order of `names`."""
    check_masks(masks, names, masks.shape[1:])
    paths = []
    for mask, name in zip(masks, names, strict=True):
        path = folder / name / f"{stem}.png"
        save_png(path, Image.fromarray(mask.astype(np.uint8) * np.uint8(255)))
        paths.append(path)
    return paths


def save_png(path: Path, picture: Image.Image) -> None:
    """Write `picture` as PNG, whole or not at all; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        picture.save(temporary, format="PNG", compress_level=3)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def draw_contours(
    image: NDArray[Any], masks: NDArray[np.bool_], names: Sequence[str], *, notes: Sequence[str] = ()
) -> Image.Image:
    """Return a colour picture of a grey `image [H, W]` with the outline of each of `masks [K, H, W]`.

    Small pictures are enlarged by a whole factor to a long side of at least 512 px. A legend of all `names` stands at the right
    (faint where a mask is empty), one line of `notes` at the bottom. Outlines are two pixels wide and antialiased.
    """
    check_masks(masks, names, image.shape)
    enlarged = max(1, math.ceil(_MIN_SIDE / max(image.shape)))
    grey = Image.fromarray(np.rint(to_unit(image) * 255).astype(np.uint8))
    size = (grey.width * enlarged, grey.height * enlarged)
    picture = np.asarray(grey.resize(size, Image.Resampling.BICUBIC).convert("RGB")).astype(np.float32)
    colours = colours_for(names)
    for mask, colour in zip(masks, colours, strict=True):
        blend_outline(picture, mask, colour, enlarged)
    drawn = Image.fromarray(np.rint(picture).astype(np.uint8))
    is_empty = [not mask.any() for mask in masks]
    return _with_legend(drawn, list(zip(names, colours, is_empty, strict=True)), " · ".join(notes))


def check_masks(masks: NDArray[np.bool_], names: Sequence[str], shape: tuple[int, ...]) -> None:
    """Raise `MaskShapeError` unless `masks` are bool, one per name, of the picture's `shape`."""
    if masks.dtype != np.bool_ or masks.shape != (len(names), *shape) or len(shape) != 2:
        raise MaskShapeError(
            f"masks must be bool [K, H, W] with one per name ({len(names)}) and the picture's size {shape}, got {masks.dtype} "
            f"{masks.shape}; pass the masks as the model gave them."
        )


def blend_outline(
    picture: NDArray[np.float32], mask: NDArray[np.bool_], colour: Colour, enlarged: int
) -> None:
    """Draw the outline of `mask` into `picture` in place, working only around the mask."""
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return
    margin = 4
    top, bottom = max(0, rows[0] - margin), min(mask.shape[0], rows[-1] + 1 + margin)
    left, right = max(0, cols[0] - margin), min(mask.shape[1], cols[-1] + 1 + margin)
    alpha = _outline(mask[top:bottom, left:right], enlarged)[..., None]
    part = picture[top * enlarged : bottom * enlarged, left * enlarged : right * enlarged]
    part += alpha * (np.asarray(colour, np.float32) - part)


def _outline(mask: NDArray[np.bool_], enlarged: int) -> NDArray[np.float32]:
    """Return the opacity in [0, 1] of a mask's outline, enlarged.

    A blurred edge is an error function of the distance to it, so the distance is read off the blurred mask and the line is drawn
    where it is under half a line width. A mask too thin to survive the blur is drawn whole.
    """
    factor = enlarged * _OVERSAMPLING
    block = Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
    size = (mask.shape[1] * factor, mask.shape[0] * factor)
    smooth = block.resize(size, Image.Resampling.NEAREST).filter(ImageFilter.GaussianBlur(_BLUR * enlarged))
    blurred = np.asarray(smooth)
    if blurred.max() < 150:
        return np.kron(mask, np.ones((enlarged, enlarged))).astype(np.float32)
    fine = Image.fromarray(_opacity_of_level(enlarged)[blurred])
    small = fine.resize((mask.shape[1] * enlarged, mask.shape[0] * enlarged), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32) / np.float32(255)


@lru_cache(maxsize=8)
def _opacity_of_level(enlarged: int) -> NDArray[np.uint8]:
    """Return the line's opacity for each of the 256 levels of a blurred mask."""
    distances = np.linspace(-4, 4, 2001) * _BLUR * enlarged
    levels = np.array([0.5 * (1 + math.erf(each / (_BLUR * enlarged * math.sqrt(2)))) for each in distances])
    distance = np.interp(np.arange(256) / 255, levels, distances)
    half = _WIDTH_PX * _OVERSAMPLING / 2
    return np.rint(255 * np.clip(half + 0.5 - np.abs(distance), 0, 1)).astype(np.uint8)


def _with_legend(picture: Image.Image, entries: list[tuple[str, Colour, bool]], note: str) -> Image.Image:
    """Return `picture` with a legend of `entries` (name, colour, is it empty) at its right and `note` under it."""
    row, font = 24, ImageFont.load_default(15)
    widest = max((font.getlength(name) for name, _, _ in entries), default=0)
    panel = round(widest) + 56 if entries else 0
    height = max(picture.height, row * len(entries) + 16)
    footer = 28 if note else 0
    canvas = Image.new("RGB", (picture.width + panel, height + footer), _BACKGROUND)
    canvas.paste(picture, (0, 0))
    draw = ImageDraw.Draw(canvas)
    for place, (name, colour, is_empty) in enumerate(entries):
        left, middle = picture.width + 14, 8 + row * place + row // 2
        box = (left, middle - 6, left + 18, middle + 6)
        if is_empty:
            draw.rectangle(box, outline=_FAINT)
        else:
            draw.rectangle(box, fill=colour)
        draw.text((left + 28, middle), name, fill=_FAINT if is_empty else _TEXT, font=font, anchor="lm")
    if note:
        fitting = ImageFont.load_default(
            max(8, min(14, int(14 * (canvas.width - 20) / max(1, font.getlength(note)))))
        )
        draw.text((10, height + footer // 2), note, fill=_TEXT, font=fitting, anchor="lm")
    return canvas
