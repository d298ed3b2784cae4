"""Balancers that are trained beside the student: eq. 4 and eq. 5 of arXiv 2504.02351, as printed and regularised, and others.

The regularised ones minimise `sum(weight * relative loss) + temperature * KL(weight || uniform)`, whose optimum is
`weight ~ exp(-relative loss / temperature)`, and are then mixed with the uniform distribution so that none is under `FLOOR`.
Their weights are constants to the student, and the losses constants to them, so neither side can game the other. The printed
ones are minimised with the student's own loss, whose minimum is all weight on the easiest teacher.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from agglo.distill.balance.protocol import (
    Balancer,
    Embedding,
    ImageLosses,
    Inside,
    OwnLoss,
    RunningLosses,
    Sizes,
    Targets,
    Weights,
)
from agglo.distill.grids import resized
from agglo.train.team import mean_over_batch

FLOOR = 0.05
TEMPERATURE = 0.5
HIDDEN = 16
KEY_DEVIATION = 0.02


class _Mlp(nn.Module):
    """Logits by eq. 4, `W2 gelu(W1 losses + b1) + b2`.

    Printed, W2 has one row: one logit, whose softmax is always 1. Two readings mean something: W2 has a row for every
    teacher, or (`is_shared`) the one row is right, and the network looks at one teacher's loss at a time, the same for all.
    """

    def __init__(self, num_teachers: int, *, is_shared: bool = False) -> None:
        super().__init__()
        width = 1 if is_shared else num_teachers
        self.is_shared = is_shared
        self.layers = nn.Sequential(nn.Linear(width, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, width))

    def forward(self, losses: ImageLosses) -> Float[Tensor, "batch teachers"]:
        """Return the same logits for every image: the equation sees the losses of the batch."""
        mean = mean_over_batch(losses)
        logits = self.layers(mean[:, None]).squeeze(1) if self.is_shared else self.layers(mean)
        return logits.expand(len(losses), -1)


class _Attention(nn.Module):
    """Logits by eq. 5: a query from the student's pooled embedding meets one key per teacher.

    The keys are learned, or made of the teachers' own pooled maps, which is the other reading of the equation.
    """

    def __init__(self, sizes: Sizes, *, has_teacher_keys: bool) -> None:
        super().__init__()
        self.query = nn.Linear(sizes.embed_dim, sizes.embed_dim, bias=False)
        self.keys = nn.Parameter(torch.randn(sizes.num_teachers, sizes.embed_dim) * KEY_DEVIATION)
        makers = [nn.Linear(dim, sizes.embed_dim, bias=False) for dim in sizes.teacher_dims]
        self.makers = nn.ModuleList(makers) if has_teacher_keys else None

    def forward(
        self, embedding: Embedding, targets: Targets, inside: Inside | None
    ) -> Float[Tensor, "batch teachers"]:
        query = self.query(_mean_of_picture(embedding, inside))
        keys = self.keys.expand(len(query), -1, -1)
        if self.makers is not None:
            made = [
                maker(_mean_of_picture(target, inside))
                for maker, target in zip(self.makers, targets, strict=True)
            ]
            keys = keys + torch.stack(made, dim=1)
        return torch.einsum("be,bte->bt", query, keys) / keys.shape[-1] ** 0.5


def _mean_of_picture(
    maps: Float[Tensor, "batch dim h w"], inside: Inside | None
) -> Float[Tensor, "batch dim"]:
    """Return the mean over the cells of a map by how much each shows of the picture."""
    if inside is None:
        return maps.float().mean(dim=(2, 3))
    shares = resized(inside[:, None], _grid_of(maps))[:, 0]
    shares = shares / shares.sum(dim=(1, 2), keepdim=True).clamp_min(1e-6)
    return torch.einsum("bdhw,bhw->bd", maps.float(), shares)


def _grid_of(maps: Float[Tensor, "batch dim h w"]) -> tuple[int, int]:
    rows, cols = maps.shape[2:]
    return rows, cols


def regularised(
    logits: Float[Tensor, "batch teachers"], relative: ImageLosses, *, temperature: float, floor: float
) -> tuple[Weights, OwnLoss]:
    """Return the weights of `logits` over the floor, without gradient, and the loss that trains the logits."""
    weights = logits.softmax(dim=1)
    num_teachers = weights.shape[1]
    floor = min(floor, 0.5 / num_teachers)  # of many teachers, half of all weight stays to be given
    divergence = (weights * (weights * num_teachers).clamp_min(1e-12).log()).sum(dim=1)
    own_loss = ((weights * relative).sum(dim=1) + temperature * divergence).mean()
    return ((1 - num_teachers * floor) * weights + floor).detach(), own_loss


@final
class MlpBalancer(Balancer):
    """Eq. 4 of arXiv 2504.02351, regularised: it sees relative losses, and never the student's gradient."""

    def __init__(
        self,
        sizes: Sizes,
        *,
        is_shared: bool = False,
        temperature: float = TEMPERATURE,
        floor: float = FLOOR,
    ) -> None:
        super().__init__()
        self.logits = _Mlp(sizes.num_teachers, is_shared=is_shared)
        self.running = RunningLosses(sizes.num_teachers)
        self.temperature, self.floor = temperature, floor

    def forward(
        self, embedding: Embedding, losses: ImageLosses, targets: Targets, inside: Inside | None = None
    ) -> tuple[Weights, OwnLoss]:
        relative = losses.detach() / self.running(losses)
        return regularised(self.logits(relative), relative, temperature=self.temperature, floor=self.floor)


