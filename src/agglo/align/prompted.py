"""What the prompt decoder learns, from a prompt and from its correction: the mask, its quality, and whether there is anything.

As in SAM and EdgeSAM a prompt is answered twice: the second time the first answer's mask and a click where it was wrong come
along. The number of points follows from the step and clicks from numbers that the sample brings, so a loss is a pure function of
weights, batch and step.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from agglo.align.jitter import BOX, NUM_POINTS, POINTS
from agglo.align.losses import binary_cross_entropy, dice_loss, presence_loss
from agglo.core.shapes import StudentFeatures
from agglo.decoders.clicks import correction
from agglo.decoders.prompts import BOTTOM_RIGHT, INSIDE, TOP_LEFT, PromptAnswer, PromptDecoder
from agglo.train import Outcome
from agglo.train.team import mean_over_batch

MOST_LOGIT = 32.0
"""SAM2's bound on the logits of a mask that is given back."""

Cells = Float[Tensor, "batch h w"]


class Counted(NamedTuple):
    """What each image's prompt of one kind counts: in what is learned of all that are usable, and of those on something."""

    usable: Float[Tensor, " batch"]
    on_object: Float[Tensor, " batch"]


def prompted_loss(
    decoder: PromptDecoder,
    features: StudentFeatures,
    batch: Mapping[str, Tensor],
    *,
    step: int,
    dice_weight: float,
) -> Outcome:
    """Return the mean loss of a batch's boxes and points, each answered twice; see `jitter.Prompts` for what the batch has.

    Prompts that nobody has weighed (`weighed_prompts`) are taken for those of a whole batch.

    Of a mask, cross-entropy plus weighted Dice loss, the latter only where there is something; of its quality, the squared error
    against its true intersection over union; of presence, the cross-entropy.
    """
    prompts: Mapping[str, Tensor] = batch["prompts"]  # type: ignore[assignment]
    if "usable_weight" not in prompts:
        prompts = weighed_prompts(prompts)
    rows = torch.arange(len(prompts["box"]), device=prompts["box"].device)
    num_points = 1 + step % NUM_POINTS
    asked = {
        BOX: (prompts["box"].reshape(-1, 2, 2), [TOP_LEFT, BOTTOM_RIGHT]),
        POINTS: (prompts["points"][:, :num_points], [INSIDE] * num_points),
    }
    outcomes = []
    for kind, (points, meaning) in asked.items():
        is_object = prompts["is_object"][:, kind]
        counted = Counted(prompts["usable_weight"][:, kind], prompts["object_weight"][:, kind])
        truth = batch["coverage"][rows, prompts["chosen"][:, kind]] * is_object[:, None, None]
        labels = torch.stack([torch.full_like(rows, each) for each in meaning], dim=1)
        first = decoder.answer(features, points, labels)
        where, label = correction(first.masks.detach(), truth, batch["inside"], prompts["draws"][:, kind])
        where = where * (decoder.image_size / truth.shape[-1])
        second = decoder.answer(
            features,
            torch.cat([points, where[:, None].to(points.dtype)], dim=1),
            torch.cat([labels, label[:, None]], dim=1),
            first.masks.detach().clamp(-MOST_LOGIT, MOST_LOGIT),
        )
        for answer in (first, second):
            outcomes.append(_judged(answer, truth, batch["inside"], is_object, counted, dice_weight))
    scalars = {
        name: torch.stack([each.scalars[name] for each in outcomes]).mean() for name in outcomes[0].scalars
    }
    return Outcome(torch.stack([each.total for each in outcomes]).mean(), scalars)


def weighed_prompts(prompts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return `prompts` with `usable_weight` and `object_weight`, `[B, 2]`: what each that is usable, or also on something, counts.

    They are over the images of all processes, and must be taken of a batch before it is cut: means over images of parts then
    are means over the prompts of all.
    """
    is_usable = prompts["is_usable"]
    return {
        **prompts,
        "usable_weight": _weights(is_usable),
        "object_weight": _weights(is_usable & prompts["is_object"]),
    }


def true_quality(logits: Cells, truth: Cells, inside: Cells) -> Float[Tensor, " batch"]:
    """Return the intersection over union of masks and truth over the cells of the picture, in [0, 1]; 1 where both are empty."""
    in_picture = inside >= 0.5
    predicted, is_there = (logits > 0) & in_picture, (truth >= 0.5) & in_picture
    union = (predicted | is_there).sum(dim=(1, 2))
    shared = (predicted & is_there).sum(dim=(1, 2))
    return torch.where(union == 0, 1.0, shared / union.clamp_min(1))


def _weights(counted: Bool[Tensor, "batch kinds"]) -> Float[Tensor, "batch kinds"]:
    """Return equal weights of all that counts, of each kind 1 on the mean over the images; zeros where nothing does."""
    return counted / mean_over_batch(counted.float()).clamp_min(1e-6)


def _judged(
    answer: PromptAnswer,
    truth: Cells,
    inside: Cells,
    is_object: Bool[Tensor, " batch"],
    counted: Counted,
    dice_weight: float,
) -> Outcome:
    """Return the loss of one round of answers, in float32 whatever the precision; each counts as `counted` says."""
    with torch.autocast(truth.device.type, enabled=False):
        logits = answer.masks.float()
        maps = logits[:, None], truth[:, None], inside
        losses = {
            "bce": (binary_cross_entropy(*maps)[:, 0], counted.usable, 1.0),
            "dice_loss": (dice_loss(*maps)[:, 0], counted.on_object, dice_weight),
            "presence": (
                presence_loss(answer.presence.float()[:, None], is_object[:, None].float())[:, 0],
                counted.usable,
                1.0,
            ),
            "quality": (
                (answer.quality.float() - true_quality(logits.detach(), truth, inside)).square(),
                counted.usable,
                1.0,
            ),
        }
        means = {name: (loss * counts).mean() for name, (loss, counts, _) in losses.items()}
        total = torch.stack([weight * means[name] for name, (_, _, weight) in losses.items()]).sum()
    return Outcome(total, {name: value.detach() for name, value in means.items()})
