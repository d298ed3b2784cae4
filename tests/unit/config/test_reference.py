"""`agglo settings`: every setting of a recipe is told, with the default that holds."""

import json
from pathlib import Path

import pytest
import yaml

from agglo.config.reference import REQUIRED, Setting, settings_of
from agglo.config.schema import Recipe

RECIPES = sorted((Path(__file__).parents[3] / "recipes").glob("*.yaml"))
ALL = {each.path: each for each in settings_of(Recipe)}


def paths_of(value: object, before: str = "") -> set[str]:
    """Return the paths of all settings in a recipe's YAML."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return set().union(*(paths_of(each, f"{before}[]") for each in value))
    if not isinstance(value, dict) or (before.startswith("data.split.") or before == "distill.weights"):
        return {before}
    return set().union(*(paths_of(each, f"{before}.{key}".lstrip(".")) for key, each in value.items()))


EXPECTED = {
    "distill.batch_size": Setting("", "8", "int > 0", "samples of a step, over all processes"),
    "student.input_px": Setting("", "512", "int >= 64 in steps of 32", ""),
    "data.phantom.seed": Setting("", "1", "int >= 0 < 1000000000", ""),
    "views.zoom": Setting("", "[0.85, 1.3]", "[float, float]", ""),
    "views.first_is_identity": Setting("", "true", "true | false", ""),
    "store.dtype": Setting("", "fp16", "fp16 | int8 | int8-zstd", ALL["store.dtype"].what),
    "teachers[].name": Setting("", REQUIRED, "text", ""),
}


@pytest.mark.parametrize(("path", "expected"), EXPECTED.items(), ids=EXPECTED)
def test_a_setting_is_told_as_it_is(path: str, expected: Setting) -> None:
    assert ALL[path] == expected._replace(path=path)


@pytest.mark.parametrize(
    "path", [file for file in RECIPES if "arms" not in file.read_text()], ids=lambda p: p.stem
)
def test_every_setting_of_a_shipped_recipe_is_told(path: Path) -> None:
    assert paths_of(yaml.safe_load(path.read_text())) <= ALL.keys()


def test_defaults_are_those_that_hold() -> None:
    """What is left out of a recipe is as the list says."""
    recipe = Recipe.model_validate(
        {
            "name": "bare",
            "out": "runs/bare",
            "data": {"folder": "d"},
            "teachers": [{"name": "lab-sam"}],
            "distill": {"steps": 1},
            "align": {"steps": 1},
        }
    )
    compared = 0
    for section in ("views", "student", "decoder", "device", "evaluate", "report"):
        for name, value in json.loads(getattr(recipe, section).model_dump_json()).items():
            told = ALL[f"{section}.{name}"].default
            assert told == (value if isinstance(value, str) else json.dumps(value)), f"{section}.{name}"
            compared += 1
    assert compared > 20
