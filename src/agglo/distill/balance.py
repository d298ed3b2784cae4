"""How much each teacher counts: weights that sum to 1, for every image of a batch.

Learned weights on `sum(weight * loss)` drift to the easiest teacher, because that is where the sum is smallest; nothing in the
printed equations opposes it. Here weights are learned on *relative* losses (each divided by its own running mean), pulled towards
the uniform distribution, and kept over a floor; the student's loss sees them as constants, so neither side can game the other.

To add one: subclass `Balancer`, name it in `BALANCERS`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

Weights = Float[Tensor, "batch teachers"]
ImageLosses = Float[Tensor, "batch teachers"]


class Balancer(nn.Module, ABC):
    """Abstract: gives weights, and a loss of its own that trains them."""

    @abstractmethod
    def forward(
        self, embedding: Float[Tensor, "batch embed h w"], losses: ImageLosses
    ) -> tuple[Weights, Float[Tensor, ""]]:
        """Return weights (each row sums to 1, no gradient) and the balancer's own loss (0 where nothing is learned)."""


@final
class UniformBalancer(Balancer):
    """Every teacher counts the same: eq. 3 of arXiv 2504.02351 divided by the number of teachers."""

    def __init__(self, num_teachers: int, embed_dim: int) -> None:
        super().__init__()
        self.num_teachers = num_teachers

    def forward(
        self, embedding: Float[Tensor, "batch embed h w"], losses: ImageLosses
    ) -> tuple[Weights, Float[Tensor, ""]]:
        """Return `1 / T` everywhere."""
        return torch.full_like(losses, 1 / self.num_teachers), losses.new_zeros(())


@final
class AttentionBalancer(Balancer):
    """Eq. 5 of arXiv 2504.02351 with one learned key per teacher and a query from the student's pooled embedding, regularised.

    The weights minimise `sum(weight * relative loss) + temperature * KL(weight || uniform)`, whose optimum is
    `weight ~ exp(-relative loss / temperature)`, and are then mixed with the uniform distribution so that none is under `floor`.
    """

    FLOOR = 0.05
    running: Tensor
    share_seen: Tensor

    def __init__(
        self,
        num_teachers: int,
        embed_dim: int,
        *,
        temperature: float = 0.5,
        floor: float = FLOOR,
        momentum: float = 0.99,
    ) -> None:
        """Take `temperature` in units of relative loss, the least weight, and the momentum of the running mean losses."""
        super().__init__()
        self.query = nn.Linear(embed_dim, embed_dim, bias=False)
        self.keys = nn.Parameter(torch.randn(num_teachers, embed_dim) * 0.02)
        self.temperature, self.floor, self.momentum = temperature, floor, momentum
        self.register_buffer("running", torch.zeros(num_teachers))
        self.register_buffer("share_seen", torch.zeros(()))

    def forward(
        self, embedding: Float[Tensor, "batch embed h w"], losses: ImageLosses
    ) -> tuple[Weights, Float[Tensor, ""]]:
        """Return the weights of every image and the loss of query and keys."""
        relative = self._relative(losses.detach())
        query = self.query(embedding.detach().float().mean(dim=(2, 3)))
        weights = (query @ self.keys.T / self.keys.shape[1] ** 0.5).softmax(dim=1)
        divergence = (weights * (weights * weights.shape[1]).clamp_min(1e-12).log()).sum(dim=1)
        own_loss = ((weights * relative).sum(dim=1) + self.temperature * divergence).mean()
        mixed = (1 - weights.shape[1] * self.floor) * weights + self.floor
        return mixed.detach(), own_loss

    @torch.no_grad()
    def _relative(self, losses: ImageLosses) -> ImageLosses:
        """Return losses over their running means, which are corrected for having started from zero as Adam's are."""
        if self.training:
            self.running.lerp_(losses.mean(dim=0), 1 - self.momentum)
            self.share_seen.lerp_(torch.ones_like(self.share_seen), 1 - self.momentum)
        return losses / (self.running / self.share_seen.clamp_min(1e-8)).clamp_min(1e-8)


BALANCERS: Mapping[str, Callable[[int, int], Balancer]] = {
    "uniform": UniformBalancer,
    "attention": AttentionBalancer,
}


def make_balancer(name: str, *, num_teachers: int, embed_dim: int) -> Balancer:
    """Return balancer `name` for `num_teachers` teachers and a student of width `embed_dim`."""
    return BALANCERS[name](num_teachers, embed_dim)
