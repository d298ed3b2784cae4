"""Stage 2's objective: Dice + cross-entropy over what is known, with the encoder frozen, tuned from some step on, or trained.

A decoder that says whether a structure is there learns that too, from what a view shows and from what is known to be absent.
Padding, which no mask of a picture ever reaches, takes no part, as in stage 1.
`UNLABELLED` and `NOT_ASSESSABLE` structures of a frame take no part: no gradient says that they are absent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from agglo.align.losses import binary_cross_entropy, dice_loss, presence_loss
from agglo.align.prompted import prompted_loss, weighed_prompts
from agglo.core.shapes import StudentFeatures
from agglo.decoders import PromptDecoder, StructureDecoder, StructureLogits
from agglo.students import Student, freeze_norms
from agglo.train import Outcome, Task
from agglo.train.team import mean_over_batch

PRESENCE_WEIGHT = 1.0
"""Of the presence loss: as the Dice loss's usual one, and as in SAM2, whose object score counts as its Dice loss does."""


@dataclass(frozen=True)
class EncoderTuning:
    """How the encoder takes part.

    Attributes:
        tuned_from: the step from which it is trained; `None` keeps it frozen.
        learning_rate_scale: its rate as a share of the decoder's.
        norms: `frozen` keeps the batch norms' statistics (always so for an encoder that is never trained); with `trained` they
            normalise by the batch, and their statistics follow it from the first step.
    """

    tuned_from: int | None = None
    learning_rate_scale: float = 1.0
    norms: Literal["frozen", "trained"] = "frozen"


@final
class AlignTask(Task):
    """A student and a structure decoder; beside it a prompt decoder, if there is to be one."""

    def __init__(
        self,
        student: Student,
        decoder: StructureDecoder,
        *,
        encoder: EncoderTuning,
        dice_weight: float = 1.0,
        prompts: PromptDecoder | None = None,
    ) -> None:
        """Take ready-made parts; `dice_weight` weighs the Dice loss against the cross-entropy."""
        super().__init__()
        self.student, self.decoder, self.prompts = student, decoder, prompts
        self.encoder, self.dice_weight = encoder, dice_weight
        if encoder.tuned_from is None:
            student.requires_grad_(False)
        if encoder.tuned_from is None or encoder.norms == "frozen":
            freeze_norms(student)

    def learning_rate_scales(self) -> dict[str, float]:
        """Give the encoder its own rate."""
        return {"student.": self.encoder.learning_rate_scale}

    def logits(self, grey: Float[Tensor, "batch size size"], *, is_tuned: bool) -> StructureLogits:
        """Return mask logits at half the size of unit `grey` images, and those of presence where the decoder tells."""
        return self.decoder.decode(self._features(grey, is_tuned=is_tuned))

    def _features(self, grey: Float[Tensor, "batch size size"], *, is_tuned: bool) -> StudentFeatures:
        with torch.set_grad_enabled(is_tuned and torch.is_grad_enabled()):
            features: StudentFeatures = self.student(self.student.preprocess(grey))
        return features

    def weighed(self, batch: Any) -> Any:
        """Return `batch` with what each known structure weighs, and each prompt where there is a prompt decoder."""
        found = weighed(batch)
        return found if self.prompts is None else {**found, "prompts": weighed_prompts(batch["prompts"])}

    def forward(self, batch: Any, step: int) -> Outcome:
        """Return the loss of a batch of `MaskSource`, whose coverage must be at half the size of its pictures.

        With a prompt decoder the batch must have prompts, and their loss is added.
        """
        is_tuned = self.encoder.tuned_from is not None and step >= self.encoder.tuned_from
        features = self._features(batch["grey"], is_tuned=is_tuned)
        outcome = known_loss(self.decoder.decode(features), batch, dice_weight=self.dice_weight)
        if self.prompts is None:
            return outcome
        prompted = prompted_loss(self.prompts, features, batch, step=step, dice_weight=self.dice_weight)
        named = {f"prompts/{name}": value for name, value in prompted.scalars.items()}
        return Outcome(outcome.total + prompted.total, {**outcome.scalars, **named})


def weighed(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Return `batch` with `known_weight`, `shown_weight` and `presence_weight`, `[B, K]`: what a structure of an image counts.

    They are over the images of all processes, and must be taken of a batch before it is cut: means over images of parts then
    are means over the structures of all.
    """
    known: Bool[Tensor, "batch structures"] = batch["known"]
    is_shown = known & (batch["coverage"] * batch["inside"][:, None] > 0).any(dim=(2, 3))
    return {
        **batch,
        "is_shown": is_shown,
        "known_weight": _weights(known),
        "shown_weight": _weights(is_shown),
        "presence_weight": _weights(is_shown | batch["absent"] if "absent" in batch else is_shown),
    }


def known_loss(logits: StructureLogits, batch: Mapping[str, Tensor], *, dice_weight: float) -> Outcome:
    """Return cross-entropy plus weighted Dice loss over the structures that are known, in float32 whatever the precision.

    Of `batch`, which `MaskSource` makes, `coverage` must be on the logits' grid, and `inside`: padding counts nothing. One that
    nobody has `weighed` is taken for a whole one. Where a structure is known to be absent there is nothing to overlap with, and the
    cross-entropy alone judges: the Dice loss would pull every pixel down with the weight of a whole structure, and one frame in
    thirty without most (a view of the oesophagus) then keeps the others from being learned (docs/log.md).

    Presence, where it is told, is judged where the view shows some of a structure, and where it is known to be absent. What a crop
    has cut off, or nobody has judged, teaches nothing: it may well be there.
    """
    if "known_weight" not in batch:
        batch = weighed(batch)
    with torch.autocast(logits.masks.device.type, enabled=False):
        maps = logits.masks.float(), batch["coverage"], batch["inside"]
        entropy = (binary_cross_entropy(*maps) * batch["known_weight"]).sum(dim=1).mean()
        dice = (dice_loss(*maps) * batch["shown_weight"]).sum(dim=1).mean()
        total, scalars = entropy + dice_weight * dice, {"dice_loss": dice.detach(), "bce": entropy.detach()}
        if logits.presence is not None:
            each = presence_loss(logits.presence.float(), batch["is_shown"].float())
            presence = (each * batch["presence_weight"]).sum(dim=1).mean()
            total, scalars = total + PRESENCE_WEIGHT * presence, {**scalars, "presence": presence.detach()}
    return Outcome(total, scalars)


def _weights(counted: Bool[Tensor, "batch structures"]) -> Float[Tensor, "batch structures"]:
    """Return equal weights of all that counts, which sum to 1 on the mean over the images; zeros where nothing does."""
    count = mean_over_batch(counted.sum(dim=1, keepdim=True).float())
    return counted / count.clamp_min(1e-6)
