"""lab-dino: learns without labels what its own slowly moving copy makes of the same place in another view.

The student sees a view with about half of its cells hidden; at every cell that both views share, it has to give the copy's tokens
(averaged over the last blocks, each normalised, as in data2vec, arXiv 2202.03555). The views are offset by whole cells, so a fixed
code of positions cannot help. A term against correlated channels keeps the features from falling onto a few directions, as in
VICReg (arXiv 2105.04906); it is taken on what is left after each image's and each position's mean. The copy ships.
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
VISIBLE_WEIGHT = 0.5
DECORRELATION_WEIGHT = 4.0


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

    def forward(self, batch: Any, step: int) -> Outcome:
        """Return the prediction error plus the term against correlation; see `ViewPairs.sample`.

        The copy follows the student here, before it is asked, so that a step is a function of the weights it starts from.
        """
        follow(self.encoder, self.student, decay=min(LAST_DECAY, (1 + step) / (10 + step)))
        terms = self.errors(batch)
        total = (
            terms["masked"] + VISIBLE_WEIGHT * terms["visible"] + DECORRELATION_WEIGHT * terms["correlation"]
        )
        return Outcome(total, {name: value.detach() for name, value in terms.items()})

    def errors(self, batch: Any) -> dict[str, Tensor]:
        """Return the terms of the loss: error at hidden cells, at visible cells, and correlation of channels."""
        hidden = batch["hidden"]
        seen = preprocess(self.entry, batch["seen"])
        tokens = self.student(seen, bool_masked_pos=hidden.flatten(1)).last_hidden_state[:, 1:]
        predicted = self.head(tokens).float().reshape(*hidden.shape, -1)
        targets, is_shared = aligned(self._targets(batch["target"], hidden.shape[-1]), batch["shift"])
        errors = F.smooth_l1_loss(predicted, targets, reduction="none").mean(-1)
        return {
            "masked": mean_where(errors, is_shared & hidden),
            "visible": mean_where(errors, is_shared & ~hidden),
            "correlation": correlation_left(tokens.float()),
        }

    @torch.no_grad()
    def _targets(
        self, images: Float[Tensor, "batch size size"], cells: int
    ) -> Float[Tensor, "batch {cells} {cells} dim"]:
        self.encoder.eval()
        answer = self.encoder(preprocess(self.entry, images), output_hidden_states=True)
        blocks = [block[:, 1:].float() for block in answer.hidden_states[-NUM_TARGET_BLOCKS:]]
        mean = torch.stack([F.layer_norm(block, block.shape[-1:]) for block in blocks]).mean(0)
        centred = mean - mean.mean(1, keepdim=True)
        scaled = centred / centred.std((0, 1)).clamp(min=1e-3)
        return scaled.reshape(len(scaled), cells, cells, scaled.shape[-1])


@torch.no_grad()
def follow(target: nn.Module, source: nn.Module, *, decay: float) -> None:
    """Move the parameters of `target` towards those of `source` by `1 - decay`."""
    for mine, other in zip(target.parameters(), source.parameters(), strict=True):
        mine.lerp_(other.detach(), 1 - decay)


def aligned(
    maps: Float[Tensor, "batch cells cells dim"], shift: Int[Tensor, "batch 2"]
) -> tuple[Float[Tensor, "batch cells cells dim"], Bool[Tensor, "batch cells cells"]]:
    """Return `maps` read at (row + shift, column + shift) of every cell, and where that lies on the grid (0 elsewhere)."""
    batch, cells = maps.shape[:2]
    places = torch.arange(cells, device=maps.device) + shift.unsqueeze(-1)
    is_inside = (places >= 0) & (places < cells)
    rows, columns = places.clamp(0, cells - 1).unbind(1)
    which = torch.arange(batch, device=maps.device)[:, None, None]
    is_shared = is_inside[:, 0, :, None] & is_inside[:, 1, None, :]
    return maps[which, rows[:, :, None], columns[:, None, :]] * is_shared.unsqueeze(-1), is_shared


def mean_where(values: Float[Tensor, "*axes"], is_counted: Bool[Tensor, "*axes"]) -> Float[Tensor, ""]:
    """Return the mean of the values that count; 0 where none does."""
    return (values * is_counted).sum() / is_counted.sum().clamp(min=1)


def correlation_left(tokens: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, ""]:
    """Return the mean squared correlation between channels, of what no image's mean and no position's mean explains.

    0 for independent channels, 1 when all channels say the same.
    """
    left = (
        tokens
        - tokens.mean(0, keepdim=True)
        - tokens.mean(1, keepdim=True)
        + tokens.mean((0, 1), keepdim=True)
    )
    flat = left.flatten(0, 1)
    flat = flat / flat.square().mean(0, keepdim=True).add(1e-6).sqrt()
    with torch.autocast(flat.device.type, enabled=False):
        correlations = flat.T @ flat / len(flat)
    dim = flat.shape[1]
    return (correlations.square().sum() - correlations.diagonal().square().sum()) / (dim * (dim - 1))
