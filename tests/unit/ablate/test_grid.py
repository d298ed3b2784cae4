"""Grids: which cells there are, which recipe each has, and what makes a cell another one."""

from pathlib import Path

import pytest

from agglo.ablate.engine import pending
from agglo.ablate.grid import Cell, Plan, merged
from agglo.ablate.load import load_grid
from agglo.core.errors import ConfigError
from unit.ablate.recipe import BASE

GRID = """
name: grid
out: grid-out
base: base.yaml
set: {distill: {steps: 5}}
patients: [1, 3]
seeds: [0, 1]
arms:
  supervised: {kind: supervised}
  random: {kind: random}
  all: {teachers: [{name: lab-sam}, {name: lab-dino}], set: {distill: {balance: uniform}}}
  gone: {teachers: [{name: lab-sam, label: sam-b, weights: nowhere.safetensors}]}
"""


@pytest.fixture
def grid_file(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "grid.yaml").write_text(GRID)
    return tmp_path / "grid.yaml"


@pytest.fixture
def plan(grid_file: Path, tmp_path: Path) -> Plan:
    return load_grid(grid_file, [f"out={tmp_path / 'out'}"])


def test_cells_are_all_combinations_seed_by_seed(plan: Plan) -> None:
    cells = plan.cells()
    assert len(cells) == len(set(cells)) == 2 * 2 * (1 + 1 + 2 + 2)
    assert [cell.seed for cell in cells] == sorted(cell.seed for cell in cells)
    assert {cell.column for cell in cells if cell.arm == "random"} == {"frozen"}
    assert {cell.column for cell in cells if cell.arm == "supervised"} == {"finetune"}
    assert [cell.name for cell in plan.cells("all-frozen-*-s1")] == ["all-frozen-n01-s1", "all-frozen-n03-s1"]


def test_a_cell_has_its_own_recipe(plan: Plan) -> None:
    recipe = plan.recipe_of(Cell("all", "frozen", 3, 1))
    assert (recipe.distill.steps, recipe.distill.balance, recipe.seed) == (5, "uniform", 1)
    assert (recipe.align.encoder, recipe.align.labelled_patients, recipe.align.select) == (
        "frozen",
        3,
        "best",
    )
    assert [teacher.key for teacher in recipe.teachers] == ["lab-sam", "lab-dino"]
    assert plan.recipe("random", seed=0).distill.balance == "attention"


def test_what_is_shared_has_every_teacher_that_is_here(plan: Plan) -> None:
    assert [teacher.key for teacher in plan.shared_recipe().teachers] == ["lab-sam", "lab-dino"]
    assert "sam-b must find its weights at nowhere.safetensors" in (plan.lack_of("gone") or "")
    assert plan.lack_of("all") is None
    assert {cell.arm for cell in pending(plan)} == {"supervised", "random", "all"}


IDENTITY_CASES = {  # name: (override, names of cells that become others)
    "steps of stage 1": ("set.distill.steps=6", {"supervised", "random", "all"}),
    "how often is logged": ("set.align.log_every=3", set()),
    "another arm": ("arms.more={teachers: [{name: lab-clip}]}", set()),
    "another count": ("patients=[1, 3, 10]", set()),
    "another pool": ("set.seed=5", {"random", "all"}),
    "precision": ("set.device.precision=bf16-mixed", {"supervised", "random", "all"}),
    "a further test set": (
        "set.evaluate.also=[{name: more, phantom: {patients: 5, frames: 1, seed: 9}}]",
        {"supervised", "random", "all"},
    ),
    "rates": ("arms.random.learning_rates=[0.1]", {"random"}),
}


@pytest.mark.parametrize(("override", "others"), IDENTITY_CASES.values(), ids=IDENTITY_CASES)
def test_what_makes_a_cell_another_one(grid_file: Path, plan: Plan, override: str, others: set[str]) -> None:
    changed = load_grid(grid_file, [override])
    cells = [Cell(arm, "frozen", 1, 0) for arm in ("supervised", "random", "all")]
    assert {cell.arm for cell in cells if changed.identity(cell) != plan.identity(cell)} == others


