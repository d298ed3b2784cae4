"""Prompts drawn from masks: about what is shown and known, as loosely as a person points."""

import numpy as np
import pytest
import torch

from agglo.align.jitter import BOX, BOX_JITTER, MARGIN_CELLS, POINTS, Prompts, draw_prompts
from agglo.core.seeds import generator

CELLS, STRIDE_PX = 32, 2
TOP, BOTTOM, LEFT, RIGHT = 8, 14, 20, 24


def sample(
    *, known: tuple[bool, ...] = (True, True), shows: tuple[bool, ...] = (True, False)
) -> dict[str, torch.Tensor]:
    """Return a view of two structures: the first a rectangle, the second a corner; and some padding on the right."""
    coverage = torch.zeros(2, CELLS, CELLS)
    if shows[0]:
        coverage[0, TOP:BOTTOM, LEFT:RIGHT] = 1
        coverage[0, BOTTOM, LEFT:RIGHT] = 0.25  # less than half a cell belongs to no prompt
    if shows[1]:
        coverage[1, :3, :3] = 1
    inside = torch.ones(CELLS, CELLS)
    inside[:, 28:] = 0
    return {"coverage": coverage, "inside": inside, "known": torch.tensor(known)}


def drawn(given: dict[str, torch.Tensor], count: int = 200) -> list[Prompts]:
    return [draw_prompts(given, generator(0, "test", turn), stride_px=STRIDE_PX) for turn in range(count)]


def cells_of(points: torch.Tensor) -> np.ndarray:
    return np.floor(points.numpy() / STRIDE_PX).astype(int)


def test_a_box_lies_around_its_structure_as_loosely_as_medsams() -> None:
    boxes = np.stack([each["box"].numpy() for each in drawn(sample(known=(True, False)))]) / STRIDE_PX
    tight = np.array([LEFT, TOP, RIGHT, BOTTOM])
    outwards = (boxes - tight) * [-1, -1, 1, 1]
    assert outwards.min() >= 0
    assert outwards.max() <= BOX_JITTER * CELLS
    assert outwards.max() > 0.9 * BOX_JITTER * CELLS


def test_boxes_stay_in_the_view() -> None:
    boxes = torch.stack([each["box"] for each in drawn(sample(shows=(False, True)))])
    assert float(boxes.min()) == 0.0
    assert float(boxes.max()) <= CELLS * STRIDE_PX


def test_points_lie_inside_and_all_over() -> None:
    points = np.concatenate([cells_of(each["points"]) for each in drawn(sample(known=(True, False)))])
    assert set(points[:, 0]) == set(range(LEFT, RIGHT))
    assert set(points[:, 1]) == set(range(TOP, BOTTOM))


def test_now_and_then_there_is_nothing_where_one_points_if_all_is_known() -> None:
    prompts = drawn(sample(), 400)
    nothing = [each for each in prompts if not each["is_object"][POINTS]]
    assert 0.08 < len(nothing) / len(prompts) < 0.18
    assert all(bool(each["is_object"][BOX]) and bool(each["is_usable"].all()) for each in prompts)
    cells = np.concatenate([cells_of(each["points"]) for each in nothing])
    assert cells[:, 0].max() < 28, "padding is not nothing"
    near = (cells[:, 0] >= LEFT - MARGIN_CELLS) & (cells[:, 0] < RIGHT + MARGIN_CELLS)
    near &= (cells[:, 1] >= TOP - MARGIN_CELLS) & (cells[:, 1] <= BOTTOM + MARGIN_CELLS)
    assert not near.any()


KINDS = {  # name: (known, shown, structures that prompts may be about, is there an object: box, points; usable: box, points)
    "one is unlabelled": ((True, False), (True, True), {0}, (True, True), (True, True)),
    "only the unlabelled one is shown": ((True, False), (False, True), {0}, (False, False), (False, False)),
    "nothing is there": ((True, True), (False, False), {0}, (False, False), (False, True)),
}


@pytest.mark.parametrize(("known", "shows", "about", "objects", "usable"), KINDS.values(), ids=KINDS)
def test_what_prompts_may_be_about(
    known: tuple[bool, ...],
    shows: tuple[bool, ...],
    about: set[int],
    objects: tuple[bool, bool],
    usable: tuple[bool, bool],
) -> None:
    for each in drawn(sample(known=known, shows=shows), 50):
        assert set(each["chosen"].tolist()) <= about
        assert tuple(each["is_object"].tolist()) == objects
        assert tuple(each["is_usable"].tolist()) == usable


def test_both_structures_are_asked_for() -> None:
    chosen = torch.stack([each["chosen"] for each in drawn(sample(shows=(True, True)))])
    assert chosen.float().mean(dim=0).tolist() == pytest.approx([0.5, 0.5], abs=0.12)


def test_prompts_are_a_function_of_the_stream() -> None:
    first, again = (draw_prompts(sample(), generator(3, "x"), stride_px=2) for _ in range(2))
    other = draw_prompts(sample(), generator(4, "x"), stride_px=2)
    assert all(torch.equal(first[name], again[name]) for name in first)  # type: ignore[literal-required]
    assert not torch.equal(first["box"], other["box"])
