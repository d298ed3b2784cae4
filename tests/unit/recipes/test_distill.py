"""What is said of the teachers' weights, after distilling and meanwhile."""

from pathlib import Path

import pytest

from agglo.config.load import load_recipe
from agglo.distill import BALANCERS
from agglo.recipes.distill import alarm_for, final_weights

RECIPE = Path(__file__).parents[3] / "recipes" / "phantom-quick.yaml"


def test_final_weights_are_means_of_the_end() -> None:
    log = [
        {"step": step, "teachers": {"a": {"weight": step / 20}, "b": {"weight": 1 - step / 20}}}
        for step in range(20)
    ]
    found = final_weights([*log, {"step": 20, "val": {}}])
    assert found == {"a": pytest.approx(18.5 / 20), "b": pytest.approx(1.5 / 20)}
    assert final_weights([]) == {}


@pytest.mark.parametrize("balance", BALANCERS)
def test_weights_that_somebody_chose_are_not_watched(balance: str) -> None:
    is_watched = alarm_for(load_recipe(RECIPE, [f"distill.balance={balance}"])) is not None
    assert is_watched == (balance not in {"uniform", "static", "random", "sequential"})
