"""Masks of whatever is pointed at: the picture is embedded once, and each box or click then costs one pass of a decoder.

Coordinates are x, y in continuous pixels of the picture itself: pixel `i` covers `[i, i + 1)`, so the middle of the top left pixel
is (0.5, 0.5) and a box around the whole picture is (0, 0, width, height).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from agglo.core.errors import PromptError
from agglo.core.shapes import StudentFeatures
from agglo.decoders.prompts import BOTTOM_RIGHT, INSIDE, OUTSIDE, TOP_LEFT, PromptDecoder
from agglo.predict.model_folder import ModelConfig
from agglo.students import Student
from agglo_runtime.finish import masks_from_logits
from agglo_runtime.geometry import Letterbox
from agglo_runtime.images import read_image
from agglo_runtime.prepare import invert, prepare

Numbers = Sequence[Any] | np.ndarray


class Pointed(NamedTuple):
    """What was found where a prompt points, one for each of `n` prompts.

    Attributes:
        masks: at the picture's size. They are never emptied: whoever points has seen something.
        scores: how good the decoder thinks the mask is: its intersection over union with the truth, in [0, 1].
        presence: the probability that there is one of the structures it knows.
        logits: of the masks, on the decoder's grid: the `mask` of the next call, to have this answer made better.
    """

    masks: Bool[np.ndarray, "n rows cols"]
    scores: Float[np.ndarray, " n"]
    presence: Float[np.ndarray, " n"]
    logits: Float[np.ndarray, "n h w"]


@final
class PromptedPredictor:
    """A model that answers boxes and clicks on one picture after another."""

    def __init__(self, student: Student, prompts: PromptDecoder | None, config: ModelConfig) -> None:
        """Take the parts of a model.

        Raises:
            PromptError: it has no prompt decoder.
        """
        if prompts is None:
            raise PromptError(
                f"boxes and clicks need a model with a prompt decoder, {config.name!r} has none; train one with "
                "`align.prompts=true` in its recipe"
            )
        self.student, self.prompts, self.config = student.eval(), prompts.eval(), config
        self._features: StudentFeatures | None = None
        self._letterbox: Letterbox | None = None

    def set_image(self, image: np.ndarray | str | Path, *, is_inverted: bool = False) -> None:
        """Embed a picture, given as for `Predictor.predict`; all that follows is about it.

        Raises:
            ImageError: it cannot be read, or is not a grey picture.
        """
        self._features = self._letterbox = None
        self._features, self._letterbox = embed(
            self.student, self.config, picture_of(image, is_inverted=is_inverted)
        )

    @torch.inference_mode()
    def predict(
        self,
        *,
        points_px: Numbers | None = None,
        labels: Numbers | None = None,
        boxes_px: Numbers | None = None,
        mask: np.ndarray | None = None,
    ) -> Pointed:
        """Return one mask per prompt: a box, or some clicks, or a box with clicks; with `mask` an earlier answer is made better.

        Args:
            points_px: x, y of the clicks of one prompt `[p, 2]`, or of `n` prompts `[n, p, 2]`.
            labels: for each click 1 inside of what is meant, 0 outside, `[p]` or `[n, p]`; all inside by default.
            boxes_px: left, top, right, bottom: `[4]` or `[n, 4]`.
            mask: `logits` of an earlier answer: `[h, w]` or `[n, h, w]`.

        Raises:
            PromptError: no picture was set, or a prompt is none; the message says which and why.
        """
        if self._features is None or self._letterbox is None:
            raise PromptError("a prompt must be about a picture, but none was set; call `set_image` first")
        points, meanings = _tokens(points_px, labels, boxes_px, self._letterbox)
        earlier = None if mask is None else self._earlier(mask, len(points))
        device = self._features.embedding.device
        answer = self.prompts.answer(
            self._features,
            torch.from_numpy(self._letterbox.place(points)).to(device),
            torch.from_numpy(meanings).to(device),
            None if earlier is None else torch.from_numpy(earlier).to(device),
        )
        logits = answer.masks.float().cpu().numpy()
        return Pointed(
            masks_from_logits(logits, self._letterbox),
            answer.quality.float().cpu().numpy(),
            answer.presence.float().sigmoid().cpu().numpy(),
            logits,
        )

    def _earlier(self, mask: np.ndarray, count: int) -> Float[np.ndarray, "n h w"]:
        cells = 4 * self.prompts.grid[0]
        given = np.asarray(mask, np.float32)
        given = given[None] if given.ndim == 2 else given
        if given.shape != (count, cells, cells) or not np.isfinite(given).all():
            raise PromptError(
                f"`mask` must be finite logits of an earlier answer to {count} prompts, {(count, cells, cells)}, "
                f"got {np.shape(mask)}; pass `logits` of what `predict` returned"
            )
        return given.clip(-32, 32)


def picture_of(image: np.ndarray | str | Path, *, is_inverted: bool) -> np.ndarray:
    """Return a picture that is given as such or as a file, with black and white swapped where that is asked for."""
    picture = image if isinstance(image, np.ndarray) else read_image(Path(image))
    return invert(picture) if is_inverted else picture


@torch.inference_mode()
def embed(student: Student, config: ModelConfig, image: np.ndarray) -> tuple[StudentFeatures, Letterbox]:
    """Return what the student makes of a grey picture, and the letterbox that leads back to it."""
    prepared, letterbox = prepare(image, size_px=config.input_px, mean=config.mean, std=config.std)
    device = next(student.parameters()).device
    features: StudentFeatures = student(
        torch.from_numpy(prepared).to(device, memory_format=torch.channels_last)
    )
    return features, letterbox


def _tokens(
    points_px: Numbers | None, labels: Numbers | None, boxes_px: Numbers | None, picture: Letterbox
) -> tuple[Float[np.ndarray, "n points 2"], Int[np.ndarray, "n points"]]:
    """Return the prompts as points with meanings: clicks, then the corners of the box."""
    parts = []
    if points_px is not None:
        parts.append(_clicks(points_px, labels, picture))
    elif labels is not None:
        raise PromptError("`labels` must come with `points_px`, got labels alone; pass the clicks too")
    if boxes_px is not None:
        parts.append(_corners(boxes_px, picture))
    if not parts:
        raise PromptError("a prompt must have `points_px` or `boxes_px`, got neither; point at something")
    counts = [len(points) for points, _ in parts]
    if len(set(counts)) > 1:
        raise PromptError(
            f"clicks and boxes must be of the same number of prompts, got {counts[0]} and {counts[1]}; "
            "pass `points_px` as [n, p, 2] beside n boxes"
        )
    points, meanings = (np.concatenate(each, axis=1) for each in zip(*parts, strict=True))
    return points, meanings


def _clicks(
    points_px: Numbers, labels: Numbers | None, picture: Letterbox
) -> tuple[Float[np.ndarray, "n points 2"], Int[np.ndarray, "n points"]]:
    points = _numbers(points_px, "points_px", "[p, 2] or [n, p, 2]", last=2, ndim=3)
    for point in points.reshape(-1, 2):
        if not (0 <= point[0] <= picture.width and 0 <= point[1] <= picture.height):
            raise PromptError(
                f"a click must lie in the picture of {picture.width} x {picture.height} px, got x, y = {_said(point)}; "
                "x counts columns from the left, y rows from the top"
            )
    meanings = np.full(points.shape[:2], INSIDE) if labels is None else np.asarray(labels)
    meanings = meanings[None] if meanings.ndim == 1 else meanings
    if meanings.shape != points.shape[:2] or not np.isin(meanings, (OUTSIDE, INSIDE)).all():
        raise PromptError(
            f"`labels` must be 1 (inside) or 0 (outside) for each of the {points.shape[1]} clicks, got {labels!r}; "
            "give one number per click"
        )
    return points, meanings.astype(np.int64)


def _corners(
    boxes_px: Numbers, picture: Letterbox
) -> tuple[Float[np.ndarray, "n 2 2"], Int[np.ndarray, "n 2"]]:
    boxes = _numbers(boxes_px, "boxes_px", "[4] or [n, 4]", last=4, ndim=2)
    for box in boxes:
        left, top, right, bottom = box
        if not (0 <= left < right <= picture.width and 0 <= top < bottom <= picture.height):
            raise PromptError(
                f"a box must have x0 < x1 and y0 < y1 in the picture of {picture.width} x {picture.height} px, "
                f"got x0, y0, x1, y1 = {_said(box)}; put its corners in order, inside of the picture"
            )
    meanings = np.tile(np.array([TOP_LEFT, BOTTOM_RIGHT]), (len(boxes), 1))
    return boxes.reshape(-1, 2, 2), meanings


def _numbers(given: Numbers, name: str, shapes: str, *, last: int, ndim: int) -> Float[np.ndarray, "*shape"]:
    """Return numbers as an array of `ndim` axes; one axis less is one prompt."""
    try:
        values = np.asarray(given, np.float32)
    except (TypeError, ValueError):
        values = np.full(0, np.nan, np.float32)
    values = values[None] if values.ndim == ndim - 1 else values
    if values.ndim != ndim or values.shape[-1] != last or not values.size or not np.isfinite(values).all():
        raise PromptError(
            f"`{name}` must be finite numbers of shape {shapes}, at least one, got {given!r}; see docs/predict.md"
        )
    return values


def _said(numbers: np.ndarray) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
