"""Frames of an overlay video: the picture with contours, and beside it, never on it, a legend, the frame's number, its flags.

Every frame of a video has the same layout and size, whatever was found in it. Stills are drawn by `writers.draw_contours`.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from agglo_runtime.prepare import to_unit
from agglo_runtime.writers import Colour, blend_outline, check_masks, colours_for

_BACKGROUND: Colour = (18, 20, 24)
_TEXT: Colour = (225, 228, 232)
_FAINT: Colour = (120, 126, 134)
_ALARM: Colour = (255, 176, 60)
_MIN_SIDE = 512


class OverlayPainter:
    """Paints frames of one size with the contours of the same structures."""

    def __init__(self, names: Sequence[str], *, height: int, width: int, notes: Sequence[str]) -> None:
        """Fix the layout for pictures of `height x width`: legend of `names` at the right, three lines below, `notes` the last."""
        self.names, self.colours = list(names), colours_for(names)
        self._shape = (height, width)
        self._enlarged = max(1, math.ceil(_MIN_SIDE / max(height, width)))
        self._picture = (width * self._enlarged, height * self._enlarged)
        self._size = max(13, min(22, round(min(self._picture) / 44)))
        self._font = ImageFont.load_default(self._size)
        self._row = round(self._size * 1.7)
        widest = max((self._font.getlength(name) for name in names), default=0.0)
        panel = math.ceil(widest) + 4 * self._size if names else 0
        self._legend_rows = max(1, (self._picture[1] - self._size) // self._row)
        self._panel = panel * math.ceil(len(self.names) / self._legend_rows)
        self._column = panel
        self.width = _even(self._picture[0] + self._panel)
        self.height = _even(self._picture[1] + 3 * self._row + self._size // 2)
        self._notes = " · ".join(notes)

    def paint(
        self,
        image: NDArray[Any],
        masks: NDArray[np.bool_] | None,
        *,
        caption: str,
        flags: Sequence[str],
        points: Sequence[NDArray[np.float64]] = (),
    ) -> NDArray[np.uint8]:
        """Return the frame `[height, width, 3]` of a grey `image [H, W]`; without `masks` no contour is drawn.

        `points` `(column, row)`, such as the corners that a distance is measured between, become small crosses.
        """
        grey = Image.fromarray(np.rint(to_unit(image) * 255).astype(np.uint8))
        picture = np.asarray(grey.resize(self._picture, Image.Resampling.BICUBIC).convert("RGB"), np.float32)
        if masks is not None:
            check_masks(masks, self.names, self._shape)
            picture = picture.copy()
            for mask, colour in zip(masks, self.colours, strict=True):
                blend_outline(picture, mask, colour, self._enlarged)
        canvas = Image.new("RGB", (self.width, self.height), _BACKGROUND)
        canvas.paste(Image.fromarray(np.rint(picture).astype(np.uint8)), (0, 0))
        draw = ImageDraw.Draw(canvas)
        for point in points:
            self._draw_cross(draw, point)
        self._draw_legend(draw, [] if masks is None else [bool(mask.any()) for mask in masks])
        self._draw_lines(draw, caption, flags)
        return np.asarray(canvas)

    def _draw_cross(self, draw: ImageDraw.ImageDraw, point: NDArray[np.float64]) -> None:
        col, row = (float(value) * self._enlarged + self._enlarged / 2 for value in point)
        arm = self._size // 3
        draw.line((col - arm, row, col + arm, row), fill=_TEXT)
        draw.line((col, row - arm, col, row + arm), fill=_TEXT)

    def _draw_legend(self, draw: ImageDraw.ImageDraw, is_found: Sequence[bool]) -> None:
        for place, (name, colour) in enumerate(zip(self.names, self.colours, strict=True)):
            column, row = divmod(place, self._legend_rows)
            left = self._picture[0] + self._size + column * self._column
            middle = self._size // 2 + row * self._row + self._row // 2
            half = self._size // 2
            box = (left, middle - half + 1, left + round(1.3 * self._size), middle + half - 1)
            here = place < len(is_found) and is_found[place]
            draw.rectangle(box, fill=colour if here else None, outline=None if here else _FAINT)
            text = _TEXT if here else _FAINT
            draw.text((left + 2 * self._size, middle), name, fill=text, font=self._font, anchor="lm")

    def _draw_lines(self, draw: ImageDraw.ImageDraw, caption: str, flags: Sequence[str]) -> None:
        alarm = "FLAGS: " + ", ".join(flags) if flags else "no flag"
        lines = ((caption, _TEXT), (alarm, _ALARM if flags else _FAINT), (self._notes, _TEXT))
        for place, (text, colour) in enumerate(lines):
            middle = self._picture[1] + self._size // 4 + place * self._row + self._row // 2
            fitting = self._fitting(text)
            draw.text((self._size // 2, middle), text, fill=colour, font=fitting, anchor="lm")

    def _fitting(self, text: str) -> Any:
        """Return the font, smaller where `text` would not fit the width."""
        length = max(1.0, self._font.getlength(text))
        share = (self.width - self._size) / length
        return self._font if share >= 1 else ImageFont.load_default(max(7, math.floor(self._size * share)))


def _even(size: int) -> int:
    return size + size % 2
