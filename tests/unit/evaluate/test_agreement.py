"""People against people and the model against people: the same references for both."""

import numpy as np
import pytest

from agglo.data.states import State
from agglo.evaluate.agreement import Rating, agreement_table, agreements_of

FULL = np.ones((4, 4), bool)
HALF = np.tri(4, 4, 0, dtype=bool)
NONE = np.zeros((4, 4), bool)
PRESENT, ABSENT, UNLABELLED = State.PRESENT, State.ABSENT, State.UNLABELLED


def rating(mask: np.ndarray, state: State = PRESENT) -> Rating:
    return Rating(mask[None], [state])


def agreed(predicted: np.ndarray, *ratings: Rating, patient: str = "p"):  # type: ignore[no-untyped-def]
    return agreements_of(predicted[None], ratings, frame="f", patient=patient, structures=["bolus"])


def test_people_and_model_are_scored_against_the_same_people() -> None:
    [found] = agreed(FULL, rating(FULL), rating(HALF))
    overlap = 2 * 10 / 26
    assert found.human_human == pytest.approx(overlap)
    assert found.model_human == pytest.approx((1 + overlap) / 2)


def test_saying_absent_where_another_sees_something_is_a_disagreement() -> None:
    [found] = agreed(NONE, rating(FULL), rating(NONE, ABSENT))
    assert (found.human_human, found.model_human) == (0.0, 0.0)


NOTHING_CASES = {  # name: ratings that say nothing about agreement
    "one rater": [rating(FULL)],
    "the other has not looked": [rating(FULL), rating(NONE, UNLABELLED)],
    "the other left an empty mask": [rating(FULL), rating(NONE, PRESENT)],
    "all say absent": [rating(NONE, ABSENT), rating(NONE, ABSENT)],
}


@pytest.mark.parametrize("ratings", NOTHING_CASES.values(), ids=NOTHING_CASES)
def test_what_says_nothing_is_left_out(ratings: list[Rating]) -> None:
    assert agreed(FULL, *ratings) == []


def test_a_patient_with_many_frames_weighs_as_one() -> None:
    good = agreed(FULL, rating(FULL), rating(FULL), patient="a")
    bad = agreed(NONE, rating(FULL), rating(FULL), patient="b")
    assert agreement_table([*good * 9, *bad]) == {
        "bolus": {"human_human": 1.0, "model_human": 0.5, "num_frames": 10, "num_patients": 2}
    }
