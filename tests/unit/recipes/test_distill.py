"""What is said of the teachers' weights after distilling."""

import logging

import pytest

from agglo.recipes.distill import _warn_of_collapse, final_weights


def test_final_weights_are_means_of_the_end() -> None:
    log = [
        {"step": step, "teachers": {"a": {"weight": step / 20}, "b": {"weight": 1 - step / 20}}}
        for step in range(20)
    ]
    found = final_weights([*log, {"step": 20, "val": {}}])
    assert found == {"a": pytest.approx(18.5 / 20), "b": pytest.approx(1.5 / 20)}
    assert final_weights([]) == {}


@pytest.mark.parametrize(("weight", "is_told"), [(0.88, True), (0.75, False)])
def test_a_collapse_is_told(weight: float, is_told: bool, caplog: pytest.LogCaptureFixture) -> None:
    """With three teachers and a floor of 0.05 no weight can be over 0.90."""
    with caplog.at_level(logging.WARNING):
        _warn_of_collapse({"lab-sam": weight, "lab-dino": 0.95 - weight, "lab-clip": 0.05})
    assert ("88% of the weight to lab-sam" in caplog.text) == is_told
