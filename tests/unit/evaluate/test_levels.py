"""Vertebrae by outline and by level: a shift by one is seen as what it is, and failing never pays."""

import numpy as np
import pytest

from agglo.core.errors import DataError
from agglo.evaluate.levels import (
    LevelFrame,
    Outline,
    Ruler,
    level_table,
    ordered_group,
    outline_of,
    shifts_of,
    unions_of,
)

NAMES = ("C3", "C4", "C5", "C6")
SIZE = 24


def column(*places: int | None) -> np.ndarray:
    """Return one mask a name: a bar in the slot given, empty for None."""
    masks = np.zeros((len(places), SIZE, SIZE), bool)
    for mask, place in zip(masks, places, strict=True):
        if place is not None:
            mask[2 + 5 * place : 6 + 5 * place, 5:15] = True
    return masks


TRUTH = column(0, 1, 2, 3)
ALL = [True] * 4
SHIFT_CASES = {  # name: (predicted slots, which members count, shifts)
    "right": ((0, 1, 2, 3), ALL, [0, 0, 0, 0]),
    "one too low": ((1, 2, 3, None), ALL, [1, 1, 1, None]),
    "one too high": ((None, 0, 1, 2), ALL, [None, -1, -1, -1]),
    "swapped": ((0, 2, 1, 3), ALL, [0, 1, -1, 0]),
    "all in one place": ((2, 2, 2, 2), ALL, [2, 1, 0, -1]),
    "hidden ones are not asked": ((1, 2, 3, None), [True, True, True, False], [1, 1, 1]),
    "nothing": ((None,) * 4, ALL, [None] * 4),
}


@pytest.mark.parametrize(("slots", "counts", "expected"), SHIFT_CASES.values(), ids=SHIFT_CASES)
def test_shifts(slots: tuple[int | None, ...], counts: list[bool], expected: list[int | None]) -> None:
    assert shifts_of(column(*slots), TRUTH, counts) == expected


def test_a_mask_between_two_belongs_to_the_one_it_covers_more() -> None:
    predicted = np.zeros_like(TRUTH)
    predicted[0, 4:10, 5:15] = True  # two rows of C3, three of C4
    assert shifts_of(predicted, TRUTH, ALL)[0] == 1
    predicted[0, 9] = False  # two rows each: the nearest to its name
    assert shifts_of(predicted, TRUTH, ALL)[0] == 0


def test_a_shifted_column_has_a_good_outline() -> None:
    predicted = column(1, 2, 3, 0)
    union, wanted = unions_of(predicted, TRUTH, ALL)
    assert (union == wanted).all()
    assert outline_of(union, wanted, Ruler("pooled", (0.5, 0.5), 99.0)).dice == 1.0


def test_what_does_not_count_is_neither_rewarded_nor_punished() -> None:
    counts = [True, True, True, False]
    with_hidden, wanted = unions_of(TRUTH, TRUTH, counts)
    without, _ = unions_of(column(0, 1, 2, None), TRUTH, counts)
    assert (with_hidden == without).all()
    assert (without == wanted).all()
    borrowed, _ = unions_of(column(0, 1, None, 2), TRUTH, counts)  # the hidden one's name on a counted one
    assert (borrowed == wanted).all()
    beside = column(0, 1, 2, None)
    beside[0, :2] = True
    assert not (unions_of(beside, TRUTH, counts)[0] == wanted).all()


def test_a_missed_column_pays() -> None:
    missed = outline_of(np.zeros((SIZE, SIZE), bool), TRUTH.any(axis=0), Ruler("max", (1.0, 1.0), 33.9))
    assert missed == Outline(dice=0.0, is_detected=False, hd95_px=None, hd95_penalised_px=33.9, nsd_2mm=0.0)
    assert outline_of(TRUTH[0], TRUTH[0], None) == Outline(1.0, True)
    unknown = outline_of(TRUTH[0], TRUTH.any(axis=0), Ruler("max", None, 33.9))
    assert unknown.nsd_2mm is None
    assert unknown.dice == pytest.approx(2 * 40 / 200)


def frame(patient: str, *shifts: int | None, dice: float = 0.9) -> LevelFrame:
    hd95 = 2.0 if dice else None
    return LevelFrame(
        f"{patient}-f",
        patient,
        "v/s",
        dict(zip(NAMES, shifts, strict=True)),
        Outline(dice, bool(dice), hd95, hd95 or 50.0, None),
    )


def test_a_column_found_far_away_costs_no_more_than_a_missed_one() -> None:
    truth, far = np.zeros((2, SIZE, SIZE), bool)
    truth[0, 0] = far[-1, -1] = True
    found = outline_of(far, truth, Ruler("max", None, 5.0))
    assert found.hd95_px is not None
    assert found.hd95_px > 5.0
    assert found.hd95_penalised_px == 5.0


def test_the_table_says_how_far_off_and_how_often() -> None:
    frames = [frame(f"p{n}", 0, 0, 1, None) for n in range(5)] + [frame("p5", 1, 1, 2, None, dice=0.0)]
    found = level_table(frames, NAMES)
    assert found["outline"]["dice"] == pytest.approx(0.75)
    assert found["outline"]["hd95_px"] == 2.0
    assert found["outline"]["hd95_penalised_px"] == pytest.approx(10.0)
    assert found["outline"]["miss_rate"] == pytest.approx(1 / 6)
    assert found["outline"]["nsd_2mm"] is None
    rows = found["level"]["members"]
    assert rows["C3"] == {
        "accuracy": pytest.approx(5 / 6),
        "not_found": 0.0,
        "mean_abs_error": pytest.approx(1 / 6),
        "shifts": {"0": 5, "+1": 1},
        "num_frames": 6,
    }
    assert rows["C5"]["shifts"] == {"+1": 5, "+2": 1}
    assert (rows["C6"]["accuracy"], rows["C6"]["not_found"], rows["C6"]["mean_abs_error"]) == (0.0, 1.0, None)
    mean = found["level"]["mean"]
    assert mean["accuracy"] == pytest.approx((5 / 6 + 5 / 6) / 4)
    assert mean["not_found"] == pytest.approx(0.25)
    low, high = mean["accuracy_ci95"]
    assert low <= mean["accuracy"] <= high


def test_a_table_of_nothing_is_empty_and_says_so() -> None:
    found = level_table([], NAMES)
    assert found["num_frames"] == 0
    assert found["outline"]["dice"] is None
    assert found["level"]["mean"]["accuracy"] is None


GROUP_CASES = {  # name: (structures, groups, members)
    "named": (("b", "a", "bolus"), {"vertebrae": ("a", "b")}, ("a", "b")),
    "by the names of vertebrae": (("bolus", "C2", "C1", "T1"), {}, ("C1", "C2", "T1")),
    "one is no order": (("bolus", "C2"), {}, ()),
    "none": (("bolus", "pharynx"), {"moving": ("bolus",)}, ()),
}


@pytest.mark.parametrize(("structures", "groups", "members"), GROUP_CASES.values(), ids=GROUP_CASES)
def test_which_structures_are_ordered(structures, groups, members) -> None:  # type: ignore[no-untyped-def]
    assert ordered_group(structures, groups) == members


def test_a_group_of_strangers_is_refused() -> None:
    with pytest.raises(DataError, match="C9"):
        ordered_group(("C1", "C2"), {"vertebrae": ("C1", "C9")})
