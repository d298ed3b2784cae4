"""From logits to masks at the picture's size."""

import math

import numpy as np
import pytest

from agglo_runtime.finish import ThresholdError, are_present, masks_from_logits, probabilities
from agglo_runtime.geometry import Letterbox


def test_masks_come_back_where_they_were() -> None:
    box = Letterbox.fit(60, 100, 64)
    picture = np.zeros((60, 100), np.float32)
    picture[20:40, 50:80] = 1
    logits = 20 * box.apply(picture)[None] - 10
    masks = masks_from_logits(logits, box)
    overlap = (masks[0] & (picture > 0)).sum() * 2 / (masks[0].sum() + picture.sum())
    assert masks.shape == (1, 60, 100)
    assert masks.dtype == np.bool_
    assert overlap > 0.97


def test_a_threshold_is_a_probability() -> None:
    box = Letterbox.fit(16, 16, 16)
    logits = np.full((1, 16, 16), math.log(0.7 / 0.3), np.float32)
    assert masks_from_logits(logits, box, threshold=0.69).all()
    assert not masks_from_logits(logits, box, threshold=0.71).any()
    assert probabilities(logits, box) == pytest.approx(np.full((1, 16, 16), 0.7), abs=1e-5)


def test_probabilities_of_extreme_logits_stay_in_range() -> None:
    logits = np.array([[[-1e9, 1e9]] * 2], np.float32)
    found = probabilities(logits, Letterbox.fit(2, 2, 2))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert (found <= 1).all()


def test_masks_agree_with_probabilities() -> None:
    logits = np.random.default_rng(0).normal(size=(3, 8, 8)).astype(np.float32)
    box = Letterbox.fit(20, 30, 32)
    assert np.array_equal(masks_from_logits(logits, box, threshold=0.3), probabilities(logits, box) > 0.3)


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1.0, math.nan])
def test_threshold_must_be_inside(threshold: float) -> None:
    with pytest.raises(ThresholdError, match="strictly between 0 and 1"):
        masks_from_logits(np.zeros((1, 4, 4), np.float32), Letterbox.fit(4, 4, 4), threshold=threshold)


PRESENCE_CASES = {  # name: (logits of presence, threshold, which of three structures keep their masks)
    "nothing is told": (None, 0.5, [True, True, True]),
    "over, under, and on the threshold": ([3.0, -3.0, 0.0], 0.5, [True, False, True]),
    "a low threshold": ([3.0, -3.0, -1.0], 0.2, [True, False, True]),
    "a high one": ([3.0, 2.0, -1.0], 0.9, [True, False, False]),
    "none is there": ([-1.0, -1.0, -1.0], 0.5, [False, False, False]),
}


@pytest.mark.parametrize(("presence", "threshold", "kept"), PRESENCE_CASES.values(), ids=PRESENCE_CASES)
def test_what_is_not_there_has_an_empty_mask(
    presence: list[float] | None, threshold: float, kept: list[bool]
) -> None:
    logits = np.random.default_rng(0).normal(size=(3, 8, 8)).astype(np.float32)
    box = Letterbox.fit(20, 30, 32)
    told = None if presence is None else np.array(presence, np.float32)
    found = masks_from_logits(logits, box, presence=told, presence_threshold=threshold)
    whole = masks_from_logits(logits, box)
    assert found.any(axis=(1, 2)).tolist() == kept
    assert np.array_equal(found[kept], whole[kept])
    assert are_present(3, told, threshold=threshold).tolist() == kept


def test_a_threshold_of_presence_must_be_inside() -> None:
    with pytest.raises(ThresholdError, match="strictly between 0 and 1"):
        are_present(1, None, threshold=1.0)
