"""From the cells that are there to one table: figures by arm, column and labelled patients, and differences from the bar.

Only the cells' JSON files are read, so tables can be made on any machine, of any part of a grid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agglo.ablate.cell import cell_file
from agglo.ablate.grid import COLUMNS, FROM_MASKS, Plan
from agglo.core.errors import RunFolderError
from agglo.core.files import read_json
from agglo.evaluate.arms import MIN_SEEDS, Difference, Seeds, difference, figure, with_holm

UNEQUAL_OVER = 0.1
"""Share by which wall times that are to be equal may differ before a table says so."""

Cells = Mapping[tuple[str, str, int, int], Mapping[str, Any]]
"""Contents of cell files by arm, column, labelled patients and seed."""


@dataclass(frozen=True)
class Row:
    """One arm, column and count on one test set."""

    arm: str
    column: str
    patients: int
    cells: Sequence[Mapping[str, Any]]
    scores: Seeds


def read_cells(plan: Plan) -> dict[tuple[str, str, int, int], dict[str, Any]]:
    """Return every finished cell of the grid.

    Raises:
        RunFolderError: a cell was made with other settings than the grid now has.
    """
    found: dict[tuple[str, str, int, int], dict[str, Any]] = {}
    for cell in plan.cells():
        path = cell_file(plan, cell)
        if path.exists():
            content = read_json(path)
            if content["settings"] != plan.settings(cell):
                raise RunFolderError(
                    f"a table must be of cells with the grid's settings, but {path} was made with others; delete it, or "
                    "change the grid back"
                )
            found[cell.arm, cell.column, cell.patients, cell.seed] = content
    return found


def collect(plan: Plan) -> dict[str, Any]:
    """Return the table of a grid as `table.json` holds it.

    Raises:
        RunFolderError: no cell is there, or cells do not belong together: other settings, weights, labels or cases.
    """
    cells = read_cells(plan)
    if not cells:
        raise RunFolderError(
            f"{plan.grid.out / 'cells'} must hold finished cells, but has none of this grid; run it first"
        )
    _require_same_weights(cells)
    _require_same_labels(cells)
    names = [name for name, counts in _tests(cells).items() if counts]
    if not names:
        raise RunFolderError(
            f"a table must be of test sets in which something counts, but nothing does in {', '.join(_tests(cells))}; give the "
            "grid a test set whose labelled structures can be seen"
        )
    return {
        "grid": plan.grid.name,
        "bar": plan.grid.bar,
        "is_phantom": all(test["is_phantom"] for each in cells.values() for test in each["tests"].values()),
        "num_cells": len(cells),
        "num_cells_of_grid": len(plan.cells()),
        "tests": {name: _test_table(plan, cells, name) for name in names},
        "arms": {name: _arm_facts(plan, cells, name) for name in plan.grid.arms},
        "notes": _notes(plan, cells),
    }


def _tests(cells: Cells) -> dict[str, bool]:
    """Return the test sets in order, and whether anything counts in them: a structure that somebody sees well enough."""
    found: dict[str, bool] = {}
    for content in cells.values():
        for name, test in content["tests"].items():
            found[name] = found.get(name, False) or bool(test["dice"])
    return found


def _test_table(plan: Plan, cells: Cells, test: str) -> dict[str, Any]:
    rows = list(_rows(plan, cells, test))
    _require_same_cases([content["tests"][test] for row in rows for content in row.cells], test)
    bars = {row.patients: row.scores for row in rows if row.arm == plan.grid.bar}
    pairs = [
        (row, found)
        for row in rows
        if row.arm != plan.grid.bar
        and row.patients in bars
        and (found := difference(row.scores, bars[row.patients])) is not None
    ]
    corrected = with_holm([found for _, found in pairs])
    against = {
        (row.arm, row.column, row.patients): each for (row, _), each in zip(pairs, corrected, strict=True)
    }
    first = rows[0].cells[0]["tests"][test]
    return {
        "patients": len(first["dice"]),
        "frames": first["frames"],
        "rows": [_as_json(row, test, against.get((row.arm, row.column, row.patients))) for row in rows],
    }


def _rows(plan: Plan, cells: Cells, test: str) -> Sequence[Row]:
    rows = []
    for name, arm in plan.grid.arms.items():
        for column in COLUMNS[arm.kind]:
            for count in plan.grid.patients:
                of_row = {seed: cells.get((name, column, count, seed)) for seed in plan.grid.seeds}
                there = {seed: each for seed, each in of_row.items() if each is not None}
                if there:
                    scores = {seed: _matrix(each["tests"][test]) for seed, each in there.items()}
                    rows.append(Row(name, column, count, list(there.values()), scores))
    return rows


def _as_json(row: Row, test: str, against: Difference | None) -> dict[str, Any]:
    found = figure(row.scores)
    tests = [content["tests"][test] for content in row.cells]
    return {
        "arm": row.arm,
        "column": row.column,
        "patients": row.patients,
        "seeds": sorted(row.scores),
        "dice": found.mean,
        "dice_ci95": list(found.interval) if found.interval else None,
        "dice_by_seed": list(found.by_seed),
        "level_right": _mean_of(tests, "level_right"),
        "outline_dice": _mean_of(tests, "outline_dice"),
        "minus_bar": _difference_json(against),
    }


def _difference_json(found: Difference | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "mean": found.mean,
        "ci95": list(found.interval) if found.interval else None,
        "p": found.p,
        "p_holm": found.p_holm,
        "num_seeds": found.num_seeds,
        "verdict": found.verdict,
    }


def _mean_of(tests: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """Return the mean over seeds of the mean over patients of a figure of the ordered levels; None where there are none."""
    values = [[each for each in test["levels"][key] if each is not None] for test in tests if test["levels"]]
    known = [float(np.mean(each)) for each in values if each]
    return float(np.mean(known)) if known else None


def _matrix(test: Mapping[str, Any]) -> np.ndarray:
    """Return Dice by patient and structure, NaN where there is none."""
    return np.array(
        [[np.nan if value is None else value for value in row] for row in test["dice"]], np.float64
    )


def _require_same_cases(tests: Sequence[Mapping[str, Any]], name: str) -> None:
    if len({(test["dataset"], test["cases"], test["patients"]) for test in tests}) > 1:
        raise RunFolderError(
            f"cells must be scored on the same cases to be compared, but those of test set {name!r} differ; make them anew"
        )


def _require_same_weights(cells: Cells) -> None:
    known: dict[str, str] = {}
    for content in cells.values():
        for teacher in content["teachers"]:
            if known.setdefault(teacher["name"], teacher["weights_sha256"]) != teacher["weights_sha256"]:
                raise RunFolderError(
                    f"a teacher must have the same weights in all cells, but those of {teacher['name']} in {content['cell']} "
                    "differ from those in other cells; make them anew"
                )


def _require_same_labels(cells: Cells) -> None:
    """Refuse arms that learned from other patients' masks: a difference is paired by them."""
    known: dict[tuple[int, int], str] = {}
    for (*_, patients, seed), content in cells.items():
        which = content["labels"]["which"]
        if known.setdefault((patients, seed), which) != which:
            raise RunFolderError(
                f"arms must learn from the masks of the same patients to be compared, but {content['cell']} had others; "
                "make it anew"
            )


