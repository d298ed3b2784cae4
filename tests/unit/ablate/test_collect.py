"""Tables of cells: paired by patient and seed against the bar, of cells that belong together and of no others."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agglo.ablate.cell import cell_file
from agglo.ablate.collect import collect
from agglo.ablate.grid import Cell, Plan
from agglo.core.errors import RunFolderError

Made = Callable[..., Plan]


def rows_of(table: dict[str, Any]) -> dict[tuple[str, int], dict[str, Any]]:
    return {(row["arm"], row["patients"]): row for row in table["tests"]["test"]["rows"]}


def test_differences_are_paired_with_the_bar_of_the_same_count(made: Made) -> None:
    table = collect(made())
    rows = rows_of(table)
    assert set(rows) == {("supervised", 1), ("supervised", 3), ("all", 1), ("all", 3)}
    for count in (1, 3):
        against = rows["all", count]["minus_bar"]
        assert rows["supervised", count]["minus_bar"] is None
        assert against["mean"] == pytest.approx(0.1)
        assert against["ci95"] == pytest.approx([0.1, 0.1])
        assert (against["verdict"], against["num_seeds"]) == ("better", 3)
        low, high = rows["all", count]["dice_ci95"]
        assert high - low > 0.05, "patients differ, so the arm's own interval is wide"
    assert rows["all", 3]["dice"] == pytest.approx(np.mean(rows["all", 3]["dice_by_seed"]))
    assert rows["all", 3]["seeds"] == [0, 1, 2]
    assert rows["all", 1]["outline_dice"] == pytest.approx(0.8)
    assert rows["all", 1]["level_right"] == 0.5


def test_a_gain_of_one_seed_is_not_shown(made: Made) -> None:
    def spoil(cell: Cell, content: dict[str, Any]) -> None:
        test = content["tests"]["test"]
        if cell.arm == "all":
            shift = -0.11 if cell.seed else 0.0
            test["dice"] = [
                [None if value is None else value + shift for value in row] for row in test["dice"]
            ]

    against = rows_of(collect(made(spoil)))["all", 1]["minus_bar"]
    assert against["mean"] == pytest.approx(0.08 / 3)
    assert against["verdict"] == "no difference shown"


def test_few_patients_give_neither_interval_nor_verdict(made: Made) -> None:
    row = rows_of(collect(made(patients=4)))["all", 1]
    assert row["dice_ci95"] is None
    assert row["minus_bar"]["ci95"] is None
    assert row["minus_bar"]["verdict"] == "too few patients to say"


def test_what_is_missing_or_was_scored_twice_is_said(made: Made) -> None:
    def spoil(cell: Cell, content: dict[str, Any]) -> None:
        content["scorings_of_test"] = 2 if cell.name == "all-finetune-n03-s0" else 1

    plan = made(spoil)
    for cell in plan.cells("*-s2"):
        cell_file(plan, cell).unlink()
    table = collect(plan)
    assert (table["num_cells"], table["num_cells_of_grid"]) == (8, 12)
    notes = "\n".join(table["notes"])
    for text in ("Only 2 of the 3 seeds", "4 of 12 cells are not there", "all-finetune-n03-s0"):
        assert text in notes
    assert rows_of(table)["all", 1]["minus_bar"]["verdict"] == "too few seeds to say"


def test_a_test_set_in_which_nothing_counts_is_left_out(made: Made) -> None:
    def spoil(cell: Cell, content: dict[str, Any]) -> None:
        empty = {"dice": [], "levels": None, "frames": 3, "patients": "none", "cases": "none"}
        content["tests"]["dark"] = content["tests"]["test"] | empty

    table = collect(made(spoil))
    assert list(table["tests"]) == ["test"]
    assert "No structure counts in dark, so there is no table of it." in table["notes"]

    def spoil_all(cell: Cell, content: dict[str, Any]) -> None:
        content["tests"]["test"]["dice"] = []

    with pytest.raises(RunFolderError, match="in which something counts, but nothing does in test; give"):
        collect(made(spoil_all))


def test_nothing_to_collect_is_refused(made: Made) -> None:
    plan = made()
    for cell in plan.cells():
        cell_file(plan, cell).unlink()
    with pytest.raises(RunFolderError, match="has none of this grid; run it first"):
        collect(plan)


def _other_settings(content: dict[str, Any]) -> None:
    content["settings"] = "other"


def _other_labels(content: dict[str, Any]) -> None:
    content["labels"]["which"] = "others"


def _other_weights(content: dict[str, Any]) -> None:
    content["teachers"] = [{"name": "lab-sam", "labels_seen": "none", "weights_sha256": "w1"}]


def _other_cases(content: dict[str, Any]) -> None:
    content["tests"]["test"]["cases"] = "c1"


def _other_pixels(content: dict[str, Any]) -> None:
    content["tests"]["test"]["dataset"] = "d1"


ODD_ONES = {  # name: (what is other in one cell, what the message says)
    "settings": (_other_settings, "must be of cells with the grid's settings"),
    "labels": (_other_labels, "masks of the same patients"),
    "weights": (_other_weights, "same weights in all cells, but those of lab-sam in all-finetune-n03-s1"),
    "cases": (_other_cases, "scored on the same cases"),
    "pixels": (_other_pixels, "scored on the same cases"),
}


@pytest.mark.parametrize(("change", "text"), ODD_ONES.values(), ids=ODD_ONES)
def test_cells_that_do_not_belong_together_make_no_table(
    made: Made, change: Callable[[dict[str, Any]], None], text: str
) -> None:
    def spoil(cell: Cell, content: dict[str, Any]) -> None:
        if cell.name == "all-finetune-n03-s1":
            change(content)

    with pytest.raises(RunFolderError, match=text):
        collect(made(spoil))
