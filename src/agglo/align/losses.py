"""Losses of masks and of presence: pure, one figure per frame and structure. Those of masks are over the cells that show the
picture; padding counts nothing.

What is not known is left out in `objective`, never here.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Maps = Float[Tensor, "batch structures h w"]
Inside = Float[Tensor, "batch h w"]
"""How much of every cell shows the picture, in [0, 1]: what the cell weighs."""
MapLosses = Float[Tensor, "batch structures"]


def binary_cross_entropy(logits: Maps, coverage: Maps, inside: Inside) -> MapLosses:
    """Return the mean over the picture of the cross-entropy of `sigmoid(logits)` and `coverage` in [0, 1]; 0 without picture."""
    shares = inside / inside.sum(dim=(1, 2), keepdim=True).clamp_min(1e-6)
    entropy = F.binary_cross_entropy_with_logits(logits, coverage, reduction="none")
    return (entropy * shares[:, None]).sum(dim=(2, 3))


def dice_loss(logits: Maps, coverage: Maps, inside: Inside, *, smooth: float = 1.0) -> MapLosses:
    """Return `1 - (2 sum(p c) + smooth) / (sum(p) + sum(c) + smooth)` over the picture, `p = sigmoid(logits)`, in [0, 1).

    Without any coverage this falls to 0 as the predicted area does (V-Net, Milletari 2016, without squares).
    """
    probability = logits.sigmoid() * inside[:, None]
    overlap = (probability * coverage).sum(dim=(2, 3))
    areas = probability.sum(dim=(2, 3)) + (coverage * inside[:, None]).sum(dim=(2, 3))
    return 1 - (2 * overlap + smooth) / (areas + smooth)


def presence_loss(
    logits: Float[Tensor, "batch structures"], chance: Float[Tensor, "batch structures"]
) -> MapLosses:
    """Return the cross-entropy of `sigmoid(logits)` and the chance that a structure is there, 0 or 1 where it is known."""
    return F.binary_cross_entropy_with_logits(logits, chance, reduction="none")
