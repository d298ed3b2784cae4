"""One cell: trained, scored once on every test set, and kept as one small JSON file with its figures by patient."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from agglo.ablate.grid import FROM_MASKS, Cell, Plan
from agglo.ablate.ground import Ground
from agglo.ablate.learn import Choice, labelled_patients, learn, masks_of, tuned_rate
from agglo.ablate.probe import budget_of
from agglo.core.errors import RunFolderError
from agglo.core.files import fingerprint, read_json, write_json
from agglo.core.locks import locked
from agglo.core.runlog import RunLog, read_log
from agglo.evaluate.aggregate import headline, patient_matrix
from agglo.evaluate.bootstrap import macro_mean
from agglo.evaluate.levels import LevelFrame
from agglo.recipes.environment import environment
from agglo.recipes.evaluate import TestSet, is_phantom, log_scoring
from agglo.recipes.score import score_frames, score_rules

FORMAT_VERSION = 1
DECIMALS = 5


def cell_file(plan: Plan, cell: Cell) -> Path:
    """Return where a finished cell is kept."""
    return plan.grid.out / "cells" / f"{cell.name}.json"


def is_done(plan: Plan, cell: Cell) -> bool:
    """Return whether the cell's file is there.

    Raises:
        RunFolderError: it is, but was made with other settings, or from other weights.
    """
    path = cell_file(plan, cell)
    if not path.exists():
        return False
    if read_json(path)["identity"] != plan.identity(cell):
        raise RunFolderError(
            f"{path} was made with other settings or weights than the grid now has; nothing was touched. Choose another folder "
            "(`out=…`), or delete the file to make the cell anew"
        )
    return True


def make_cell(ground: Ground, cell: Cell) -> dict[str, Any]:
    """Train and score a cell, going on where it was left, and write its file."""
    plan = ground.plan
    arm, recipe = plan.grid.arms[cell.arm], plan.recipe_of(cell)
    tuned = tuned_rate(ground, cell)
    work = plan.grid.out / "work" / cell.name
    task, choice = learn(ground, cell, tuned["chosen"], work)
    rules = replace(score_rules(recipe), has_distances=False)
    look = masks_of(task, recipe.student.input_px)
    tests = {}
    log = plan.grid.out / "log.jsonl"
    for tested in ground.tests:
        with locked(log.with_name(".log.lock"), on_wait=lambda holder: None):  # opening a log mends it
            log_scoring(RunLog(log), cell.name, tested)
        scored = score_frames(
            look, tested.dataset, tested.indices, rules, progress=ground.tell(f"score {tested.name}")
        )
        tests[tested.name] = _figures(tested, scored.cases, scored.levels, rules.headline_min_visible)
    content = {
        "format_version": FORMAT_VERSION,
        "cell": cell.name,
        **asdict(cell),
        "identity": plan.identity(cell),
        "settings": plan.settings(cell),
        "kind": arm.kind,
        "note": arm.note,
        "teachers": _teachers(ground, cell),
        "labels": _labels(ground, cell),
        "training": _training(choice, tuned),
        "wall_s": _wall_s(ground, cell, choice),
        "budget": budget_of(ground, cell) if arm.kind in FROM_MASKS else None,
        "tests": tests,
        "scorings_of_test": sum(entry.get("arm") == cell.name for entry in read_log(log)),
        "environment": environment(),
    }
    write_json(cell_file(plan, cell), content)
    shutil.rmtree(work, ignore_errors=True)
    return content


def _figures(
    tested: TestSet, cases: Sequence[Any], levels: Sequence[LevelFrame], min_visible: float
) -> dict[str, Any]:
    """Return Dice by patient and structure, and how the levels were named; patients have numbers, no names."""
    counted = headline(cases, min_visible)
    patients = sorted({case.patient for case in counted})
    structures = list(tested.dataset.structures)
    matrix = patient_matrix(counted, patients, structures)
    return {
        "is_phantom": is_phantom(tested.dataset),
        "dataset": tested.dataset.fingerprint,
        "structures": structures,
        "frames": len(tested.indices),
        "patients": fingerprint(patients),
        "cases": fingerprint(sorted([case.frame, case.structure] for case in counted)),
        "dice": [
            [None if np.isnan(value) else round(float(value), DECIMALS) for value in row] for row in matrix
        ],
        "mean_dice": round(macro_mean(matrix), DECIMALS) if patients else None,
        "levels": _levels(levels, patients),
    }


def _levels(levels: Sequence[LevelFrame], patients: Sequence[str]) -> dict[str, list[float | None]] | None:
    """Return by patient the Dice of the column's outline and the share of levels named rightly, averaged frame, swallow."""
    if not levels:
        return None
    outline: list[float | None] = []
    right: list[float | None] = []
    for patient in patients:
        swallows: dict[str, list[LevelFrame]] = {}
        for frame in levels:
            if frame.patient == patient:
                swallows.setdefault(frame.swallow, []).append(frame)
        own = swallows.values()
        outline.append(_mean([_mean([frame.outline.dice for frame in frames]) for frames in own]))
        right.append(_mean([_mean([_share_right(frame) for frame in frames]) for frames in own]))
    return {"outline_dice": outline, "level_right": right}


def _share_right(frame: LevelFrame) -> float:
    return float(np.mean([shift == 0 for shift in frame.shifts.values()]))


def _mean(values: Sequence[float | None]) -> float | None:
    return round(float(np.mean(values)), DECIMALS) if values else None  # type: ignore[arg-type]


def _teachers(ground: Ground, cell: Cell) -> list[dict[str, Any]]:
    teachers = ground.plan.grid.arms[cell.arm].teachers
    known: Mapping[str, Any] = ground.run_facts.get("teachers", {}) if teachers else {}
    return [
        {
            "name": teacher.key,
            "labels_seen": known[teacher.key]["labels_seen"],
            "weights_sha256": known[teacher.key]["weights_sha256"],
        }
        for teacher in teachers
    ]


def _labels(ground: Ground, cell: Cell) -> dict[str, Any]:
    source, found = labelled_patients(ground, cell), ground.run.dataset
    patients = sorted({found.frames[index].patient for index in source.indices})
    return {"patients": len(patients), "frames": len(source), "which": fingerprint(patients)}


def _training(choice: Choice, tuned: Mapping[str, Any]) -> dict[str, Any]:
    values = asdict(choice)
    values.pop("wall_s")
    values["curve"] = [
        [step, None if figure is None else round(figure, DECIMALS)] for step, figure in choice.curve
    ]
    return {**values, "rates_tried_on_val": dict(tuned)}


def _wall_s(ground: Ground, cell: Cell, choice: Choice) -> dict[str, float]:
    if ground.plan.grid.arms[cell.arm].kind != "distil":
        return {"masks": choice.wall_s}
    recipe = ground.plan.recipe_of(cell)
    return {
        "extract": round(ground.extraction_s(recipe), 2),
        "distil": ground.distilled(cell.arm, cell.seed)[1]["wall_s"],
        "masks": choice.wall_s,
    }
