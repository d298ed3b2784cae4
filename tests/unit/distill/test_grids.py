"""On which grid student and teacher meet, and how maps get there."""

import pytest
import torch

from agglo.distill.grids import Grid, Match, Shrink, meeting_grid, resized

MEETINGS = {  # name: (match, student, teacher, expected)
    "the teacher's": ("teacher", (8, 8), (16, 16), (16, 16)),
    "the teacher's, coarser": ("teacher", (8, 8), (2, 2), (2, 2)),
    "the student's": ("student", (8, 8), (16, 16), (8, 8)),
    "the larger, the student's": ("larger", (8, 8), (2, 2), (8, 8)),
    "the larger, the teacher's": ("larger", (8, 8), (16, 16), (16, 16)),
}


@pytest.mark.parametrize(("match", "student", "teacher", "expected"), MEETINGS.values(), ids=MEETINGS)
def test_where_they_meet(match: Match, student: Grid, teacher: Grid, expected: Grid) -> None:
    assert meeting_grid(match, student, teacher) == expected


def ramp(cells: int) -> torch.Tensor:
    """Return a map whose value is where its cell lies, from 0 to 1."""
    return ((torch.arange(cells) + 0.5) / cells).expand(1, 1, cells, cells)


SIZES = {  # name: (from, to, how, how far values may be off, in cells of the finer grid)
    "same": (8, 8, "average", 0.0),
    "finer": (8, 16, "average", 0.26),  # the outermost cells repeat
    "coarser by a whole factor": (32, 16, "average", 1e-4),
    "coarser by a whole factor, antialiased": (32, 16, "antialiased", 1e-4),
    "coarser by another, averaged": (32, 7, "average", 0.5),
}


@pytest.mark.parametrize(("before", "after", "shrink", "off"), SIZES.values(), ids=SIZES)
def test_what_is_where_stays_there(before: int, after: int, shrink: Shrink, off: float) -> None:
    found = resized(ramp(before), (after, after), shrink)
    assert (found - ramp(after)).abs().max() * before <= off


def test_antialiased_centres_are_nearer_than_averaged_ones_inside() -> None:
    """At the edges the triangle is cut off, so only inner cells say something."""
    off = {
        how: (resized(ramp(64), (37, 37), how) - ramp(37))[..., 2:-2].abs().max() * 64
        for how in ("average", "antialiased")
    }
    assert off["antialiased"] < 0.1 < off["average"] <= 0.5


def test_a_checkerboard_leaves_no_moire_when_it_shrinks() -> None:
    board = ((torch.arange(64)[:, None] + torch.arange(64)) % 2).float().expand(1, 1, 64, 64)
    plain = torch.nn.functional.interpolate(board, size=(37, 37), mode="bilinear").std()
    for how in ("average", "antialiased"):
        assert resized(board, (37, 37), how).std() < 0.3 * plain
