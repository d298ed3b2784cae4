"""Balancers without anything to train: constants, chance, and rules on the losses themselves."""

from typing import final

import torch
from torch import Tensor

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
from agglo.train.part import current_part, normals_of_batch, uniforms_of_images
from agglo.train.team import mean_over_batch


@final
class UniformBalancer(Balancer):
    """Every teacher counts the same: eq. 3 of arXiv 2504.02351 divided by the number of teachers."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()

    def forward(
        self, embedding: Embedding, losses: ImageLosses, targets: Targets, inside: Inside | None = None
    ) -> tuple[Weights, OwnLoss]:
        return torch.full_like(losses, 1 / losses.shape[1]), losses.new_zeros(())


@final
class StaticBalancer(Balancer):
    """Every teacher counts as somebody says (`distill.weights`), for all images alike; uniform where nobody does."""

    shares: Tensor

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        equal = (1 / sizes.num_teachers,) * sizes.num_teachers
        self.register_buffer("shares", torch.tensor(sizes.shares or equal))

    def forward(
        self, embedding: Embedding, losses: ImageLosses, targets: Targets, inside: Inside | None = None
    ) -> tuple[Weights, OwnLoss]:
        return self.shares.expand_as(losses).clone(), losses.new_zeros(())


@final
class RandomBalancer(Balancer):
    """New weights for every batch, a softmax of standard normals (RLW, arXiv 2111.10603): the cheap control of clever schemes."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()

    def forward(
        self, embedding: Embedding, losses: ImageLosses, targets: Targets, inside: Inside | None = None
    ) -> tuple[Weights, OwnLoss]:
        weights = normals_of_batch(losses.shape[1], losses.device).softmax(dim=0)
        return weights.expand_as(losses).clone(), losses.new_zeros(())


@final
class AdaLossBalancer(Balancer):
    """Weights inversely proportional to the running mean of each loss (AdaLoss, as AM-RADIO uses it, section 4.4)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.running = RunningLosses(sizes.num_teachers)

    def forward(
        self, embedding: Embedding, losses: ImageLosses, targets: Targets, inside: Inside | None = None
    ) -> tuple[Weights, OwnLoss]:
        inverse = 1 / self.running(losses)
        return (inverse / inverse.sum()).expand_as(losses).clone(), losses.new_zeros(())


@final
class TeacherDropBalancer(Balancer):
    """UNIC's dropping of teachers (arXiv 2408.05088): of every image the one with the largest loss counts, each other by a coin.

    Those that count have equal weight, and weights sum to 1 on the mean over the batch. In evaluation every teacher counts.
    """

    KEPT = 0.5

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()

    def forward(
        self, embedding: Embedding, losses: ImageLosses, targets: Targets, inside: Inside | None = None
    ) -> tuple[Weights, OwnLoss]:
        if not self.training:
            return torch.full_like(losses, 1 / losses.shape[1]), losses.new_zeros(())
        counts = (uniforms_of_images(len(losses), losses.shape[1], losses.device) < self.KEPT).to(
            losses.dtype
        )
        counts = counts.scatter(1, losses.detach().argmax(dim=1, keepdim=True), 1.0)
        return counts / mean_over_batch(counts.sum(dim=1, keepdim=True)), losses.new_zeros(())


@final
class SequentialBalancer(Balancer):
    """One teacher after the other, in the recipe's order, each for an equal share of the steps.

    What the paper leaves to future work (arXiv 2504.02351, conclusion); what the student keeps of the first ones is the
    question. In evaluation the teacher of the last step counts.
    """

    taken: Tensor

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.steps = sizes.steps
        self.register_buffer("taken", torch.zeros((), dtype=torch.long))

    def forward(
        self, embedding: Embedding, losses: ImageLosses, targets: Targets, inside: Inside | None = None
    ) -> tuple[Weights, OwnLoss]:
        part, teachers = current_part(), losses.shape[1]
        if self.training and (part is None or part.number == 0):  # parts of one batch are one step
            self.taken += 1
        turn = ((self.taken - 1).clamp_min(0) * teachers // self.steps).clamp_max(teachers - 1)
        weights = (torch.arange(teachers, device=losses.device) == turn).to(losses.dtype)
        return weights.expand_as(losses).clone(), losses.new_zeros(())
