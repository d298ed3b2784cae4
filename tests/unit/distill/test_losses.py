"""Token losses on named cases with figures worked out by hand."""

import pytest
import torch

from agglo.distill import HEADS, LOSSES, make_head

ONE, TWO = [3.0, 4.0], [4.0, -3.0]
CASES = {  # name: (loss, predicted, target, expected)
    "cosine of equals": ("cosine", ONE, ONE, 0.0),
    "cosine of orthogonals": ("cosine", ONE, TWO, 1.0),
    "cosine of opposites": ("cosine", ONE, [-3.0, -4.0], 2.0),
    "mse is a mean over channels": ("mse", [0.0, 0.0], ONE, 12.5),
    "smooth-l1 is linear far off": ("smooth-l1", [0.0, 0.0], ONE, (2.5 + 3.5) / 2),
    "smooth-l1 is quadratic close by": ("smooth-l1", [0.0, 0.0], [0.5, 0.0], 0.125 / 2),
    "am-radio mixes 0.9 and 0.1": ("am-radio", ONE, TWO, 0.9 * 1 + 0.1 * (0.5 + 6.5) / 2),
    "l2-normalised ignores length": ("l2-normalised", [30.0, 40.0], TWO, 2.0),
}


@pytest.mark.parametrize(("name", "predicted", "target", "expected"), CASES.values(), ids=CASES)
def test_loss(name: str, predicted: list[float], target: list[float], expected: float) -> None:
    found = LOSSES[name](torch.tensor([[predicted, predicted]]), torch.tensor([[target, predicted]]))
    assert found.shape == (1, 2)
    assert float(found[0, 0]) == pytest.approx(expected, abs=1e-6)
    assert float(found[0, 1]) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", HEADS)
def test_heads_reach_the_teachers_width(name: str) -> None:
    head = make_head(name, student_dim=6, teacher_dim=10, hidden_dim=12)
    assert head(torch.zeros(2, 5, 6)).shape == (2, 5, 10)


def test_the_head_as_printed_cannot_go_low_and_the_linear_one_can() -> None:
    torch.manual_seed(0)
    tokens = 50 * torch.randn(1, 100, 6)
    assert make_head("eq2", student_dim=6, teacher_dim=10, hidden_dim=1)(tokens).min() > -0.18
    assert make_head("linear", student_dim=6, teacher_dim=10, hidden_dim=1)(tokens).min() < -10
