"""From a grid file to a plan, or to one message that says what cannot be compared."""

from collections.abc import Sequence
from pathlib import Path

from agglo.ablate.grid import FROM_MASKS, Grid, Plan, merged
from agglo.config.load import read_values, validated
from agglo.core.errors import ConfigError
from agglo.recipes import build


def load_grid(path: Path, overrides: Sequence[str] = ()) -> Plan:
    """Read a grid file, and the recipe it starts from.

    Raises:
        ConfigError: either cannot be used; one line for each problem.
    """
    grid = validated(Grid, read_values(path, overrides), where=path.name)
    plan = Plan(grid, merged(read_values(path.parent / grid.base), grid.set))
    for arm in grid.arms:
        recipe = plan.recipe(arm, seed=grid.seeds[0])
        build.check_names(recipe)
        for setting, is_on in (("align.prompts", recipe.align.prompts), ("light", recipe.light)):
            if is_on:
                raise ConfigError(
                    f"{path.name}, arm {arm}: a grid scores the one-pass decoder alone; remove `{setting}`"
                )
    _require_known_time(plan, path.name)
    return plan


def _require_known_time(plan: Plan, where: str) -> None:
    """Refuse what the probe of step times does not time, in the arm whose wall time others get.

    Raises:
        ConfigError: it has such a switch on, and some arm is to have its time.
    """
    grid = plan.grid
    recipe = plan.recipe(grid.equal_to, seed=grid.seeds[0])
    switches = {
        "distill.through_decoder": recipe.distill.through_decoder is not None,
        "distill.summary": recipe.distill.summary,
        "distill.pool_share": recipe.distill.pool_share < 1 and recipe.distill.epochs is not None,
        "align.features_weight": recipe.align.features_weight > 0,
    }
    on = [name for name, is_on in switches.items() if is_on]
    if on and any(arm.kind in FROM_MASKS for arm in grid.arms.values()):
        raise ConfigError(
            f"{where}: arms on masks alone get the wall time of {grid.equal_to!r}, which is told from steps without "
            f"{', '.join(on)}; choose another arm for `equal_to`, or leave these switches to the other arms"
        )
