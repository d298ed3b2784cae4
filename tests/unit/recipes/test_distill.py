"""What is said of the teachers' weights after distilling."""

import pytest

from agglo.recipes.distill import final_weights


def test_final_weights_are_means_of_the_end() -> None:
    log = [
        {"step": step, "teachers": {"a": {"weight": step / 20}, "b": {"weight": 1 - step / 20}}}
        for step in range(20)
    ]
    found = final_weights([*log, {"step": 20, "val": {}}])
    assert found == {"a": pytest.approx(18.5 / 20), "b": pytest.approx(1.5 / 20)}
    assert final_weights([]) == {}
