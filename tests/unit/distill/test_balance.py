"""Balancers: weights are weights; what is learned keeps off the vertex that the printed equations run into."""

import pytest
import torch
from torch import Tensor

from agglo.distill import BALANCERS, make_balancer
from agglo.distill.balance import AttentionBalancer

EASY_LAST = torch.tensor([1.0, 0.9, 0.05])


def balanced(balancer: AttentionBalancer, losses: Tensor, steps: int = 400) -> Tensor:
    """Train a balancer on images whose losses never change; return the mean weights."""
    random = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(balancer.parameters(), lr=0.05)
    weights = losses
    for _ in range(steps):
        embedding = torch.randn(4, 8, 2, 2, generator=random) + 1
        weights, own_loss = balancer(embedding, losses.expand(4, -1))
        optimizer.zero_grad()
        own_loss.backward()
        optimizer.step()
    return weights.mean(dim=0)


@pytest.mark.parametrize("name", BALANCERS)
def test_weights_sum_to_one_and_carry_no_gradient(name: str) -> None:
    torch.manual_seed(0)
    balancer = make_balancer(name, num_teachers=3, embed_dim=8)
    embedding = torch.randn(5, 8, 2, 2, requires_grad=True)
    losses = torch.rand(5, 3, requires_grad=True)
    weights, own_loss = balancer(embedding, losses)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(5))
    assert not weights.requires_grad
    if own_loss.requires_grad:
        own_loss.backward()
    assert embedding.grad is None
    assert losses.grad is None


def test_relative_losses_keep_an_easy_teacher_from_taking_all() -> None:
    torch.manual_seed(0)
    weights = balanced(AttentionBalancer(3, 8, temperature=0.5), EASY_LAST)
    assert weights.min() > 0.25
    assert weights.max() < 0.45


def test_without_pull_to_uniform_a_steadily_better_teacher_takes_all_but_the_floor() -> None:
    """The control: the alarm of the method. Relative losses that differ collapse when the temperature is almost nothing."""
    torch.manual_seed(0)
    balancer = AttentionBalancer(3, 8, temperature=1e-6, floor=0.05)
    balancer.running.copy_(torch.ones(3))
    balancer.share_seen.fill_(1.0)
    balancer.momentum = 1.0  # running means stay, so relative losses stay apart
    weights = balanced(balancer, EASY_LAST)
    torch.testing.assert_close(weights, torch.tensor([0.05, 0.05, 0.90]), atol=0.01, rtol=0.0)


def test_weights_reach_the_closed_form_optimum() -> None:
    torch.manual_seed(0)
    balancer = AttentionBalancer(3, 8, temperature=0.5, floor=0.0)
    balancer.running.copy_(torch.ones(3))
    balancer.share_seen.fill_(1.0)
    balancer.momentum = 1.0
    losses = torch.tensor([0.8, 1.0, 1.3])
    torch.testing.assert_close(balanced(balancer, losses), (-losses / 0.5).softmax(0), atol=0.03, rtol=0.0)
