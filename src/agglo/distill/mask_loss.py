"""How far masks are from those of another network, given as probabilities. For masks that people drew, see `align/losses.py`."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def mask_loss(
    drawn: Float[Tensor, "all rows cols"],
    wanted: Float[Tensor, "all rows cols"],
    shown: Float[Tensor, "all rows cols"],
) -> Float[Tensor, " all"]:
    """Return cross-entropy plus Dice loss of logits and wanted probabilities, over what is shown; 0 where they say the same."""
    area = shown.sum(dim=(1, 2)).clamp_min(1e-6)
    entropy = F.binary_cross_entropy_with_logits(drawn, wanted, reduction="none")
    # a soft target has an entropy of its own, which no prediction can go below
    least = F.binary_cross_entropy(wanted, wanted, reduction="none")
    far = ((entropy - least) * shown).sum(dim=(1, 2)) / area
    probability = drawn.sigmoid()
    shared = (probability * wanted * shown).sum(dim=(1, 2))
    squares = ((probability.square() + wanted.square()) * shown).sum(
        dim=(1, 2)
    )  # so that equal masks have no loss
    return far + 1 - (2 * shared + 1) / (squares + 1)
