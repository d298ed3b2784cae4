"""What one frame's masks become: the rules that failing never improves a mean and that unlabelled is not absent."""

import math

import numpy as np
import pytest

from agglo.core.errors import DataError
from agglo.data.states import State
from agglo.evaluate.scoring import FrameFacts, ScoreRules, score_frame

SIZE = 20
FULL = np.zeros((SIZE, SIZE), dtype=bool)
FULL[5:15, 5:15] = True
EMPTY = np.zeros((SIZE, SIZE), dtype=bool)
FACTS = FrameFacts(
    frame="f0",
    patient="p0",
    swallow="s0",
    spacing_mm=(0.5, 0.5),
    spacing_source="header",
    field_diagonal_px=25.0,
)


def score_one(predicted, reference, state, *, facts=FACTS, **others):
    [case] = score_frame(
        predicted[None], reference[None], [state], facts=facts, structures=["bolus"], **others
    )
    return case


def test_a_perfect_prediction():
    case = score_one(FULL, FULL, State.PRESENT)
    assert case.is_scored
    assert case.is_detected
    assert (case.dice, case.hd95_px, case.hd95_penalised_px, case.nsd_1mm, case.nsd_2mm) == (1, 0, 0, 1, 1)
    assert case.false_area_px is None
    assert (case.state, case.spacing_source, case.visible_fraction) == ("present", "header", 1.0)


def test_a_miss_costs_the_fields_diagonal():
    case = score_one(EMPTY, FULL, State.PRESENT)
    assert case.is_scored
    assert not case.is_detected
    assert case.hd95_px is None
    assert (case.dice, case.hd95_penalised_px, case.nsd_1mm, case.nsd_2mm) == (0, 25, 0, 0)


def test_no_detection_costs_more_than_a_miss():
    far = FULL.copy()
    far[:] = False
    far[-1, -1] = True
    near = FULL.copy()
    near[:] = False
    near[0, 0] = True
    case = score_one(far, near, State.PRESENT)
    assert case.hd95_px == pytest.approx(math.hypot(SIZE - 1, SIZE - 1))
    assert case.hd95_penalised_px == 25 < case.hd95_px


def test_a_miss_costs_the_images_diagonal_where_no_field_is_known():
    case = score_one(EMPTY, FULL, State.PRESENT, facts=FrameFacts(frame="f", patient="p", swallow="s"))
    assert case.hd95_penalised_px == pytest.approx(math.hypot(SIZE, SIZE))
    assert case.nsd_1mm is None
    assert case.spacing_source == "none"


def test_what_is_absent_gives_false_area_only():
    case = score_one(FULL, EMPTY, State.ABSENT)
    assert not case.is_scored
    assert case.dice is None
    assert (case.false_area_px, case.false_area_mm2) == (100, 25.0)


@pytest.mark.parametrize("state", [State.UNLABELLED, State.NOT_ASSESSABLE])
@pytest.mark.parametrize("reference", [EMPTY, FULL])
def test_what_nobody_has_judged_is_measured_nowhere(state, reference):
    case = score_one(FULL, reference, state)
    assert not case.is_scored
    assert (case.dice, case.hd95_px, case.hd95_penalised_px, case.nsd_1mm, case.false_area_px) == (None,) * 5


def test_present_with_an_empty_reference_is_not_scored():
    assert not score_one(FULL, EMPTY, State.PRESENT).is_scored


def test_oblong_pixels_are_measured_in_mm_per_axis():
    shifted = np.roll(FULL, 4, axis=0)
    facts = FrameFacts(frame="f", patient="p", swallow="s", spacing_mm=(0.25, 3.0), spacing_source="user")
    case = score_one(shifted, FULL, State.PRESENT, facts=facts)
    assert case.nsd_1mm == 1.0
    assert case.hd95_px == 4.0


def test_the_reading_of_hd95_is_the_rules():
    far = FULL.copy()
    far[0, 0] = True
    pooled, largest = (
        score_one(far, FULL, State.PRESENT, rules=ScoreRules(hd95_mode=mode)).hd95_px
        for mode in ("pooled", "max")
    )
    assert (pooled, largest) == (0.0, 0.0)
    far[0, :19] = True
    pooled, largest = (
        score_one(far, FULL, State.PRESENT, rules=ScoreRules(hd95_mode=mode)).hd95_px
        for mode in ("pooled", "max")
    )
    assert pooled < largest


def test_absent_with_a_mask_is_refused_by_name():
    with pytest.raises(
        DataError, match=r"called absent must have an empty reference mask.*'f0'.*\['bolus'\].*mend"
    ):
        score_one(EMPTY, FULL, State.ABSENT)


def test_no_structures_give_no_cases():
    none = np.zeros((0, SIZE, SIZE), dtype=bool)
    assert score_frame(none, none, [], facts=FACTS, structures=[]) == []


def test_lengths_must_agree():
    with pytest.raises(ValueError, match=r"2 structures are named.*'states': 1"):
        score_frame(
            np.stack([FULL, FULL]),
            np.stack([FULL, FULL]),
            [State.PRESENT],
            facts=FACTS,
            structures=["a", "b"],
        )
