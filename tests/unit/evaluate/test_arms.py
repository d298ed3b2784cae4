"""Arms over seeds: means, paired differences, Holm, and the words that may be used."""

import numpy as np
import pytest

from agglo.core.seeds import generator
from agglo.evaluate.arms import Difference, difference, figure, holm, with_holm
from agglo.evaluate.bootstrap import Interval, p_value

HOLM_CASES = {  # name: (p values, corrected)
    "textbook": ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
    "never over one": ([0.9, 0.8], [1.0, 1.0]),
    "one is left alone": ([0.04], [0.04]),
    "none": ([], []),
}


@pytest.mark.parametrize(("p_values", "expected"), HOLM_CASES.values(), ids=HOLM_CASES)
def test_holm(p_values: list[float], expected: list[float]) -> None:
    assert holm(p_values) == pytest.approx(expected)


def scores(seed: int, *, shift: float = 0.0, patients: int = 40) -> np.ndarray:
    random = generator(seed, "scores")
    return np.clip(0.6 + 0.15 * random.standard_normal((patients, 1)) + shift, 0, 1) * np.ones((1, 3))


def seeds_of(shift: float, **others: int) -> dict[int, np.ndarray]:
    return {seed: scores(seed, shift=shift, **others) for seed in range(3)}


def test_a_figure_is_the_mean_of_seeds_inside_of_its_interval() -> None:
    found = figure(seeds_of(0.0))
    assert found.mean == pytest.approx(np.mean(found.by_seed))
    assert len(found.by_seed) == 3
    assert found.interval is not None
    assert found.interval.low < found.mean < found.interval.high


def test_pairing_shows_what_spread_over_patients_hides() -> None:
    found = difference(seeds_of(0.02), seeds_of(0.0))
    assert found is not None
    assert found.mean == pytest.approx(0.02, abs=1e-3)  # a little is cut off at 1
    [corrected] = with_holm([found])
    assert corrected.verdict == "better"
    unpaired = figure(seeds_of(0.02)).interval
    assert unpaired is not None
    assert unpaired.low < figure(seeds_of(0.0)).mean


def test_a_clear_difference_counts_among_a_hundred() -> None:
    """Else a large grid could never show anything, because its p would be too coarse for Holm's correction."""
    found = difference(seeds_of(0.1), seeds_of(0.0))
    assert found is not None
    assert {each.verdict for each in with_holm([found] * 100)} == {"better"}


def test_only_common_seeds_are_compared() -> None:
    bar = {seed: matrix for seed, matrix in seeds_of(0.0).items() if seed != 1}
    found = difference(seeds_of(0.1), bar)
    assert found is not None
    assert found.num_seeds == 2
    assert difference({5: scores(5)}, bar) is None
    with pytest.raises(ValueError, match="same patients"):
        difference({0: scores(0, patients=39)}, bar)


def test_one_seed_claims_nothing() -> None:
    assert Difference(0.03, Interval(0.01, 0.05), 0.001, 1, p_holm=0.001).verdict == "too few seeds to say"


VERDICT_CASES = {  # name: (interval, corrected p, mean, verdict)
    "clear": (Interval(0.01, 0.05), 0.01, 0.03, "better"),
    "clear the other way": (Interval(-0.05, -0.01), 0.01, -0.03, "worse"),
    "interval holds zero": (Interval(-0.01, 0.05), 0.01, 0.03, "no difference shown"),
    "one of many": (Interval(0.01, 0.05), 0.2, 0.03, "no difference shown"),
    "few patients": (None, None, 0.3, "too few patients to say"),
}


@pytest.mark.parametrize(("span", "p", "mean", "verdict"), VERDICT_CASES.values(), ids=VERDICT_CASES)
def test_what_may_be_said(span: Interval | None, p: float | None, mean: float, verdict: str) -> None:
    assert Difference(mean, span, p, 3, p_holm=p).verdict == verdict


def test_few_patients_have_no_p_and_take_no_part_in_holm() -> None:
    few = difference(seeds_of(0.1, patients=4), seeds_of(0.0, patients=4))
    many = difference(seeds_of(0.1), seeds_of(0.0))
    assert few is not None
    assert many is not None
    corrected = with_holm([few, many])
    assert (few.p, corrected[0].p_holm) == (None, None)
    assert corrected[1].p_holm == many.p


P_CASES = {  # name: (draws, p)
    "all above": (np.full(1999, 0.1), 2 / 2000),
    "half and half": (np.array([-1.0, 1.0] * 500), 1.0),
    "always nought": (np.zeros(999), 1.0),
}


@pytest.mark.parametrize(("means", "expected"), P_CASES.values(), ids=P_CASES)
def test_p_values(means: np.ndarray, expected: float) -> None:
    assert p_value(means) == pytest.approx(expected)
