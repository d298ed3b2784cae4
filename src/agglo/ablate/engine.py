"""Through the cells of a grid, one after the other: what is done is skipped, what is stopped goes on, and how long it will take."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

from agglo.ablate.cell import is_done, make_cell
from agglo.ablate.grid import FROM_MASKS, Cell, Plan
from agglo.ablate.ground import Ground
from agglo.ablate.probe import FROZEN, mixed, probed
from agglo.config.schema import Recipe
from agglo.core.files import read_json
from agglo.phantom.cohort import held_out_cohort
from agglo.recipes import build
from agglo.recipes.context import Tell, tell_nobody

FRAME_OVERHEAD_S = 0.006
"""Bringing masks to the picture's size and their Dice, on top of a forward pass, for a frame of 256 px."""

GUESSED_EXTRACTION_S = 0.02
"""Of one view by one teacher; only for estimates before anything was extracted."""


@dataclass(frozen=True)
class Estimate:
    """Seconds of what is left to do, by kind of work; from the probed step times and nothing else."""

    distilling_s: float
    tuning_s: float
    cells_s: float

    @property
    def total_s(self) -> float:
        """All of it; making data and extracting features come on top where they are not done."""
        return self.distilling_s + self.tuning_s + self.cells_s


def pending(plan: Plan, only: str = "*") -> list[Cell]:
    """Return the cells that can be made here and are not done, in their order."""
    return [cell for cell in plan.cells(only) if plan.lack_of(cell.arm) is None and not is_done(plan, cell)]


def work_through(
    plan: Plan, *, only: str = "*", budget_min: float | None = None, tell: Tell = tell_nobody
) -> tuple[int, int]:
    """Make the cells that are left; stop between two when the next one would not fit into `budget_min`.

    Returns:
        How many were made, and how many are still left.
    """
    left = pending(plan, only)
    if not left:
        return 0, 0
    ground, began, made = Ground(plan, tell), time.monotonic(), 0
    progress = tell("cells")
    expected = [cell_s(plan, cell) for cell in left]
    for place, cell in enumerate(left):
        spent = time.monotonic() - began
        slower = max(1.0, spent / sum(expected[:place])) if place else 1.0
        if budget_min is not None and place and spent + slower * expected[place] > 60 * budget_min:
            break
        make_cell(ground, cell)
        made += 1
        hours = slower * sum(expected[place + 1 :]) / 3600
        progress(made, len(left), f"{cell.name}; about {hours:.1f} h left")
    return made, len(left) - made


def estimate(plan: Plan, cells: Sequence[Cell]) -> Estimate:
    """Return what `cells` will take: students are distilled once, rates tried once for an arm and column, then come the cells."""
    seconds = probed(plan)
    grid = plan.grid
    distilled = {(cell.arm, cell.seed) for cell in cells if grid.arms[cell.arm].kind == "distil"}
    tuned = {(cell.arm, cell.column) for cell in cells if _num_rates(plan, cell) > 1}
    by_column = {(cell.arm, cell.column): cell for cell in cells}
    return Estimate(
        distilling_s=fsum(
            _distil_steps(plan, arm, seed) * seconds[f"distil {arm}"] for arm, seed in distilled
        ),
        tuning_s=fsum(
            _num_rates(plan, by_column[each]) * _training_s(plan, by_column[each]) for each in tuned
        ),
        cells_s=fsum(cell_s(plan, cell) for cell in cells),
    )


def cell_s(plan: Plan, cell: Cell) -> float:
    """Return what a cell will take: its training with the scorings of val, and the test sets."""
    return _training_s(plan, cell) + test_frames(plan) * _frame_s(plan)


def test_frames(plan: Plan) -> int:
    """Return how many frames all test sets have; those of a folder that was not opened yet are not known and left out."""
    recipe = plan.shared_recipe()
    further = 0
    for each in recipe.evaluate.also:
        of = held_out_cohort(each.held_out) if each.held_out else each.phantom
        further += len(range(0, of.patients * of.swallows * of.frames, each.stride)) if of else 0
    own = recipe.data.phantom
    share = recipe.data.split.fractions[2]
    return round(share * own.patients * own.swallows * own.frames if own else 0) + further


def _training_s(plan: Plan, cell: Cell) -> float:
    recipe, kind, seconds = plan.recipe_of(cell), plan.grid.arms[cell.arm].kind, probed(plan)
    if kind in FROM_MASKS:
        steps_s = _equal_s(plan, cell.patients)
    else:
        step_s = seconds[FROZEN] if cell.column == "frozen" else mixed(recipe, seconds)
        steps_s = _align_steps(recipe) * step_s
    return steps_s + recipe.align.validations * recipe.align.val_frames * _frame_s(plan)


def _equal_s(plan: Plan, patients: int) -> float:
    grid, seconds = plan.grid, probed(plan)
    recipe = plan.recipe(grid.equal_to, patients=patients, seed=grid.seeds[0])
    align = _align_steps(recipe) * mixed(recipe, seconds)
    distil = _distil_steps(plan, grid.equal_to, grid.seeds[0]) * seconds[f"distil {grid.equal_to}"]
    return align + distil + _extraction_s(plan)


def _extraction_s(plan: Plan) -> float:
    """Return what extracting for the arm that sets the wall time costs: as measured where it is done, else a guess."""
    recipe = plan.recipe(plan.grid.equal_to, seed=plan.grid.seeds[0])
    facts = plan.grid.out / "shared" / "features" / "stage.json"
    if facts.exists() and read_json(facts)["is_done"]:
        share = len(recipe.teachers) / len(plan.shared_recipe().teachers)
        return share * float(read_json(facts)["facts"]["wall_s"])
    return _views(recipe) * len(recipe.teachers) * GUESSED_EXTRACTION_S


def _distil_steps(plan: Plan, arm: str, seed: int) -> int:
    recipe = plan.recipe(arm, seed=seed)
    views = recipe.distill.pool_share * _views(recipe)
    return build.plan(recipe.distill, seed=0, num_samples=max(1, round(views))).steps


def _align_steps(recipe: Recipe) -> int:
    """Return the steps of stage 2; those of one frame where they are epochs of a folder, whose frames nobody has counted yet."""
    own, patients = recipe.data.phantom, recipe.align.labelled_patients or 1
    return build.plan(recipe.align, seed=0, num_samples=patients * own.frames if own else 1).steps


def _views(recipe: Recipe) -> int:
    """Return how many views the pool will have; 0 where the dataset is a folder, whose frames nobody has counted yet."""
    own = recipe.data.phantom
    share = recipe.data.split.fractions[0]
    return round(share * own.patients * own.frames) * recipe.views.per_frame if own else 0


def _num_rates(plan: Plan, cell: Cell) -> int:
    return len(plan.grid.rates_of(plan.grid.arms[cell.arm]))


def _frame_s(plan: Plan) -> float:
    return probed(plan)["image"] + FRAME_OVERHEAD_S
