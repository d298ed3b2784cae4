"""lab-dino: learns without labels where things are, by putting the pieces of a picture back in their places.

Half of the cells of a crop are shown, as a bag: without positions. Each has to tell where in the whole picture it lies (as in
"Position Prediction as an Effective Pretraining Strategy", arXiv 2207.07611; here the crop is turned, enlarged and mirrored
besides) and what is around it, hidden cells included. Neither can be told from a cell's own texture, nor from a code of
positions: there is none, so nothing in the features is fixed to a place of the grid. A third term keeps them from falling onto a
few directions.
"""

from typing import Any, final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from agglo.lab.crops import SURROUNDINGS
from agglo.lab.initial import begin_encoder
from agglo.teachers.catalogue import TeacherEntry
from agglo.teachers.protocol import preprocess
from agglo.train.task import Outcome, Task

BINS = 14
BLUR = 0.8  # bins: how far beside the truth an answer is still half right
AROUND_WEIGHT, SPREAD_WEIGHT = 2.0, 1.0


@final
class PiecesInPlaces(Task):
    """The encoder, the head that tells places, and the read-out that tells surroundings."""

    def __init__(self, entry: TeacherEntry, images: UInt8[np.ndarray, "images rows cols"], seed: int) -> None:
        """Build with random weights from torch's global generator; `images` and `seed` as in `initial.begin_encoder`."""
        super().__init__()
        self.entry = entry
        self.encoder = without_positions(begin_encoder(entry, images, seed))
        self.place = nn.Sequential(nn.Linear(entry.dim, entry.dim), nn.GELU(), nn.Linear(entry.dim, BINS**2))
        self.around = nn.Linear(entry.dim, SURROUNDINGS**2)

    def tokens(
        self, images: Float[Tensor, "batch size size"], shown: Int[Tensor, "batch shown"]
    ) -> Float[Tensor, "batch shown dim"]:
        """Return the features of the cells shown, of images in `[0, 1]`; the others take no part."""
        encoder: Any = self.encoder
        embeddings = encoder.embeddings
        pieces = embeddings.patch_embeddings(preprocess(self.entry, images))
        kept = pieces.gather(1, shown.unsqueeze(-1).expand(-1, -1, pieces.shape[-1]))
        first = embeddings.cls_token.expand(len(kept), -1, -1)
        answer = encoder.encoder(torch.cat([first, kept], 1)).last_hidden_state
        return encoder.layernorm(answer)[:, 1:]

    def forward(self, batch: Any, step: int) -> Outcome:
        """Return the weighted sum of `terms`; see `Crops.sample`."""
        terms = self.terms(batch)
        total = terms["place"] + AROUND_WEIGHT * terms["around"] + SPREAD_WEIGHT * terms["spread"]
        return Outcome(total, {name: value.detach() for name, value in terms.items()})

    def terms(self, batch: Any) -> dict[str, Tensor]:
        """Return the terms of the loss, and how many tenths of the picture the answers lie beside the truth (`away`)."""
        tokens = self.tokens(batch["image"], batch["shown"]).float()
        with torch.autocast(tokens.device.type, enabled=False):
            answers = self.place(tokens).log_softmax(-1)
            truth = batch["place"]
            is_inside = (truth.abs() <= 1).all(-1).float()
            surprise = -(blurred_bins(truth) * answers).sum(-1)
            misfit = F.smooth_l1_loss(self.around(tokens), batch["around"], reduction="none").mean(-1)
            away = (expected_place(answers.exp()) - truth).norm(dim=-1) * 5
            counted = is_inside.sum().clamp(min=1)
            return {
                "place": (surprise * is_inside).sum() / counted,
                "around": misfit.mean(),
                "spread": concentration(tokens),
                "away": (away.detach() * is_inside).sum() / counted,
            }


def without_positions(encoder: nn.Module) -> nn.Module:
    """Return the encoder with its code of positions set to zero for good."""
    positions = encoder.get_parameter("embeddings.position_embeddings")
    nn.init.zeros_(positions)
    positions.requires_grad_(False)
    return encoder


def _centres() -> Float[Tensor, " bins"]:
    return (2 * torch.arange(BINS) + 1) / BINS - 1


def blurred_bins(places: Float[Tensor, "batch tokens 2"]) -> Float[Tensor, "batch tokens bins2"]:
    """Return a distribution over `BINS` x `BINS` places of the picture (columns fastest), blurred by `BLUR` bins."""
    away = (places.unsqueeze(-1) - _centres().to(places.device)) * (BINS / 2 / BLUR)
    along = (-0.5 * away.square()).softmax(-1)
    return (along[..., 1, :, None] * along[..., 0, None, :]).flatten(-2)


def expected_place(shares: Float[Tensor, "batch tokens bins2"]) -> Float[Tensor, "batch tokens 2"]:
    """Return the mean place (x, y) of distributions over places."""
    grid = shares.reshape(*shares.shape[:-1], BINS, BINS)
    centres = _centres().to(shares.device)
    return torch.stack([grid.sum(-2) @ centres, grid.sum(-1) @ centres], dim=-1)


def concentration(tokens: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, ""]:
    """Return on how few directions the tokens lie: `tr(C^2) / tr(C)^2` of their covariance.

    1 on a line, `1 / dim` when all directions share alike.
    """
    flat = (tokens - tokens.mean((0, 1), keepdim=True)).flatten(0, 1)
    covariance = flat.T @ flat
    return covariance.square().sum() / covariance.trace().square().clamp(min=1e-12)
