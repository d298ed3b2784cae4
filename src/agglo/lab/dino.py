"""lab-dino: learns without labels to find, in a half-hidden view, what its own slowly moving copy makes of the same places.

At every cell that both views share, the student's token has to pick the copy's token of the same place among all of that view
(patch contrast, as in ConMIM, arXiv 2205.09616); the copy's tokens are averaged over its last blocks, each normalised, as in
data2vec (arXiv 2202.03555). The views are offset by whole cells, so a fixed code of positions cannot help. A small part is to fill
in the hidden pixels (as in MAE, arXiv 2111.06377), which starts the learning, and a term that keeps the features from falling onto
a few directions. The copy ships.
"""

import copy
from typing import Any, final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from agglo.teachers.build import build_encoder
from agglo.teachers.catalogue import TeacherEntry
from agglo.teachers.protocol import preprocess
from agglo.train.task import Outcome, Task

NUM_TARGET_BLOCKS = 3
LAST_DECAY = 0.996
HIDDEN_WEIGHT = 0.5
PIXEL_WEIGHT = 0.5
SPREAD_WEIGHT = 2.0
TEMPERATURE = 0.2


@final
class SelfDistillation(Task):
    """A student, its moving copy, and the head that predicts one from the other."""

    def __init__(self, entry: TeacherEntry) -> None:
        """Build with random weights from torch's global generator."""
        super().__init__()
        self.entry = entry
        self.student = build_encoder(entry)
        self.encoder = copy.deepcopy(self.student).requires_grad_(False)
        self.head = nn.Sequential(
            nn.Linear(entry.dim, 2 * entry.dim), nn.GELU(), nn.Linear(2 * entry.dim, entry.dim)
        )
        self.pixels = nn.Linear(entry.dim, entry.stride_px**2)

    def forward(self, batch: Any, step: int) -> Outcome:
        """Return the weighted sum of `terms`; see `ViewPairs.sample`.

        The copy follows the student here, before it is asked, so that a step is a function of the weights it starts from.
        """
        follow(self.encoder, self.student, decay=min(LAST_DECAY, (1 + step) / (10 + step)))
        terms = self.terms(batch)
        total = (
            terms["visible"]
            + HIDDEN_WEIGHT * terms["hidden"]
            + PIXEL_WEIGHT * terms["pixels"]
            + SPREAD_WEIGHT * terms["spread"]
        )
        return Outcome(total, {name: value.detach() for name, value in terms.items()})

    def terms(self, batch: Any) -> dict[str, Tensor]:
        """Return the terms of the loss: contrast at hidden and at visible cells, hidden pixels, and how little is spread."""
        hidden, cells = batch["hidden"], batch["hidden"].shape[-1]
        seen = preprocess(self.entry, batch["seen"])
        tokens = self.student(seen, bool_masked_pos=hidden.flatten(1)).last_hidden_state[:, 1:]
        predicted, filled = self.head(tokens).float(), self.pixels(tokens).float()
        which, is_shared = aligned(cells, batch["shift"])
        targets = self._targets(batch["target"])
        with torch.autocast(tokens.device.type, enabled=False):
            errors = contrast_cells(predicted, targets, which.flatten(1))
            spread = concentration(tokens.float())
        errors = errors.reshape(hidden.shape)
        misfit = (filled - patches(batch["seen"], self.entry.stride_px)).square().mean(-1)
        return {
            "hidden": mean_where(errors, is_shared & hidden),
            "visible": mean_where(errors, is_shared & ~hidden),
            "pixels": mean_where(misfit.reshape(hidden.shape), hidden),
            "spread": spread,
        }

    @torch.no_grad()
    def _targets(self, images: Float[Tensor, "batch size size"]) -> Float[Tensor, "batch tokens dim"]:
        self.encoder.eval()
        answer = self.encoder(preprocess(self.entry, images), output_hidden_states=True)
        blocks = [block[:, 1:].float() for block in answer.hidden_states[-NUM_TARGET_BLOCKS:]]
        mean = torch.stack([F.layer_norm(block, block.shape[-1:]) for block in blocks]).mean(0)
        centred = mean - mean.mean(1, keepdim=True)
        return centred / centred.std((0, 1)).clamp(min=1e-3)


@torch.no_grad()
def follow(target: nn.Module, source: nn.Module, *, decay: float) -> None:
    """Move the parameters of `target` towards those of `source` by `1 - decay`."""
    for mine, other in zip(target.parameters(), source.parameters(), strict=True):
        mine.lerp_(other.detach(), 1 - decay)


def aligned(
    cells: int, shift: Int[Tensor, "batch 2"]
) -> tuple[Int[Tensor, "batch {cells} {cells}"], Bool[Tensor, "batch {cells} {cells}"]]:
    """Return the number of the cell at (row + shift, column + shift) for every cell, and where that lies on the grid."""
    places = torch.arange(cells, device=shift.device) + shift.unsqueeze(-1)
    is_inside = (places >= 0) & (places < cells)
    rows, columns = places.clamp(0, cells - 1).unbind(1)
    return (
        rows[:, :, None] * cells + columns[:, None, :],
        is_inside[:, 0, :, None] & is_inside[:, 1, None, :],
    )


def contrast_cells(
    predicted: Float[Tensor, "batch tokens dim"],
    targets: Float[Tensor, "batch tokens dim"],
    which: Int[Tensor, "batch tokens"],
) -> Float[Tensor, "batch tokens"]:
    """Return the cross-entropy of picking target `which` among all targets of the same image, by cosine, for every token."""
    likeness = F.normalize(predicted, dim=-1) @ F.normalize(targets, dim=-1).transpose(1, 2) / TEMPERATURE
    return F.cross_entropy(likeness.transpose(1, 2), which, reduction="none")


def patches(images: Float[Tensor, "batch size size"], patch_px: int) -> Float[Tensor, "batch tokens pixels"]:
    """Return the pixels of every patch, brought to mean 0 and variance 1 (flat patches stay near 0)."""
    pixels = F.pixel_unshuffle(images.unsqueeze(1), patch_px).flatten(2).transpose(1, 2)
    return (pixels - pixels.mean(-1, keepdim=True)) / (pixels.var(-1, keepdim=True) + 1e-4).sqrt()


def mean_where(values: Float[Tensor, "*axes"], is_counted: Bool[Tensor, "*axes"]) -> Float[Tensor, ""]:
    """Return the mean of the values that count; 0 where none does."""
    return (values * is_counted).sum() / is_counted.sum().clamp(min=1)


def concentration(tokens: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, ""]:
    """Return on how few directions the tokens lie: `tr(C^2) / tr(C)^2` of their covariance, the mean of two readings.

    Once about the grand mean, once of what neither the image's nor the position's mean explains. 1 on a line, `1 / dim` when all
    directions share alike.
    """
    grand = tokens.mean((0, 1), keepdim=True)
    left = tokens - tokens.mean(0, keepdim=True) - tokens.mean(1, keepdim=True) + grand
    readings = []
    for centred in (tokens - grand, left):
        flat = centred.flatten(0, 1)
        covariance = flat.T @ flat
        readings.append(covariance.square().sum() / covariance.trace().square().clamp(min=1e-12))
    return (readings[0] + readings[1]) / 2
