"""The interval is deterministic, by patient, two-level, and absent where it would mean nothing."""

import numpy as np
import pytest

from agglo.core.seeds import generator
from agglo.evaluate.bootstrap import Interval, interval, macro_mean


def values(num_patients: int, *, spread: float = 0.1, name: str = "values") -> np.ndarray:
    return 0.7 + spread * generator("test", name).normal(size=(num_patients, 3))


def test_the_interval_is_a_function_of_its_figures():
    assert interval([values(8)], keys=("a",)) == interval([values(8)], keys=("a",))
    assert interval([values(8)], keys=("a",)) != interval([values(8)], keys=("b",))


def test_it_holds_the_mean_and_has_the_width_of_a_normal_interval():
    column = values(200)[:, :1]
    low, high = interval([column], keys=("width",))
    assert low < macro_mean(column) < high
    assert high - low == pytest.approx(2 * 1.96 * column.std() / np.sqrt(200), rel=0.1)


@pytest.mark.parametrize("num_patients", [0, 1, 4])
def test_fewer_than_five_patients_give_none(num_patients):
    assert interval([values(num_patients)], keys=("few",)) is None
    assert interval([values(8), values(num_patients)], keys=("few",)) is None


def test_patients_without_a_value_do_not_count():
    matrix = values(6)
    matrix[:2] = np.nan
    assert interval([matrix], keys=("nan",)) is None
    assert interval([], keys=("none",)) is None


def test_seeds_that_differ_widen_the_interval():
    narrow = interval([values(30), values(30)], keys=("seeds",))
    wide = interval([values(30) - 0.1, values(30) + 0.1], keys=("seeds",))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_seeds_on_the_same_patients_are_no_further_patients():
    """Three seeds that agree say as little of other patients as one does."""
    once = interval([values(40)], keys=("crossed",))
    thrice = interval([values(40)] * 3, keys=("crossed",))
    assert thrice.high - thrice.low == pytest.approx(once.high - once.low, rel=0.1)
    with pytest.raises(ValueError, match="same patients"):
        interval([values(8), values(9)], keys=("uneven",))


def test_macro_mean_weighs_structures_alike():
    matrix = np.array([[1.0, 0.0], [1.0, np.nan], [1.0, np.nan]])
    assert macro_mean(matrix) == 0.5
    assert macro_mean(np.array([[np.nan, 0.25]])) == 0.25
    assert np.isnan(macro_mean(np.full((2, 2), np.nan)))


def test_holds_zero():
    assert Interval(-0.1, 0.1).holds_zero
    assert not Interval(0.01, 0.1).holds_zero
