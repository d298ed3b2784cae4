"""Every shipped recipe parses, whatever it needs to run."""

from pathlib import Path

import pytest

from agglo.config.load import load_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_parses(path: Path) -> None:
    load_recipe(path)


def test_the_recipe_of_the_demo_is_shipped() -> None:
    assert "phantom-quick" in {path.stem for path in RECIPES}
