"""Dice, HD95 and NSD on masks small enough to check by hand."""

import math

import numpy as np
import pytest

from agglo.evaluate import metrics


def box(top: int, left: int, bottom: int, right: int, size: int = 12) -> np.ndarray:
    mask = np.zeros((size, size), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


EMPTY = box(0, 0, 0, 0)
DICE_CASES = {  # name: (predicted, reference, expected)
    "identical": (box(2, 2, 5, 5), box(2, 2, 5, 5), 1.0),
    "half": (box(2, 2, 4, 4), box(2, 2, 4, 3), 2 / 3),
    "apart": (box(0, 0, 2, 2), box(6, 6, 8, 8), 0.0),
    "missed": (EMPTY, box(2, 2, 4, 4), 0.0),
    "invented": (box(2, 2, 4, 4), EMPTY, 0.0),
    "both empty": (EMPTY, EMPTY, math.nan),
}


@pytest.mark.parametrize(("predicted", "reference", "expected"), DICE_CASES.values(), ids=DICE_CASES)
def test_dice(predicted, reference, expected):
    assert metrics.dice(predicted, reference) == pytest.approx(expected, nan_ok=True)


SURFACE_CASES = {  # name: (mask, number of border pixels)
    "empty": (EMPTY, 0),
    "one pixel": (box(3, 3, 4, 4), 1),
    "three by three": (box(3, 3, 6, 6), 8),
    "four by five": (box(3, 3, 7, 8), 14),
    "the whole image erodes at its edge": (box(0, 0, 12, 12), 44),
    "touching the edge": (box(0, 0, 3, 3), 8),
}


@pytest.mark.parametrize(("mask", "num_points"), SURFACE_CASES.values(), ids=SURFACE_CASES)
def test_surface_is_the_inner_border(mask, num_points):
    points = metrics.surface(mask)
    assert len(points) == num_points
    assert all(mask[row, col] for row, col in points)


def test_surface_equals_scipy_erosion():
    from scipy.ndimage import binary_erosion

    mask = np.random.default_rng(0).random((40, 30)) > 0.3
    assert np.array_equal(metrics.surface(mask), np.argwhere(mask & ~binary_erosion(mask, border_value=0)))


def test_shifted_box_is_its_shift_away():
    predicted, reference = box(2, 2, 6, 6), box(2, 5, 6, 9)
    assert metrics.hd95(predicted, reference) == pytest.approx(3.0)
    assert metrics.hd95(predicted, reference, mode="max") == pytest.approx(3.0)


def test_spacing_is_rows_first():
    down, right = box(5, 2, 9, 6), box(2, 5, 6, 9)
    reference = box(2, 2, 6, 6)
    assert metrics.hd95(down, reference, spacing=(0.5, 2.0)) == pytest.approx(1.5)
    assert metrics.hd95(right, reference, spacing=(0.5, 2.0)) == pytest.approx(6.0)
    assert metrics.nsd(down, reference, tolerance_mm=1.6, spacing=(0.5, 2.0)) == 1.0


def test_pooled_and_max_differ_where_one_mask_has_a_far_blob():
    reference = box(2, 2, 10, 10, size=60)
    predicted = reference | box(50, 50, 53, 53, size=60)
    pooled, largest = (metrics.hd95(predicted, reference, mode=mode) for mode in ("pooled", "max"))
    assert 0 < pooled < largest


@pytest.mark.parametrize("mode", ["pooled", "max"])
@pytest.mark.parametrize("pair", [(EMPTY, EMPTY), (EMPTY, box(1, 1, 3, 3)), (box(1, 1, 3, 3), EMPTY)])
def test_hd95_of_an_empty_mask_is_unknown_never_zero(pair, mode):
    assert math.isnan(metrics.hd95(*pair, mode=mode))


NSD_CASES = {  # name: (predicted, reference, tolerance_mm, expected)
    "identical": (box(2, 2, 6, 6), box(2, 2, 6, 6), 0.0, 1.0),
    "within": (box(2, 2, 6, 6), box(2, 3, 6, 7), 1.0, 1.0),
    "outside": (box(0, 0, 2, 2), box(8, 8, 10, 10), 1.0, 0.0),
    "partly": (box(2, 2, 3, 6), box(2, 2, 3, 10), 0.0, 8 / 12),
    "missed": (EMPTY, box(2, 2, 6, 6), 1.0, 0.0),
    "invented": (box(2, 2, 6, 6), EMPTY, 1.0, 0.0),
    "both empty": (EMPTY, EMPTY, 1.0, math.nan),
}


@pytest.mark.parametrize(
    ("predicted", "reference", "tolerance", "expected"), NSD_CASES.values(), ids=NSD_CASES
)
def test_nsd(predicted, reference, tolerance, expected):
    found = metrics.nsd(predicted, reference, tolerance_mm=tolerance, spacing=(1.0, 1.0))
    assert found == pytest.approx(expected, nan_ok=True)


def test_a_spacing_of_zero_is_refused():
    with pytest.raises(
        ValueError, match=r"spacing must be two positive numbers \(rows, columns\), got \(0.0, 1.0\)"
    ):
        metrics.hd95(box(1, 1, 3, 3), box(1, 1, 3, 3), spacing=(0.0, 1.0))