def test_other_weights_of_a_teacher_make_another_cell(grid_file: Path, tmp_path: Path) -> None:
    """A teacher that is trained anew is another one: what was distilled from it before must not stand beside what is now."""
    cells = [Cell("gone", "frozen", 1, 0), Cell("all", "frozen", 1, 0), Cell("supervised", "finetune", 1, 0)]
    weights = tmp_path / "lab-sam.safetensors"
    identities = []
    for content in (None, b"first", b"second"):
        if content is not None:
            weights.write_bytes(content)
        plan = load_grid(grid_file, [f"arms.gone.teachers=[{{name: lab-sam, label: b, weights: {weights}}}]"])
        identities.append([plan.identity(cell) for cell in cells])
    of_gone, *others = zip(*identities, strict=True)
    assert len({*of_gone}) == 3
    assert [len({*of_arm}) for of_arm in others] == [1, 1]


def test_an_arm_may_have_fewer_counts(grid_file: Path) -> None:
    plan = load_grid(grid_file, ["arms.random.patients=[3]"])
    assert {cell.patients for cell in plan.cells() if cell.arm == "random"} == {3}
    assert {cell.patients for cell in plan.cells() if cell.arm == "all"} == {1, 3}


def test_an_arm_may_have_columns_of_its_own(grid_file: Path) -> None:
    plan = load_grid(grid_file, ["encoder=[frozen, finetune]", "arms.all.encoder=[frozen]"])
    columns = {
        arm: {cell.column for cell in plan.cells() if cell.arm == arm} for arm in ("all", "gone", "random")
    }
    assert columns == {"all": {"frozen"}, "gone": {"frozen", "finetune"}, "random": {"frozen"}}


REFUSED_CASES = {  # name: (override, what the message says)
    "no bar": ("bar=nobody", "`bar` must name an arm, got 'nobody'"),
    "nothing to be equal to": ("equal_to=random", "`equal_to` must name an arm of kind distil"),
    "teachers of a U-Net": ("arms.random.teachers=[{name: lab-sam}]", "if its kind is distil, and only then"),
    "a count that no other arm has": ("arms.random.patients=[5]", "must be among the grid's [1, 3], got [5]"),
    "a bar with fewer counts": ("arms.supervised.patients=[3]", "so it needs all counts, not [3]"),
    "a bar without cells": ("encoder=[frozen]", "'supervised' has them in none"),
    "a bar with two columns": ("bar=all", "has them in ['frozen', 'finetune']"),
    "other data for an arm": ("arms.random.set={data: {}}", "cannot change what all arms share, got data"),
    "a name for two teachers": (
        "arms.more={teachers: [{name: lab-sam, weights: other.safetensors}]}",
        "'lab-sam' of arm 'more' has other weights",
    ),
    "a column that its kind cannot have": (
        "arms.random.encoder=[finetune]",
        "has columns frozen, not finetune",
    ),
    "twice the same seed": ("seeds=[1, 1]", "must each be different"),
    "unknown setting": ("set.align.step=3", "align.step: unknown setting; did you mean `steps`?"),
    "unknown teacher": ("arms.all.teachers=[{name: nobody}]", "nobody"),
}


@pytest.mark.parametrize(("override", "text"), REFUSED_CASES.values(), ids=REFUSED_CASES)
def test_a_grid_that_cannot_be_is_refused(grid_file: Path, override: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_grid(grid_file, [override])
    assert text in str(caught.value)


def test_merging_goes_section_by_section_and_touches_nothing() -> None:
    before = {"a": {"b": 1, "c": [1, 2]}, "d": 2}
    assert merged(before, {"a": {"c": [3]}, "e": {"f": 4}}) == {
        "a": {"b": 1, "c": [3]},
        "d": 2,
        "e": {"f": 4},
    }
    assert before == {"a": {"b": 1, "c": [1, 2]}, "d": 2}


NOT_FOR_GRIDS = {  # name: (change, what is said)
    "a light decoder": ("set.light={steps: 3}", "a grid scores the one-pass decoder alone; remove `light`"),
    "untimed switches": (
        "arms.all.set.align={features_weight: 0.5}",
        "get the wall time of 'all', which is told from steps without align.features_weight",
    ),
}


@pytest.mark.parametrize(("change", "said"), NOT_FOR_GRIDS.values(), ids=NOT_FOR_GRIDS)
def test_what_a_grid_would_ignore_is_refused(grid_file: Path, tmp_path: Path, change: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_grid(grid_file, [f"out={tmp_path / 'out'}", change])
