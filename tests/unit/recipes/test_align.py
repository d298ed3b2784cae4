"""Which labels are learned from: nested over their number, of patients who have any, never fewer than asked for."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from agglo.config.load import load_recipe
from agglo.config.schema import Recipe
from agglo.core.errors import DataError
from agglo.data import Dataset, State
from agglo.recipes import build
from agglo.recipes.align import labelled_source, mask_settings
from agglo.recipes.context import Run
from agglo.recipes.patients import pool_samples
from agglo.recipes.run import run

RECIPE = Path(__file__).parents[3] / "recipes" / "phantom-quick.yaml"
SMALL = (
    "data.phantom={patients: 8, frames: 2, size_px: 64, seed: 3}",
    "data.split.fractions=[0.75, 0.125, 0.125]",
    "student.input_px=64",
)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose data are there: six patients to train on."""
    recipe = load_recipe(RECIPE, [f"out={tmp_path_factory.mktemp('run')}", *SMALL])
    run(recipe, last="dataset")
    return Run(recipe)


def recipe_with(begun: Run, patients: int, seed: int = 0) -> Recipe:
    align = begun.recipe.align.model_copy(update={"labelled_patients": patients})
    return begun.recipe.model_copy(update={"align": align, "seed": seed})


def labelled(begun: Run, patients: int, seed: int = 0, found: Dataset | None = None) -> set[str]:
    found = found or begun.dataset
    source = labelled_source(recipe_with(begun, patients, seed), found, begun.split["train"])
    return {found.frames[index].patient for index in source.indices}


def test_few_labels_are_among_many_and_the_seed_chooses_them(begun: Run) -> None:
    nested = [labelled(begun, count) for count in (1, 2, 4, 6)]
    assert [len(each) for each in nested] == [1, 2, 4, 6]
    assert all(few < many for few, many in pairwise(nested))
    assert len({frozenset(labelled(begun, 2, seed)) for seed in range(8)}) > 1


def test_patients_without_labels_are_not_counted_as_labelled(begun: Run) -> None:
    without = labelled(begun, 2)
    nothing = (State.UNLABELLED,) * len(begun.dataset.structures)
    frames = [
        replace(frame, states=nothing) if frame.patient in without else frame
        for frame in begun.dataset.frames
    ]
    found = Dataset(begun.dataset.header, frames)
    assert len(labelled(begun, 4, found=found)) == 4
    assert not labelled(begun, 4, found=found) & without
    with pytest.raises(DataError, match="at most the 4 training patients"):
        labelled(begun, 5, found=found)


def test_more_labelled_patients_than_there_are_is_refused(begun: Run) -> None:
    with pytest.raises(DataError, match="at most the 6 training patients"):
        labelled(begun, 7)


def test_too_few_labels_are_told_before_anything_is_extracted(begun: Run) -> None:
    with pytest.raises(DataError, match="must be at most the 6 training patients"):
        run(recipe_with(begun, 7), last="align")
    assert not (begun.folder / "features").exists()


def test_a_decoder_without_presence_is_the_one_from_before_there_was_any() -> None:
    """So what was aligned then is still of the same settings."""
    on, off = (mask_settings(load_recipe(RECIPE, words)) for words in (["decoder.presence=true"], []))
    assert off["decoder"] == {"grid_stride": 8, "high_res": True}
    assert on["decoder"] == {**off["decoder"], "presence": True}


@pytest.mark.parametrize(("select", "decides"), [("best", True), ("last", False)])
def test_what_counts_as_seen_decides_the_weights_where_val_chooses_them(select: str, decides: bool) -> None:
    some, other = (
        mask_settings(load_recipe(RECIPE, [f"align.select={select}", f"evaluate.min_visible={share}"]))
        for share in (0.5, 0.6)
    )
    assert (some != other) is decides


def learned_from(begun: Run, share: float) -> set[str]:
    distill = begun.recipe.distill.model_copy(update={"pool_share": share})
    recipe = begun.recipe.model_copy(update={"distill": distill})
    pool = build.pool(recipe, begun.dataset, begun.split)
    samples = pool_samples(recipe, pool, begun.dataset, begun.split["train"])
    assert len(samples) == len({*samples})
    assert set(samples) <= set(range(len(pool)))
    frames = [pool.frames[sample // pool.views_per_frame] for sample in samples]
    found = {begun.dataset.frames[frame.index].patient for frame in frames}
    assert len(samples) == len(found) * 2 * pool.views_per_frame, "of two frames each, all views"
    return found


@pytest.mark.parametrize("count", [1, 2, 3])
def test_who_is_labelled_is_seen_in_stage_1_first(begun: Run, count: int) -> None:
    assert learned_from(begun, count / 6) == labelled(begun, count)


def test_any_share_of_the_pool_has_somebody_and_all_of_it_everybody(begun: Run) -> None:
    assert len(learned_from(begun, 0.001)) == 1
    assert len(learned_from(begun, 0.6)) == 4, "rounded up"
    assert len(learned_from(begun, 1.0)) == 6
