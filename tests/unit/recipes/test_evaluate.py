"""Which frames the report shows."""

import pytest

from agglo.evaluate.cases import Case
from agglo.recipes.evaluate import choose, rank_frames


def case(frame: str, structure: str, dice: float | None, visible: float = 1.0) -> Case:
    return Case(frame, "p", "s", structure, "present", visible, "none", True, dice is not None, dice)


def test_frames_go_from_best_to_worst_by_what_can_be_seen() -> None:
    cases = [
        case("mixed", "a", 1.0),
        case("mixed", "b", 0.2),
        case("good", "a", 0.9),
        case("good", "b", 0.1, visible=0.3),
        case("bad", "a", 0.0),
        case("empty", "a", None),
    ]
    assert rank_frames(cases, 0.5) == ["good", "mixed", "bad"]
    assert rank_frames(cases, 0.0) == ["mixed", "good", "bad"]


CHOICES = {  # name: (ranked frames, of each rank, expected)
    "plenty": (
        list(range(9)),
        2,
        [("best", 0), ("best", 1), ("median", 3), ("median", 4), ("worst", 7), ("worst", 8)],
    ),
    "one": ([5], 2, [("best", 5)]),
    "three": ([1, 2, 3], 2, [("best", 1), ("best", 2), ("worst", 3)]),
    "none wanted": ([1, 2, 3], 0, []),
}


@pytest.mark.parametrize(("ranked", "count", "expected"), CHOICES.values(), ids=CHOICES)
def test_best_median_and_worst_without_repetition(
    ranked: list[int], count: int, expected: list[tuple[str, int]]
) -> None:
    assert choose(ranked, count) == expected
