"""Stage 1's objective: the one place where token losses are reduced and teachers are weighted (eq. 3, 6 of arXiv 2504.02351)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from agglo.distill.balance import Balancer
from agglo.distill.losses import LOSSES, cosine_distance
from agglo.features import CodedNormaliser, Normaliser
from agglo.students import Student
from agglo.train import Outcome, Task

Match = Literal["teacher", "larger"]


@dataclass(frozen=True)
class TeacherTarget:
    """What a student is to match of one teacher: the frozen normaliser of what is stored of its features, and the head that
    predicts them."""

    normaliser: Normaliser | CodedNormaliser
    head: nn.Module


@final
class DistilTask(Task):
    """A student, one head per teacher, and a balancer."""

    def __init__(
        self,
        student: Student,
        targets: Mapping[str, TeacherTarget],
        balancer: Balancer,
        *,
        loss: str = "am-radio",
        match: Match = "teacher",
    ) -> None:
        """Take ready-made parts.

        Args:
            student: the encoder that is kept.
            targets: by teacher; the order is that of the balancer's weights.
            balancer: weighs the teachers.
            loss: a name of `LOSSES`.
            match: on which grid tokens are compared: the teacher's own, or the larger of the two (AM-RADIO section 3.3).
        """
        super().__init__()
        self.student = student
        self.names = tuple(targets)
        self.heads = nn.ModuleList(target.head for target in targets.values())
        self.normalisers = nn.ModuleList(target.normaliser for target in targets.values())
        self.balancer = balancer
        self.token_loss, self.match = LOSSES[loss], match

    def undecayed(self) -> tuple[str, ...]:
        """Keep weight decay off the balancer."""
        return ("balancer.",)

    def forward(self, batch: Any, step: int) -> Outcome:
        """Return the weighted loss of `{"grey": [B,S,S], "inside": [B,S/8,S/8], "features": {teacher: [B,dim,h,w]}}`.

        Features may be codes (int8, or fewer than the teacher is wide): the normaliser turns them back, on the device.

        Tokens count as much as their cell shows of the picture (`inside`); padding counts nothing.
        """
        embedding = self.student(self.student.preprocess(batch["grey"])).embedding
        predictions = [
            head(_tokens(self._on_grid(embedding, batch["features"][name])))
            for name, head in zip(self.names, self.heads, strict=True)
        ]
        with torch.autocast(embedding.device.type, enabled=False):  # losses in float32, always
            return self._weigh(embedding.float(), predictions, batch)

    def _weigh(
        self,
        embedding: Float[Tensor, "batch embed h w"],
        predictions: list[Tensor],
        batch: Mapping[str, Any],
    ) -> Outcome:
        losses, cosines, targets = [], [], []
        for name, normaliser, predicted in zip(self.names, self.normalisers, predictions, strict=True):
            matched = normaliser(batch["features"][name])
            shares = _tokens(self._on_grid(batch["inside"][:, None], matched))[..., 0]
            shares = shares / shares.sum(dim=1, keepdim=True).clamp_min(1e-6)
            target = _tokens(F.interpolate(matched, size=self._grid(embedding, matched), mode="bilinear"))
            targets.append(matched)
            losses.append((self.token_loss(predicted.float(), target) * shares).sum(dim=1))
            cosines.append(
                1 - (cosine_distance(predicted.detach().float(), target) * shares).sum(dim=1).mean()
            )
        image_losses = torch.stack(losses, dim=1)
        weights, own_loss = self.balancer(embedding, image_losses, targets)
        student_loss = (weights * image_losses).sum(dim=1).mean()
        scalars = {"balancer_loss": own_loss.detach()}
        for place, name in enumerate(self.names):
            scalars[f"teachers/{name}/loss"] = image_losses[:, place].mean().detach()
            scalars[f"teachers/{name}/cosine"] = cosines[place]
            scalars[f"teachers/{name}/weight"] = weights[:, place].detach().mean()
        # the balancer learns from its own loss, but what is shown and logged is the student's: the two have no common scale
        return Outcome(student_loss + (own_loss - own_loss.detach()), scalars)

    def _grid(
        self, embedding: Float[Tensor, "batch embed h w"], target: Shaped[Tensor, "batch dim rows cols"]
    ) -> tuple[int, int]:
        own, theirs = embedding.shape[2:], target.shape[2:]
        larger = self.match == "larger" and own.numel() > theirs.numel()
        rows, cols = own if larger else theirs
        return rows, cols

    def _on_grid(
        self, embedding: Float[Tensor, "batch embed h w"], target: Shaped[Tensor, "batch dim rows cols"]
    ) -> Float[Tensor, "batch embed gridh gridw"]:
        """Return the student's map on the grid of comparison: averaged where that is coarser, interpolated where finer."""
        rows, cols = self._grid(embedding, target)
        if rows <= embedding.shape[2] and cols <= embedding.shape[3]:
            return F.adaptive_avg_pool2d(embedding, (rows, cols))
        return F.interpolate(embedding, size=(rows, cols), mode="bilinear")


def _tokens(features: Float[Tensor, "batch dim h w"]) -> Float[Tensor, "batch h*w dim"]:
    return features.flatten(2).transpose(1, 2)
