"""Stage 1's objective: the one place where token losses are reduced and teachers are weighted (eq. 3, 6 of arXiv 2504.02351)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from agglo.distill.balance import Balancer
from agglo.distill.embedding import figures_of
from agglo.distill.grids import Match, Shrink, meeting_grid, resized
from agglo.distill.heads import Head
from agglo.distill.losses import LOSSES, ImageLosses, Shares, Tokens, cosine_distance
from agglo.distill.through_decoder import ThroughDecoder
from agglo.features import Normaliser
from agglo.students import Student
from agglo.train import Outcome, Task

SUMMARY = "@summary"
"""What a teacher's summary is called in a batch, behind the teacher's name; it is a map of one cell."""


@dataclass(frozen=True)
class TeacherTarget:
    """What a student is to match of one teacher: the frozen normaliser of what is stored of its features, and the head that
    predicts them."""

    normaliser: Normaliser
    head: Head


@dataclass(frozen=True)
class Drawing:
    """Masks through a teacher's own decoder: whose it is, the loss, and how much it counts beside the loss of features."""

    teacher: str
    loss: ThroughDecoder
    weight: float


@dataclass(frozen=True)
class Extras:
    """What is matched beside maps.

    Attributes:
        summaries: by teacher, of those whose summary is to be matched too, by a head of its own on the mean of the embedding
        over all
            cells. Its loss, `1 - cos`, joins that of the map (AM-RADIO section 3.4, with lambda = gamma = 1).
        drawing: masks through a teacher's decoder, whose loss is added; the balancer does not weigh it.
    """

    summaries: Mapping[str, TeacherTarget] = field(default_factory=dict)
    drawing: Drawing | None = None


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
        shrink: Shrink = "average",
        extras: Extras | None = None,
    ) -> None:
        """Take ready-made parts.

        Args:
            student: the encoder that is kept.
            targets: by teacher; the order is that of the balancer's weights.
            balancer: weighs the teachers.
            loss: a name of `LOSSES`.
            match: on which grid tokens are compared (`grids.meeting_grid`).
            shrink: how a map is brought to a coarser grid (`grids.resized`).
            extras: what is matched beside maps.
        """
        super().__init__()
        self.student = student
        self.names = tuple(targets)
        self.heads = nn.ModuleList(target.head for target in targets.values())
        self.normalisers = nn.ModuleList(target.normaliser for target in targets.values())
        self.balancer = balancer
        self.loss, self.match, self.shrink = LOSSES[loss], match, shrink
        summaries, self.drawing = (extras or Extras()).summaries, (extras or Extras()).drawing
        self.through_decoder = None if self.drawing is None else self.drawing.loss
        self.summaries = tuple(summaries)
        self.summary_heads = nn.ModuleList(target.head for target in summaries.values())
        self.summary_normalisers = nn.ModuleList(target.normaliser for target in summaries.values())

    def undecayed(self) -> tuple[str, ...]:
        """Keep weight decay off the balancer."""
        return ("balancer.",)

    def targets(self) -> dict[str, TeacherTarget]:
        """Return normaliser and head of every teacher's map, and of summaries, which are called `TEACHER@summary`."""
        names = (*self.names, *(f"{name}{SUMMARY}" for name in self.summaries))
        pairs = zip(
            [*self.normalisers, *self.summary_normalisers], [*self.heads, *self.summary_heads], strict=True
        )
        return {
            name: TeacherTarget(cast(Normaliser, normaliser), cast(Head, head))
            for name, (normaliser, head) in zip(names, pairs, strict=True)
        }

    def forward(self, batch: Any, step: int) -> Outcome:
        """Return the weighted loss of `{"grey": [B,S,S], "inside": [B,S/8,S/8], "features": {teacher: [B,dim,h,w]}}`.

        Features may be codes (int8, or fewer than the teacher is wide): the normaliser turns them back, on the device.

        Tokens count as much as their cell shows of the picture (`inside`); padding counts nothing.
        """
        embedding = self.student(self.student.preprocess(batch["grey"])).embedding
        grids = [self._grid(embedding, batch["features"][name]) for name in self.names]
        predictions = [
            head(resized(embedding, grid, self.shrink)) for head, grid in zip(self.heads, grids, strict=True)
        ]
        predictions += [head(resized(embedding, (1, 1))) for head in self.summary_heads]
        with torch.autocast(embedding.device.type, enabled=False):  # losses in float32, always
            return self._weigh(embedding.float(), predictions, batch)

    def _weigh(
        self,
        embedding: Float[Tensor, "batch embed h w"],
        predictions: list[Tensor],
        batch: Mapping[str, Any],
    ) -> Outcome:
        losses, cosines, targets = [], [], []
        maps, summaries = predictions[: len(self.names)], predictions[len(self.names) :]
        for name, normaliser, predicted in zip(self.names, self.normalisers, maps, strict=True):
            matched = normaliser(batch["features"][name])
            grid = self._grid(embedding, matched)
            shares = _tokens(resized(batch["inside"][:, None], grid, self.shrink))[..., 0]
            shares = shares / shares.sum(dim=1, keepdim=True).clamp_min(1e-6)
            met = resized(matched, grid, self.shrink).contiguous()  # a product's axes come in any order
            tokens, target = _tokens(predicted.float()), _tokens(met)
            targets.append(matched)
            losses.append(self._image_losses(tokens, target, shares))
            cosines.append(1 - (cosine_distance(tokens.detach(), target) * shares).sum(dim=1).mean())
        distances = self._summary_distances(summaries, batch)
        for name, distance in distances.items():
            losses[self.names.index(name)] = losses[self.names.index(name)] + distance
        image_losses = torch.stack(losses, dim=1)
        weights, own_loss = self.balancer(embedding, image_losses, targets, batch["inside"])
        student_loss = (weights * image_losses).sum(dim=1).mean()
        scalars = {"balancer_loss": own_loss.detach()}
        for place, name in enumerate(self.names):
            scalars[f"teachers/{name}/loss"] = image_losses[:, place].mean().detach()
            scalars[f"teachers/{name}/cosine"] = cosines[place]
            scalars[f"teachers/{name}/weight"] = weights[:, place].detach().mean()
        scalars |= {f"teachers/{name}/summary": 1 - far.mean().detach() for name, far in distances.items()}
        if self.drawing is not None:
            drawn = self._drawn(maps, targets, batch)
            student_loss = student_loss + self.drawing.weight * drawn
            scalars[f"teachers/{self.drawing.teacher}/drawn"] = drawn.detach()
        # the balancer learns from its own loss, but what is shown and logged is the student's: the two have no common scale
        total = student_loss + (own_loss - own_loss.detach())
        return Outcome(total, scalars, figures_of(embedding, batch["inside"]))

    def _drawn(
        self, maps: list[Tensor], targets: list[Tensor], batch: Mapping[str, Any]
    ) -> Float[Tensor, ""]:
        """Return the mean loss of masks that one teacher's decoder draws from the student's features in its place."""
        assert self.drawing is not None
        place = self.names.index(self.drawing.teacher)
        normaliser, own = self.normalisers[place], targets[place]
        rows, cols = own.shape[2:]
        predicted = resized(maps[place].float(), (rows, cols), self.shrink)
        inverse = cast(Normaliser, normaliser).inverse
        return self.drawing.loss(inverse(predicted), inverse(own), batch["inside"]).mean()

    def _summary_distances(
        self, predictions: list[Tensor], batch: Mapping[str, Any]
    ) -> dict[str, ImageLosses]:
        """Return `1 - cos` of each image's summary, for the teachers whose summaries are matched."""
        wanted = zip(self.summaries, self.summary_normalisers, predictions, strict=True)
        return {
            name: cosine_distance(
                _tokens(predicted.float()), _tokens(normaliser(batch["features"][f"{name}{SUMMARY}"]))
            )[:, 0]
            for name, normaliser, predicted in wanted
        }

    def _image_losses(self, predicted: Tokens, target: Tokens, shares: Shares) -> ImageLosses:
        """Return one figure for each image: the mean over tokens by their shares, or what a loss of maps makes of them."""
        if self.loss.is_of_maps:
            return self.loss.of(predicted, target, shares)
        return (self.loss.of(predicted, target) * shares).sum(dim=1)

    def _grid(self, embedding: Tensor, features: Tensor) -> tuple[int, int]:
        (own_rows, own_cols), (rows, cols) = embedding.shape[2:], features.shape[2:]
        return meeting_grid(self.match, (own_rows, own_cols), (rows, cols))


def _tokens(features: Float[Tensor, "batch dim h w"]) -> Float[Tensor, "batch h*w dim"]:
    return features.flatten(2).transpose(1, 2)
