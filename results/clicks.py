"""Three clicks, three pictures: what a model with a prompt decoder makes of a picture after each click.

    python results/clicks.py runs/prompts/model frame.png OUT 120,88 130,140 90,60,0

A click is `X,Y` inside of what is meant, or `X,Y,0` outside of it, in pixels of the picture. `OUT/click-1.png` and so on show the
outline after each click with all clicks up to it, green inside and red outside; every answer is given back with the next click, as
a person would go on. What is written shows a patient if the picture does.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from agglo.core.errors import AggloError, PromptError
from agglo.predict import load
from agglo_runtime.images import read_image
from agglo_runtime.prepare import invert, to_unit
from agglo_runtime.writers import blend_outline, save_png

LEAST_SIDE_PX = 512
OUTLINE, INSIDE, OUTSIDE = (255, 225, 25), (60, 235, 120), (255, 70, 70)


class Click(NamedTuple):
    """Where, in pixels of the picture, and whether inside of what is meant."""

    x: float
    y: float
    is_inside: bool


def main() -> int:
    """Draw what the command line asks for."""
    options = _options()
    try:
        draw_clicks(options.model, options.picture, options.out, options.clicks, is_inverted=options.invert)
    except AggloError as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    return 0


def draw_clicks(model: Path, picture: Path, out: Path, clicks: Sequence[str], *, is_inverted: bool) -> None:
    """Write one picture per click to `out`, and say how sure the model is of each."""
    made = [_click(words) for words in clicks]
    image = read_image(picture)
    pointing = load(model).prompted()
    pointing.set_image(invert(image) if is_inverted else image)
    earlier = None
    for count in range(1, len(made) + 1):
        so_far = made[:count]
        answer = pointing.predict(
            points_px=[(click.x, click.y) for click in so_far],
            labels=[int(click.is_inside) for click in so_far],
            mask=earlier,
        )
        earlier = answer.logits
        path = out / f"click-{count}.png"
        save_png(path, drawn(image, answer.masks[0], so_far))
        area = int(answer.masks[0].sum())
        sys.stdout.write(
            f"{path}: {area} px, quality {answer.scores[0]:.2f}, presence {answer.presence[0]:.2f}\n"
        )


def drawn(image: np.ndarray, mask: np.ndarray, clicks: Sequence[Click]) -> Image.Image:
    """Return the picture with the outline of a mask and the clicks, enlarged by a whole factor if it is small."""
    enlarged = max(1, math.ceil(LEAST_SIDE_PX / max(image.shape)))
    grey = Image.fromarray(np.rint(to_unit(image) * 255).astype(np.uint8))
    grown = grey.resize((grey.width * enlarged, grey.height * enlarged), Image.Resampling.BICUBIC)
    colours = np.array(grown.convert("RGB"), np.float32)
    blend_outline(colours, mask, OUTLINE, enlarged)
    canvas = Image.fromarray(np.rint(colours).astype(np.uint8))
    draw, radius = ImageDraw.Draw(canvas), max(canvas.size) // 150
    for click in clicks:
        x, y = click.x * enlarged, click.y * enlarged
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, fill=INSIDE if click.is_inside else OUTSIDE, outline=(0, 0, 0))
    return canvas


def _click(words: str) -> Click:
    try:
        x, y, *label = (float(word) for word in words.split(","))
    except ValueError:
        label = [math.nan]
    if label not in ([], [0], [1]):
        raise PromptError(
            f"a click must be X,Y or X,Y,0 or X,Y,1, got {words!r}; give numbers without blanks"
        )
    return Click(x, y, label != [0])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Draw what a model makes of each click.")
    parser.add_argument("model", type=Path, help="a model folder, aligned with align.prompts=true")
    parser.add_argument("picture", type=Path, help="an image file")
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("clicks", nargs="+", metavar="X,Y[,0]", help="one after the other")
    parser.add_argument("--invert", action="store_true", help="for pictures with white bone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
