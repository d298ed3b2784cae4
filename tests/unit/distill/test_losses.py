"""Losses on named cases with figures worked out by hand, and what is said of the values to be expected of them."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from agglo.distill import LOSSES
from agglo.distill.losses import EXPLAINED, Loss, relational

ONE, TWO = [3.0, 4.0], [4.0, -3.0]
CASES = {  # name: (loss, predicted, target, expected)
    "cosine of equals": ("cosine", ONE, ONE, 0.0),
    "cosine of orthogonals": ("cosine", ONE, TWO, 1.0),
    "cosine of opposites": ("cosine", ONE, [-3.0, -4.0], 2.0),
    "mse is a mean over channels": ("mse", [0.0, 0.0], ONE, 12.5),
    "smooth-l1 is linear far off": ("smooth-l1", [0.0, 0.0], ONE, (2.5 + 3.5) / 2),
    "smooth-l1 is quadratic close by": ("smooth-l1", [0.0, 0.0], [0.5, 0.0], 0.125 / 2),
    "am-radio mixes 0.9 and 0.1": ("am-radio", ONE, TWO, 0.9 * 1 + 0.1 * (0.5 + 6.5) / 2),
    "balanced is quadratic up to 2": ("balanced", ONE, TWO, 0.9 * 1 + 0.1 * (1 / 4 + 6.0) / 2),
    "unic mixes by half": ("unic", ONE, TWO, 0.5 * 1 + 0.5 * (0.5 + 6.5) / 2),
    "l2-normalised ignores length": ("l2-normalised", [30.0, 40.0], TWO, 2.0),
    "and is a mean over channels as an MSE is": ("l2-normalised-mean", [30.0, 40.0], TWO, 1.0),
}


@pytest.mark.parametrize(("name", "predicted", "target", "expected"), CASES.values(), ids=CASES)
def test_loss_of_tokens(name: str, predicted: list[float], target: list[float], expected: float) -> None:
    found = LOSSES[name].of(torch.tensor([[predicted, predicted]]), torch.tensor([[target, predicted]]))
    assert found.shape == (1, 2)
    assert float(found[0, 0]) == pytest.approx(expected, abs=1e-6)
    assert float(found[0, 1]) == pytest.approx(0.0, abs=1e-6)


LONG = [30.0, 40.0]
MAP_CASES = {  # name: (loss, predicted tokens, target tokens, shares, expected)
    "a long token outweighs a short one": (
        "cosine-flattened",
        [LONG, ONE],
        [LONG, TWO],
        [0.5, 0.5],
        0.00990099,
    ),
    "but not where it does not count": ("cosine-flattened", [LONG, ONE], [LONG, TWO], [0.0, 1.0], 1.0),
    "theia mixes 0.9 and 0.1": ("theia", [ONE, ONE], [TWO, TWO], [0.5, 0.5], 0.9 + 0.1 * (0.5 + 6.5) / 2),
    "tokens alike, that should be at right angles": ("relational", [ONE, ONE], [ONE, TWO], [0.5, 0.5], 0.5),
    "tokens turned together stay as they were": (
        "relational",
        [ONE, TWO],
        [TWO, [-3.0, -4.0]],
        [0.5, 0.5],
        0.0,
    ),
}


@pytest.mark.parametrize(
    ("name", "predicted", "target", "shares", "expected"), MAP_CASES.values(), ids=MAP_CASES
)
def test_loss_of_maps(
    name: str,
    predicted: list[list[float]],
    target: list[list[float]],
    shares: list[float],
    expected: float,
) -> None:
    found = LOSSES[name].of(torch.tensor([predicted]), torch.tensor([target]), torch.tensor([shares]))
    assert found.shape == (1,)
    assert float(found) == pytest.approx(expected, abs=1e-5)


def test_relations_are_those_of_the_two_matrices_of_cosines() -> None:
    random = torch.Generator().manual_seed(0)
    predicted, target = (torch.randn(3, 10, 6, generator=random) for _ in range(2))
    shares = torch.rand(3, 10, generator=random)
    shares = shares / shares.sum(dim=1, keepdim=True)
    own, theirs = (F.normalize(each, dim=-1) @ F.normalize(each, dim=-1).mT for each in (predicted, target))
    expected = ((own - theirs).square() * shares[:, :, None] * shares[:, None, :]).sum(dim=(1, 2))
    torch.testing.assert_close(relational(predicted, target, shares), expected)


def value(loss: Loss, predicted: Tensor, target: Tensor) -> float:
    """Return a loss as the objective takes it, every token counting alike."""
    shares = torch.full(target.shape[:2], 1 / target.shape[1])
    found = loss.of(predicted, target, shares) if loss.is_of_maps else loss.of(predicted, target)
    return float(found.mean())


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_to_be_expected_of_a_loss_is_true(name: str) -> None:
    """The best prediction that explains a share of a target of unit variance is that share of it, and smaller than the target."""
    loss, random = LOSSES[name], torch.Generator().manual_seed(0)
    known, rest = (torch.randn(2, 500, 256, generator=random) for _ in range(2))
    target = EXPLAINED[0] ** 0.5 * known + (1 - EXPLAINED[0]) ** 0.5 * rest
    assert value(loss, target, target) == pytest.approx(0.0, abs=1e-5)
    if loss.zero is not None:
        assert value(loss, torch.zeros_like(target), target) == pytest.approx(loss.zero, abs=3e-3)
    if loss.typical is not None:
        for explained, expected in zip(EXPLAINED, loss.typical, strict=True):
            target = explained**0.5 * known + (1 - explained) ** 0.5 * rest
            assert value(loss, explained**0.5 * known, target) == pytest.approx(expected, abs=3e-3)


def test_nothing_is_expected_of_a_scale_that_nobody_knows() -> None:
    assert LOSSES["mse"].expectation(has_unit_variance=True) == {
        "zero": 1.0,
        "typical": [0.1, 0.5],
        "text": "a perfect prediction has 0; of raw features it is in the teacher's own units",
    }
    raw = LOSSES["mse"].expectation(has_unit_variance=False)
    assert (raw["zero"], raw["typical"]) == (None, None)
    assert LOSSES["cosine"].expectation(has_unit_variance=False)["zero"] == 1.0


@pytest.mark.parametrize("name", LOSSES)
def test_a_prediction_of_zeros_has_a_finite_gradient(name: str) -> None:
    predicted, target = torch.zeros(1, 4, 8, requires_grad=True), torch.ones(1, 4, 8)
    loss, shares = LOSSES[name], torch.full((1, 4), 0.25)
    found = loss.of(predicted, target, shares) if loss.is_of_maps else loss.of(predicted, target)
    found.sum().backward()
    assert predicted.grad is not None
    assert torch.isfinite(predicted.grad).all()
