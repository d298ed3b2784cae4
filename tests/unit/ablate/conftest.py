"""A grid whose cells are all there, written by hand: two arms over two numbers of patients and three seeds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agglo.ablate.cell import cell_file
from agglo.ablate.grid import Cell, Plan
from agglo.ablate.load import load_grid
from agglo.core.seeds import generator
from unit.ablate.recipe import BASE

GRID = """
name: 'grid <of> two'
out: grid-out
base: base.yaml
patients: [1, 3]
encoder: [finetune]
arms:
  supervised: {kind: supervised}
  all: {teachers: [{name: lab-sam}], note: 'more & more'}
"""
GAIN = 0.1
"""Of the arm `all` over the bar, for every patient."""

Spoil = Callable[[Cell, dict[str, Any]], None]


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Plan]:
    """Return a function that writes all cells, each `spoil`ed first, and returns their plan."""

    def make(spoil: Spoil = lambda cell, content: None, patients: int = 12) -> Plan:
        (tmp_path / "base.yaml").write_text(BASE)
        (tmp_path / "grid.yaml").write_text(GRID)
        plan = load_grid(tmp_path / "grid.yaml", [f"out={tmp_path / 'out'}"])
        for cell in plan.cells():
            content = content_of(plan, cell, patients)
            spoil(cell, content)
            path = cell_file(plan, cell)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content))
        return plan

    return make


def content_of(plan: Plan, cell: Cell, patients: int) -> dict[str, Any]:
    """Return what a cell's file holds: patients differ far more than arms do, and one has no second structure."""
    random = generator(cell.seed, cell.patients, "scores")
    dice = 0.3 + 0.3 * random.random((patients, 1)) + 0.05 * cell.patients + np.zeros((patients, 2))
    dice += GAIN if cell.arm == "all" else 0.0
    rows: list[list[float | None]] = [[float(value) for value in row] for row in dice]
    rows[0][1] = None
    test = {
        "is_phantom": True,
        "dataset": "d0",
        "structures": ["bolus", "C2"],
        "frames": 2 * patients,
        "patients": "p0",
        "cases": "c0",
        "dice": rows,
        "levels": {"outline_dice": [0.8] * patients, "level_right": [None, *[0.5] * (patients - 1)]},
    }
    is_distilled = cell.arm == "all"
    return {
        "cell": cell.name,
        "column": cell.column,
        "identity": plan.identity(cell),
        "settings": plan.settings(cell),
        "teachers": [{"name": "lab-sam", "labels_seen": "none", "weights_sha256": "w0"}] * is_distilled,
        "labels": {"patients": cell.patients, "which": f"{cell.patients} of seed {cell.seed}"},
        "training": {"learning_rate": 0.001, "kept_step": 3 + cell.seed, "steps": 6},
        "wall_s": {"distil": 20.0, "masks": 10.0} if is_distilled else {"masks": 29.0},
        "tests": {"test": test},
        "scorings_of_test": 1,
    }
