"""Recipes: read, overridden, and refused with every problem at once."""

from pathlib import Path

import pytest
import yaml

from agglo.config.load import dump_recipe, load_recipe
from agglo.core.errors import ConfigError

SMALLEST = {
    "name": "small",
    "out": "runs/small",
    "data": {"phantom": {"patients": 3}},
    "teachers": [{"name": "lab-sam"}],
    "distill": {"steps": 5},
    "align": {"epochs": 2},
}


def written(folder: Path, content: object = SMALLEST) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_overrides_reach_into_sections(tmp_path: Path) -> None:
    recipe = load_recipe(
        written(tmp_path), ["distill.steps=7", "data.split.seed=3", "teachers=[{name: lab-dino}]"]
    )
    assert recipe.distill.steps == 7
    assert recipe.data.split.seed == 3
    assert [teacher.name for teacher in recipe.teachers] == ["lab-dino"]


def test_a_recipe_written_out_in_full_is_the_same_recipe(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path))
    assert load_recipe(written(tmp_path, dump_recipe(recipe))) == recipe


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    path = written(
        tmp_path, {**SMALLEST, "teachers": [], "distill": {"steps": 5, "learning_rate": "fast", "step": 3}}
    )
    with pytest.raises(ConfigError) as caught:
        load_recipe(path)
    assert str(caught.value).splitlines() == [
        "recipe.yaml: 3 problems",
        "  teachers: Tuple should have at least 1 item after validation, not 0, got []",
        "  distill.learning_rate: Input should be a valid number, unable to parse string as a number, got 'fast'",
        "  distill.step: unknown setting; did you mean `steps`?",
    ]


UNKNOWN = {  # name: (override, what the error says)
    "at the top": ("distil.steps=3", "distil: unknown setting; did you mean `distill`?"),
    "in a part of a part": (
        "data.split.fraction=3",
        "data.split.fraction: unknown setting; did you mean `fractions`?",
    ),
    "in one of two kinds": (
        "data.phantom.patient=3",
        "data.phantom.patient: unknown setting; did you mean `patients`?",
    ),
    "in a list": (
        "teachers=[{name: a, weight: w}]",
        "teachers.0.weight: unknown setting; did you mean `weights`?",
    ),
    "like none": (
        "decoder.xyz=3",
        "decoder.xyz: unknown setting; known here are grid_stride, high_res, presence",
    ),
}


@pytest.mark.parametrize(("override", "text"), UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_setting_is_told_beside_the_one_that_was_meant(
    tmp_path: Path, override: str, text: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe(written(tmp_path), [override])
    assert f"  {text}" in str(caught.value).splitlines()


REFUSED = {  # name: (file content, overrides, what the error says)
    "steps and epochs": (
        SMALLEST,
        ["distill.epochs=2"],
        "distill: exactly one of `steps` and `epochs` must be given",
    ),
    "two sources": (SMALLEST, ["data.folder=x"], "data: exactly one of `folder` and `phantom` must be given"),
    "fractions": (SMALLEST, ["data.split.fractions=[0.5, 0.1, 0.1]"], "fractions must add up to 1"),
    "teacher twice": (SMALLEST, ["teachers=[{name: a}, {name: a}]"], "teachers must differ"),
    "no equals sign": (
        SMALLEST,
        ["distill.steps"],
        r"an override must be `dotted.key=value`, got 'distill.steps'",
    ),
    "through a value": (SMALLEST, ["name.x=1"], "must lead through sections, but `name` is a value"),
    "not YAML": ("{", [], "must be a YAML file, but cannot be read"),
    "a list": ("- 1", [], "must hold keys and values, but holds a list"),
}


@pytest.mark.parametrize(("content", "overrides", "text"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_used_is_refused(
    tmp_path: Path, content: object, overrides: list[str], text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        load_recipe(written(tmp_path, content), overrides)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"nowhere\.yaml must be a recipe .* no such file; see the folder `recipes`"
    ):
        load_recipe(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("label", ["a/b", "../up", "A b", ""])
def test_a_label_that_cannot_name_a_folder_is_refused(tmp_path: Path, label: str) -> None:
    with pytest.raises(ConfigError, match=r"teachers\.0\.label: String should match pattern .*, got "):
        load_recipe(written(tmp_path), [f"teachers=[{{name: lab-sam, label: '{label}'}}]"])


def test_two_further_test_sets_of_one_name_are_refused(tmp_path: Path) -> None:
    also = "[{name: more, folder: a}, {name: more, folder: b}]"
    with pytest.raises(ConfigError, match=r"evaluate: .*must differ by `name`, got \['more', 'more'\]"):
        load_recipe(written(tmp_path), [f"evaluate.also={also}"])