@final
class PrintedMlpBalancer(Balancer):
    """Eq. 4 and 6 of arXiv 2504.02351 as printed (but for the rows of W2): minimised with the student, which feels its gradient.

    It collapses onto the easiest teacher, and moves the student to make the other losses tell it to.
    """

    def __init__(self, sizes: Sizes, *, is_shared: bool = False) -> None:
        super().__init__()
        self.logits = _Mlp(sizes.num_teachers, is_shared=is_shared)

    def forward(
        self, embedding: Embedding, losses: ImageLosses, targets: Targets, inside: Inside | None = None
    ) -> tuple[Weights, OwnLoss]:
        return self.logits(losses).softmax(dim=1), losses.new_zeros(())


@final
class AttentionBalancer(Balancer):
    """Eq. 5 of arXiv 2504.02351, regularised; with learned keys, or (`has_teacher_keys`) keys from the teachers' own maps."""

    def __init__(
        self,
        sizes: Sizes,
        *,
        has_teacher_keys: bool = False,
        temperature: float = TEMPERATURE,
        floor: float = FLOOR,
        momentum: float = 0.99,
    ) -> None:
        """Take `temperature` in units of relative loss, the least weight, and the momentum of the running mean losses."""
        super().__init__()
        self.logits = _Attention(sizes, has_teacher_keys=has_teacher_keys)
        self.running = RunningLosses(sizes.num_teachers, momentum)
        self.temperature, self.floor = temperature, floor

    def forward(
        self, embedding: Embedding, losses: ImageLosses, targets: Targets, inside: Inside | None = None
    ) -> tuple[Weights, OwnLoss]:
        relative = losses.detach() / self.running(losses)
        logits = self.logits(embedding.detach(), [target.detach() for target in targets], inside)
        return regularised(logits, relative, temperature=self.temperature, floor=self.floor)


@final
class PrintedAttentionBalancer(Balancer):
    """Eq. 5 and 6 of arXiv 2504.02351 as printed, minimised with the student: collapses onto the easiest teacher."""

    def __init__(self, sizes: Sizes, *, has_teacher_keys: bool = False) -> None:
        super().__init__()
        self.logits = _Attention(sizes, has_teacher_keys=has_teacher_keys)

    def forward(
        self, embedding: Embedding, losses: ImageLosses, targets: Targets, inside: Inside | None = None
    ) -> tuple[Weights, OwnLoss]:
        return self.logits(embedding, targets, inside).softmax(dim=1), losses.new_zeros(())


@final
class AmtmlBalancer(Balancer):
    """AMTML-KD (arXiv 2103.04062) as printed: for every image, a latent vector per teacher meets the max-pooled embedding.

    AM-RADIO (section 4.4) reports that it puts all weight on one teacher.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.latents = nn.Parameter(1 + torch.randn(sizes.num_teachers, sizes.embed_dim) * KEY_DEVIATION)
        self.score = nn.Linear(sizes.embed_dim, 1, bias=False)

    def forward(
        self, embedding: Embedding, losses: ImageLosses, targets: Targets, inside: Inside | None = None
    ) -> tuple[Weights, OwnLoss]:
        cells = embedding.float()
        if inside is not None:
            is_padding = resized(inside[:, None], _grid_of(embedding)) == 0
            cells = cells.masked_fill(is_padding, -torch.inf)
        pooled = cells.amax(dim=(2, 3))
        logits = self.score(pooled[:, None] * self.latents).squeeze(-1)
        return logits.softmax(dim=1), losses.new_zeros(())


@final
class UncertaintyBalancer(Balancer):
    """Weights `~ exp(-s)` with one learned log-variance per teacher (arXiv 1705.07115), which minimise `sum(loss exp(-s) + s) / 2`.

    Their optimum is `exp(s) = loss`, so that harder teachers count less. The weights sum to 1, which leaves the student's rate
    as it is.
    """

    FIRST = -0.5

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.log_variances = nn.Parameter(torch.full((sizes.num_teachers,), self.FIRST))

    def forward(
        self, embedding: Embedding, losses: ImageLosses, targets: Targets, inside: Inside | None = None
    ) -> tuple[Weights, OwnLoss]:
        mean = mean_over_batch(losses.detach())
        own_loss = 0.5 * (mean * (-self.log_variances).exp() + self.log_variances).sum()
        weights = (-self.log_variances).softmax(dim=0).detach()
        return weights.expand_as(losses).clone(), own_loss
