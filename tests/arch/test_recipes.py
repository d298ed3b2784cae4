"""Every shipped recipe parses, whatever it needs to run."""

from pathlib import Path

import pytest

from agglo.ablate.load import load_grid
from agglo.config.load import load_recipe

FILES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))
GRIDS = [path for path in FILES if path.stem.startswith(("ablation-", "baselines-"))]
RECIPES = [path for path in FILES if path not in GRIDS]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_parses(path: Path) -> None:
    load_recipe(path)


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
def test_a_shipped_grid_parses_and_every_cell_has_a_recipe(path: Path) -> None:
    plan = load_grid(path)
    cells = plan.cells()
    assert len({plan.identity(cell) for cell in cells}) == len(cells)


def test_the_recipe_of_the_demo_is_shipped() -> None:
    assert "phantom-quick" in {path.stem for path in RECIPES}
