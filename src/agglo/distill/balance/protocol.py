"""What every balancer keeps: weights for every image of a batch, and a loss of its own.

To add one: a `@final` subclass of `Balancer` that is built from `Sizes`, named in `BALANCERS`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from agglo.train.part import current_part
from agglo.train.team import mean_over_batch

Weights = Float[Tensor, "batch teachers"]
ImageLosses = Float[Tensor, "batch teachers"]
Embedding = Float[Tensor, "batch embed h w"]
OwnLoss = Float[Tensor, ""]
Inside = Float[Tensor, "batch rows cols"]
Targets = Sequence[Float[Tensor, "batch ..."]]


@dataclass(frozen=True)
class Sizes:
    """What a balancer is built for.

    Attributes:
        embed_dim: width of the student's embedding.
        teacher_dims: width of each teacher's map, in the order of the weights.
        shares: how much each teacher is to count, where somebody says so; they sum to 1.
        steps: of the whole training, for what goes by them.
    """

    embed_dim: int
    teacher_dims: tuple[int, ...]
    shares: tuple[float, ...] | None = None
    steps: int = 1

    @property
    def num_teachers(self) -> int:
        """How many teachers there are."""
        return len(self.teacher_dims)


class Balancer(nn.Module, ABC):
    """Abstract: gives weights, and a loss of its own that trains them.

    What it decides from is the mean over the images of all processes (`mean_over_batch`), and what it draws is the batch's or an
    image's (`train/part.py`), so that processes never drift apart. Where a batch is cut into parts (`accumulate`), it sees one
    after the other: what is an image's own is as it would be without; what is the batch's is the part's, but running losses end up
    as they would have without.
    """

    @abstractmethod
    def forward(
        self, embedding: Embedding, losses: ImageLosses, targets: Targets, inside: Inside | None = None
    ) -> tuple[Weights, OwnLoss]:
        """Return weights and the balancer's own loss (0 where nothing is learned by one).

        Args:
            embedding: of the student.
            losses: of each image, for each teacher.
            targets: the normalised map `[batch, dim, h, w]` of each teacher.
            inside: how much of every cell of some grid shows the picture, for who looks at maps; all by default.

        Returns:
            Weights of every image, which sum to 1 (on the mean over the batch), without gradient unless the form is one that is
            printed so; and the loss that trains the balancer, in which embedding and losses are constants.
        """


class RunningLosses(nn.Module):
    """Running mean of every teacher's loss, corrected for having started from zero as Adam's are; moves in training only."""

    mean: Tensor
    share_seen: Tensor

    def __init__(self, num_teachers: int, momentum: float = 0.99) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(num_teachers))
        self.register_buffer("share_seen", torch.zeros(()))
        self.before = self.mean, self.share_seen  # of this step
        self.so_far, self.num_so_far = self.mean, 0

    @torch.no_grad()
    def forward(self, losses: ImageLosses) -> Float[Tensor, " teachers"]:
        """Take the losses of a batch in; return the means, these included.

        After the last part of a batch that is cut they are those of the batch in one piece.
        """
        if self.training:
            self._take(mean_over_batch(losses.detach()))
        return (self.mean / self.share_seen.clamp_min(1e-8)).clamp_min(1e-8)

    def _take(self, losses: Float[Tensor, " teachers"]) -> None:
        part = current_part()
        if part is None or part.number == 0:
            self.before = self.mean.clone(), self.share_seen.clone()
            self.so_far, self.num_so_far = losses, 0
        num_samples = part.num_samples if part else 1
        self.num_so_far += num_samples
        self.so_far = self.so_far.lerp(losses, num_samples / self.num_so_far)
        mean, share_seen = self.before
        self.mean.copy_(mean.lerp(self.so_far, 1 - self.momentum))
        self.share_seen.copy_(share_seen.lerp(torch.ones_like(share_seen), 1 - self.momentum))
