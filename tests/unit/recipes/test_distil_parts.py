"""Stage 1's parts from a recipe: names that mean nothing and teachers that are not there are answered in one sentence each."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agglo.config.schema import Recipe
from agglo.core.errors import ConfigError, StoreError
from agglo.features import FeatureStore
from agglo.features.samples import Samples
from agglo.recipes import build
from agglo.recipes.distil_parts import expected_loss, head_plans


def recipe(**distill: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "parts",
            "out": "runs/parts",
            "data": {"folder": "data"},
            "teachers": [{"name": "lab-sam"}, {"name": "lab-dino"}],
            "student": {"input_px": 64},
            "distill": {"steps": 1, **distill},
            "align": {"steps": 1},
        }
    )


NAMES = {  # setting: what is said, besides the names that there are
    "loss": "distill.loss: must be one of am-radio, cosine, mse",
    "head": "distill.head: must be one of mlp, mlp2, linear",
    "normalise": "distill.normalise: must be one of none, l2, global, channel, pca, zca, phi-s",
    "balance": "distill.balance: must be one of uniform, static",
}


@pytest.mark.parametrize(("setting", "said"), NAMES.items(), ids=NAMES)
def test_a_name_that_means_nothing_is_one_sentence(setting: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build.check_names(recipe(**{setting: "giraffe"}))
    first, *lines = str(caught.value).splitlines()
    assert first == "parts: 1 problem"
    assert len(lines) == 1
    assert lines[0].startswith(f"  {said}")
    assert lines[0].endswith("got 'giraffe'")


WEIGHTS = {  # name: (settings, what is said)
    "of an unknown teacher": (
        {"balance": "static", "weights": {"lab-sam": 1, "sam2": 2}},
        "distill.weights must name exactly the teachers of the recipe ['lab-dino', 'lab-sam'], got ['lab-sam', 'sam2']",
    ),
    "of one teacher too few": (
        {"balance": "static", "weights": {"lab-sam": 1}},
        "distill.weights must name exactly the teachers of the recipe ['lab-dino', 'lab-sam'], got ['lab-sam']",
    ),
    "that nobody has given": (
        {"balance": "static"},
        "distill.balance: static must go with `distill.weights` for ['lab-dino', 'lab-sam'], got none",
    ),
    "that a balancer would ignore": (
        {"balance": "uniform", "weights": {"lab-sam": 1, "lab-dino": 2}},
        "distill.weights must go with `distill.balance: static`, got uniform",
    ),
}


@pytest.mark.parametrize(("settings", "said"), WEIGHTS.values(), ids=WEIGHTS)
def test_weights_that_fit_nobody_are_one_sentence(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build.check_names(recipe(**settings))
    assert str(caught.value).splitlines()[0] == "parts: 1 problem"
    assert said in str(caught.value)


def store_of(folder: Path, **dims: int) -> FeatureStore:
    """Return a store of one block with a column of noise for each of `dims`; underscores stand for hyphens."""
    frames = tuple(f"set/{index}" for index in range(4))
    samples = Samples("set", frames, (True,) * 4, views_per_frame=1, view_recipe={}, seed=0)
    store = FeatureStore.create(folder, samples)
    for name, dim in dims.items():
        column = store.add_column(name.replace("_", "-"), dim=dim, grid=(4, 4), identity={})
        features = np.random.default_rng(0).standard_normal((4, dim, 4, 4)).astype(np.float16)
        column.write_block(0, features, np.ones((4, 4, 4)))
    return store


def test_a_teacher_that_the_store_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        StoreError, match=r"has no column 'lab-dino' \(there are: lab-sam\); run `agglo extract RECIPE`"
    ):
        build.distil_task(recipe(), store_of(tmp_path, lab_sam=8))


def test_a_block_with_nan_is_refused_before_anybody_learns_from_it(tmp_path: Path) -> None:
    column = store_of(tmp_path, lab_sam=8).add_column("lab-dino", dim=8, grid=(4, 4), identity={})
    features = np.zeros((4, 8, 4, 4), np.float16)
    features[2, 3, 1, 1] = np.nan
    with pytest.raises(
        StoreError,
        match=r"lab-dino must be finite .* 1 of 4 views \(samples 2\) have infinities or NaN; check",
    ):
        column.write_block(0, features, np.ones((4, 4, 4)))
    assert column.missing_blocks() == [0]


def test_a_width_without_a_hadamard_matrix_is_told_and_works(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task = build.distil_task(recipe(), store_of(tmp_path, lab_sam=10, lab_dino=12))
    assert caplog.text.count("no Hadamard matrix of order 10 is known") == 1
    assert [len(normaliser.notes) for normaliser in task.normalisers] == [1, 0]


def test_heads_are_planned_as_they_are_made(tmp_path: Path) -> None:
    store = store_of(tmp_path, lab_sam=8, lab_dino=12)
    asked = recipe(head="conv", match="student", shrink="antialiased").distill
    plans = head_plans(asked, {name: store.column(name) for name in ("lab-sam", "lab-dino")})
    plan = plans["lab-sam"]
    assert (plan.head, plan.teacher_dim, plan.hidden_dim, plan.grid) == ("conv", 8, 12, (4, 4))
    assert (plan.match, plan.shrink) == ("student", "antialiased")


def test_a_report_learns_what_to_expect_only_where_that_is_known() -> None:
    assert expected_loss(recipe().distill)["typical"] == [0.051, 0.287]
    assert expected_loss(recipe(normalise="none").distill)["typical"] is None


def test_settings_of_runs_before_there_was_a_choice_stay_as_they_were() -> None:
    assert "shrink" not in build.training_settings(recipe().distill)
    assert build.training_settings(recipe(shrink="antialiased").distill)["shrink"] == "antialiased"
