"""Whether the student's embedding still has something to say: figures against its own collapse, made only where they are logged."""

from collections.abc import Callable
from itertools import count
from math import gcd

import torch
from jaxtyping import Float, Int
from torch import Tensor

MOST_TOKENS = 1024
"""Tokens that are looked at, evenly over the batch: enough for a rank up to a few hundred, and little to carry."""


def effective_rank(
    tokens: Float[Tensor, "tokens embed"], counts: Float[Tensor, " tokens"]
) -> Float[Tensor, ""]:
    """Return how many directions the tokens vary in, from 1 to the width (Roy and Vetterli 2007, on the covariance).

    The exponential of the entropy of the covariance's eigenvalues as shares of their sum: `d` if `d` directions vary equally, near
    1 if one does. Tokens that do not vary at all give 1; tokens count as `counts` says.
    """
    values = torch.linalg.eigvalsh(_covariance(tokens, counts)).clamp_min(0)
    shares = values / values.sum().clamp_min(1e-30)
    return torch.special.entr(shares).sum().exp()


def mean_variance(
    tokens: Float[Tensor, "tokens embed"], counts: Float[Tensor, " tokens"]
) -> Float[Tensor, ""]:
    """Return the variance of a channel over the tokens, on the mean over channels; 0 if all tokens are the same."""
    return _covariance(tokens, counts).diagonal().mean()


def figures_of(
    embedding: Float[Tensor, "batch embed h w"], inside: Float[Tensor, "batch h w"]
) -> dict[str, Callable[[], Tensor]]:
    """Return what makes the two figures of a batch's embedding, for `Outcome.on_demand`; until then only a few tokens are kept.

    Args:
        embedding: of the student.
        inside: how much of every cell shows the picture; padding counts nothing.
    """
    cols, cells = inside.shape[2], inside[0].numel()
    picked = _spread(inside.numel(), embedding.device)
    image, cell = picked // cells, picked % cells
    tokens = embedding.detach()[image, :, cell // cols, cell % cols].float()
    counts = inside.flatten()[picked].float()
    return {
        "embedding/effective_rank": lambda: effective_rank(tokens, counts),
        "embedding/variance": lambda: mean_variance(tokens, counts),
    }


def _spread(total: int, device: torch.device) -> Int[Tensor, " tokens"]:
    """Return up to `MOST_TOKENS` different ones of `total` numbers, evenly over images, rows and columns.

    Steps of a golden section of the whole, without a factor in common with it: steps of a power of two would go down a few columns.
    """
    step = next(step for step in count(round(0.618 * total) | 1, 2) if gcd(step, total) == 1)
    return torch.arange(min(total, MOST_TOKENS), device=device) * step % total


def _covariance(
    tokens: Float[Tensor, "tokens embed"], counts: Float[Tensor, " tokens"]
) -> Float[Tensor, "embed embed"]:
    tokens, shares = tokens.cpu().double(), counts.cpu().double()
    shares = shares / shares.sum().clamp_min(1e-30)
    centred = tokens - shares @ tokens
    return centred.mT @ (shares[:, None] * centred)