def _arm_facts(plan: Plan, cells: Cells, name: str) -> dict[str, Any]:
    own = [content for (arm, *_), content in cells.items() if arm == name]
    wall_s = [sum(content["wall_s"].values()) for content in own]
    return {
        "kind": plan.grid.arms[name].kind,
        "note": plan.grid.arms[name].note,
        "lacks": plan.lack_of(name) if not own else None,
        "teachers": own[0]["teachers"] if own else [],
        "cells": len(own),
        "wall_s": float(np.mean(wall_s)) if wall_s else None,
        "learning_rates": {content["column"]: content["training"]["learning_rate"] for content in own},
        "kept_steps": [[content["training"]["kept_step"], content["training"]["steps"]] for content in own],
    }


def _unequal_times(plan: Plan, cells: Cells) -> list[str]:
    """Return which arms on masks alone took another wall time than the arm whose time they were given, its encoder trained too."""
    spent = {key: sum(content["wall_s"].values()) for key, content in cells.items()}
    notes = []
    for arm in (name for name, arm in plan.grid.arms.items() if arm.kind in FROM_MASKS):
        ratios = [
            spent[key] / spent[equal]
            for key in cells
            if key[0] == arm
            for equal in [(plan.grid.equal_to, "finetune", *key[2:])]
            if spent.get(equal)
        ]
        if ratios and abs(np.mean(ratios) - 1) > UNEQUAL_OVER:
            notes.append(
                f"{arm} was planned for the wall time of {plan.grid.equal_to} by step times, and took {np.mean(ratios):.2f} of it "
                f"({min(ratios):.2f} to {max(ratios):.2f}): the machine was not equally busy."
            )
    return notes


def _notes(plan: Plan, cells: Cells) -> list[str]:
    notes = []
    seeds = {seed for *_, seed in cells}
    if len(seeds) < MIN_SEEDS:
        notes.append(
            f"Only {len(seeds)} of the {MIN_SEEDS} seeds that a table needs: no claim rests on this."
        )
    if untried := [name for name, arm in plan.grid.arms.items() if len(plan.grid.rates_of(arm)) == 1]:
        whose = "all arms" if len(untried) == len(plan.grid.arms) else ", ".join(untried)
        notes.append(f"Set beforehand, not chosen on val: the learning rate of {whose}.")
    notes += _unequal_times(plan, cells)
    missing = len(plan.cells()) - len(cells)
    if missing:
        notes.append(f"{missing} of {len(plan.cells())} cells are not there.")
    if empty := [name for name, counts in _tests(cells).items() if not counts]:
        notes.append(f"No structure counts in {', '.join(empty)}, so there is no table of it.")
    often = {content["cell"]: content["scorings_of_test"] for content in cells.values()}
    twice = [
        name
        for name, times in often.items()
        if times > max(len(content["tests"]) for content in cells.values())
    ]
    if twice:
        notes.append(f"Scored on test more than once, after an interruption: {', '.join(twice)}.")
    return notes
