"""Asking by boxes and clicks: the picture is looked at once, coordinates are the picture's own, and nonsense is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from agglo.core.errors import PromptError
from agglo.core.shapes import StudentFeatures
from agglo.decoders.prompts import PromptAnswer
from agglo.predict import Model, Predictor, load
from agglo.predict.prompted import PromptedPredictor
from small_model import write_small_model

ROWS, COLS = 40, 80
IMAGE = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (ROWS, COLS), dtype=np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return load(write_small_model(tmp_path_factory.mktemp("model")))


@pytest.fixture
def pointing(model: Predictor) -> PromptedPredictor:
    predictor = model.prompted()
    predictor.set_image(IMAGE)
    return predictor


PROMPTS = {  # name: (prompt, number of masks)
    "one click": ({"points_px": [(30, 20)]}, 1),
    "clicks on one thing": ({"points_px": [(30, 20), (50, 10)], "labels": [1, 0]}, 1),
    "clicks on two things": ({"points_px": [[(30, 20)], [(50, 10)]], "labels": [[1], [1]]}, 2),
    "a box": ({"boxes_px": (10, 5, 60, 30)}, 1),
    "three boxes": ({"boxes_px": [(10, 5, 60, 30), (0, 0, COLS, ROWS), (1, 1, 2, 2)]}, 3),
    "a box and a click": ({"boxes_px": [(10, 5, 60, 30)], "points_px": [(30, 20)], "labels": [0]}, 1),
    "an array": ({"points_px": np.array([[79.9, 39.9]])}, 1),
}


@pytest.mark.parametrize(("prompt", "count"), PROMPTS.values(), ids=PROMPTS)
def test_one_mask_per_prompt_at_the_pictures_size(
    pointing: PromptedPredictor, prompt: dict[str, object], count: int
) -> None:
    answer = pointing.predict(**prompt)  # type: ignore[arg-type]
    assert answer.masks.shape == (count, ROWS, COLS)
    assert answer.masks.dtype == np.bool_
    assert answer.scores.shape == answer.presence.shape == (count,)
    assert ((answer.presence > 0) & (answer.presence < 1)).all()
    better = pointing.predict(**prompt, mask=answer.logits)  # type: ignore[arg-type]
    assert better.masks.shape == answer.masks.shape
    assert not np.array_equal(better.logits, answer.logits)


def test_the_encoder_looks_once_and_a_new_picture_is_another(
    model: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    forward = model.student.forward
    monkeypatch.setattr(model.student, "forward", lambda images: looks.append(1) or forward(images))
    pointing = model.prompted()
    pointing.set_image(IMAGE)
    first = pointing.predict(points_px=[(30, 20)])
    again = pointing.predict(points_px=[(30, 20)])
    assert len(looks) == 1
    assert np.array_equal(first.logits, again.logits)
    pointing.set_image(255 - IMAGE)
    assert not np.array_equal(pointing.predict(points_px=[(30, 20)]).logits, first.logits)
    assert len(looks) == 2


def test_files_and_white_bone_are_taken_as_elsewhere(pointing: PromptedPredictor, tmp_path: Path) -> None:
    expected = pointing.predict(points_px=[(30, 20)]).logits
    Image.fromarray(255 - IMAGE).save(tmp_path / "white.png")
    pointing.set_image(tmp_path / "white.png", is_inverted=True)
    assert np.array_equal(pointing.predict(points_px=[(30, 20)]).logits, expected)


def test_coordinates_are_the_pictures_own(
    pointing: PromptedPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decoder that draws a blob around each click draws it, in the picture, where the click was."""

    def blob(
        features: StudentFeatures, points: torch.Tensor, labels: torch.Tensor, masks: torch.Tensor | None
    ) -> PromptAnswer:
        centres = (torch.arange(32) + 0.5) * 2  # of cells of stride 2 in the square of 64 px
        x, y = points[:, 0, 0], points[:, 0, 1]
        distance = (centres[None, None] - x[:, None, None]) ** 2 + (
            centres[None, :, None] - y[:, None, None]
        ) ** 2
        return PromptAnswer(16 - distance, torch.zeros(len(points)), torch.zeros(len(points)))

    monkeypatch.setattr(pointing.prompts, "answer", blob)
    for x, y in ((20.5, 12.5), (60.5, 30.5), (9.5, 20.5)):
        (mask,) = pointing.predict(points_px=[(x, y)]).masks
        rows, cols = np.nonzero(mask)
        assert (cols.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((x, y), abs=0.3)


REFUSED = {  # name: (prompt, text of the error)
    "nothing": ({}, "must have `points_px` or `boxes_px`, got neither"),
    "labels alone": ({"boxes_px": (1, 1, 5, 5), "labels": [1]}, "`labels` must come with `points_px`"),
    "left of the picture": ({"points_px": [(-1, 5)]}, r"picture of 80 x 40 px, got x, y = -1, 5"),
    "rows and columns swapped": ({"points_px": [(20, 60)]}, r"got x, y = 20, 60; x counts columns"),
    "a flat box": (
        {"boxes_px": (10, 5, 10, 20)},
        r"x0 < x1 and y0 < y1 .* got x0, y0, x1, y1 = 10, 5, 10, 20",
    ),
    "a box upside down": ({"boxes_px": (10, 20, 30, 5)}, "put its corners in order"),
    "a box over the edge": ({"boxes_px": (10, 5, 81, 20)}, "got x0, y0, x1, y1 = 10, 5, 81, 20"),
    "a label of another kind": ({"points_px": [(3, 3)], "labels": [2]}, r"1 \(inside\) or 0 \(outside\)"),
    "too few labels": ({"points_px": [(3, 3), (4, 4)], "labels": [1]}, "each of the 2 clicks"),
    "no number": ({"points_px": [("a", 3)]}, "`points_px` must be finite numbers"),
    "not finite": ({"points_px": [(np.nan, 3)]}, "`points_px` must be finite numbers"),
    "no click": ({"points_px": []}, r"of shape \[p, 2\] or \[n, p, 2\], at least one"),
    "three corners": ({"boxes_px": (1, 2, 3)}, "`boxes_px` must be finite numbers"),
    "one click, two boxes": (
        {"points_px": [(3, 3)], "boxes_px": [(1, 1, 5, 5), (2, 2, 6, 6)]},
        "of the same number of prompts, got 1 and 2",
    ),
    "a mask of the picture": (
        {"points_px": [(3, 3)], "mask": np.zeros((ROWS, COLS))},
        r"`mask` must be finite logits of an earlier answer to 1 prompts, \(1, 32, 32\), got \(40, 80\)",
    ),
}


@pytest.mark.parametrize(("prompt", "text"), REFUSED.values(), ids=REFUSED)
def test_nonsense_is_refused(pointing: PromptedPredictor, prompt: dict[str, object], text: str) -> None:
    with pytest.raises(PromptError, match=text):
        pointing.predict(**prompt)  # type: ignore[arg-type]


def test_a_prompt_without_a_picture_is_refused(model: Predictor) -> None:
    with pytest.raises(PromptError, match="none was set; call `set_image` first"):
        model.prompted().predict(points_px=[(3, 3)])


def test_a_model_without_a_prompt_decoder_is_refused(model: Predictor) -> None:
    plain = Predictor(Model(model.student, model.decoder, model.config))
    with pytest.raises(PromptError, match=r"'untrained' has none; train one with `align.prompts=true`"):
        plain.prompted()
