"""lab-sam: learns to outline whatever a box points at, in scenes that have nothing of the swallowing anatomy.

The encoder is the catalogue's (SAM2's Hiera with feature pyramid), the decoder SAM2's; only the encoder ships. A box is given to
the decoder as its two corners and, filled, as SAM2's mask prompt: from corners alone it takes hundreds of steps to find out where
a box is. Losses are computed on the decoder's own grid, the measured Dice at the image's full size.
"""

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from agglo.decoders.prompts import PromptDecoder
from agglo.lab.prompts import tight_boxes
from agglo.teachers.build import build_encoder
from agglo.teachers.catalogue import TeacherEntry
from agglo.teachers.protocol import preprocess
from agglo.train.task import Outcome, Task

BCE_WEIGHT = 2.0
WINDOW_MARGIN = 0.1  # of a box's side, and one cell: what counts as near the box


def soft_dice_loss(
    logits: Float[Tensor, "batch prompts h w"], coverage: Float[Tensor, "batch prompts h w"]
) -> Float[Tensor, "batch prompts"]:
    """Return `1 - 2|P T| / (|P| + |T|)` of probabilities and coverage for every prompt; both empty gives 0."""
    predicted = logits.sigmoid()
    shared = (predicted * coverage).sum((-2, -1))
    total = predicted.sum((-2, -1)) + coverage.sum((-2, -1))
    return 1 - (2 * shared + 1) / (total + 1)


def box_coverage(boxes: Float[Tensor, "boxes 4"], cells: int) -> Float[Tensor, "boxes {cells} {cells}"]:
    """Return the share of each of `cells x cells` squares that a box covers; boxes are in fractions of the image's side."""
    edges = torch.arange(cells, device=boxes.device)
    scaled = (boxes * cells).unsqueeze(-1)
    inside = [
        (torch.minimum(edges + 1, scaled[:, high]) - torch.maximum(edges, scaled[:, low])).clamp(0, 1)
        for low, high in ((1, 3), (0, 2))
    ]
    return inside[0].unsqueeze(2) * inside[1].unsqueeze(1)


def windowed_bce(
    logits: Float[Tensor, "batch prompts h h"],
    coverage: Float[Tensor, "batch prompts h h"],
    boxes: Float[Tensor, "batch prompts 4"],
) -> Float[Tensor, "batch prompts"]:
    """Return the mean of two cross-entropies: over the surroundings of the box, and over all the rest.

    So a small thing weighs as much as a large one, and the many cells far from any edge do not drown the few that matter.
    """
    cells = logits.shape[-1]
    corners = boxes.flatten(0, 1)
    margin = WINDOW_MARGIN * (corners[:, 2:] - corners[:, :2]) + 1 / cells
    window = box_coverage(torch.cat([corners[:, :2] - margin, corners[:, 2:] + margin], 1), cells)
    near = window.reshape(logits.shape)
    entropy = F.binary_cross_entropy_with_logits(logits, coverage, reduction="none")
    means = [
        (entropy * weight).sum((-2, -1)) / weight.sum((-2, -1)).clamp(min=1.0) for weight in (near, 1 - near)
    ]
    return (means[0] + means[1]) / 2


@final
class PromptedSegmentation(Task):
    """Encoder and decoder, trained together on boxes."""

    def __init__(self, entry: TeacherEntry) -> None:
        """Build both with random weights from torch's global generator."""
        super().__init__()
        self.entry = entry
        self.encoder = build_encoder(entry)
        self.decoder = PromptDecoder(
            embed_dim=entry.dim, image_size=entry.input_px, patch_size=entry.stride_px, mlp_dim=512
        )

    def logits(
        self, images: Float[Tensor, "batch size size"], boxes: Float[Tensor, "batch prompts 4"]
    ) -> Float[Tensor, "batch prompts h w"]:
        """Return one fp32 logit map per box, at a quarter of the encoder's stride; images are in `[0, 1]`."""
        embedding = self.encoder(preprocess(self.entry, images)).fpn_hidden_states[-1]
        batch, num_prompts = boxes.shape[:2]
        filled = 2 * box_coverage(boxes.flatten(0, 1) / self.entry.input_px, 4 * embedding.shape[-1]) - 1
        prompted = embedding.repeat_interleave(num_prompts, 0)
        prompted = prompted + self.decoder.prompt_encoder.mask_embed(filled.unsqueeze(1))
        answers = self.decoder(prompted, boxes.flatten(0, 1).unsqueeze(1)).float()
        return answers.reshape(batch, num_prompts, *answers.shape[-2:])

    def forward(self, batch: Any, step: int) -> Outcome:
        """Return Dice and cross-entropy against coverage, averaged over prompts; see `ScenePrompts.sample`."""
        logits, coverage = self.logits(batch["image"], batch["boxes"]), batch["coverage"]
        dice = soft_dice_loss(logits, coverage).mean()
        bce = windowed_bce(logits, coverage, batch["boxes"] / self.entry.input_px).mean()
        return Outcome(dice + BCE_WEIGHT * bce, {"dice_loss": dice.detach(), "bce": bce.detach()})


Prompted = tuple[UInt8[np.ndarray, "_ _"], Bool[np.ndarray, "_ _ _"]]


@torch.no_grad()
def box_dice(task: PromptedSegmentation, cases: Sequence[Prompted]) -> list[Float[np.ndarray, " _"]]:
    """Return, for each image with its masks, the Dice of every mask when prompted with its tight box; no mask, no values.

    Logits are brought to the image's size bilinearly and cut at 0.
    """
    task.eval()
    values = []
    for image, masks in cases:
        if len(masks) == 0:
            values.append(np.zeros(0, np.float32))
            continue
        unit = torch.from_numpy(image.astype(np.float32) / 255)[None]
        logits = task.logits(unit, torch.from_numpy(tight_boxes(masks))[None])
        full = F.interpolate(logits, size=image.shape, mode="bilinear", align_corners=False)[0]
        predicted = full.numpy() > 0
        shared = (predicted & masks).sum((1, 2))
        values.append((2 * shared / (predicted.sum((1, 2)) + masks.sum((1, 2)))).astype(np.float32))
    return values
