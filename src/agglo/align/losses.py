"""Mask losses: pure, one figure per frame and structure. What is not known is left out in `objective`, never here."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Maps = Float[Tensor, "batch structures h w"]
MapLosses = Float[Tensor, "batch structures"]


def binary_cross_entropy(logits: Maps, coverage: Maps) -> MapLosses:
    """Return the pixel mean of the cross-entropy between `sigmoid(logits)` and `coverage` in [0, 1]."""
    return F.binary_cross_entropy_with_logits(logits, coverage, reduction="none").mean(dim=(2, 3))


def dice_loss(logits: Maps, coverage: Maps, *, smooth: float = 1.0) -> MapLosses:
    """Return `1 - (2 sum(p c) + smooth) / (sum(p) + sum(c) + smooth)` with `p = sigmoid(logits)`, in [0, 1).

    Without any coverage this falls to 0 as the predicted area does (V-Net, Milletari 2016, without squares).
    """
    probability = logits.sigmoid()
    overlap = (probability * coverage).sum(dim=(2, 3))
    areas = probability.sum(dim=(2, 3)) + coverage.sum(dim=(2, 3))
    return 1 - (2 * overlap + smooth) / (areas + smooth)
