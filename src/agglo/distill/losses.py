"""How far a predicted token is from a teacher's: pure, unreduced, one figure per token. Weighting is done in `objective`.

To add one: write a function of two `[batch, tokens, dim]` tensors that returns `[batch, tokens]`, and name it in `LOSSES`.
"""

from collections.abc import Callable, Mapping

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Tokens = Float[Tensor, "batch tokens dim"]
TokenLosses = Float[Tensor, "batch tokens"]


def cosine_distance(predicted: Tokens, target: Tokens) -> TokenLosses:
    """Return `1 - cos(predicted, target)` of every token, in `[0, 2]`; the angle between zero vectors counts as 90 degrees."""
    return 1 - F.cosine_similarity(predicted, target, dim=-1)


def squared_error(predicted: Tokens, target: Tokens) -> TokenLosses:
    """Return the squared error of every token, averaged over channels: 1 for a zero prediction of PHI-S targets."""
    return (predicted - target).square().mean(dim=-1)


def smooth_l1(predicted: Tokens, target: Tokens) -> TokenLosses:
    """Return the Huber-like error (quadratic below 1, linear above), averaged over channels."""
    return F.smooth_l1_loss(predicted, target, reduction="none").mean(dim=-1)


def am_radio(predicted: Tokens, target: Tokens) -> TokenLosses:
    """Return AM-RADIO's spatial loss, `0.9 (1 - cos) + 0.1 smooth-L1` (AM-RADIO section 3.4, L_match)."""
    return 0.9 * cosine_distance(predicted, target) + 0.1 * smooth_l1(predicted, target)


def unit_squared_error(predicted: Tokens, target: Tokens) -> TokenLosses:
    """Return the squared distance of the tokens scaled to length 1, `2 - 2 cos`, in `[0, 4]`.

    This is the reading of the paper's column "L^2" (arXiv 2504.02351, table 2) as a normalisation of tokens.
    """
    return 2 * cosine_distance(predicted, target)


LOSSES: Mapping[str, Callable[[Tokens, Tokens], TokenLosses]] = {
    "am-radio": am_radio,
    "cosine": cosine_distance,
    "mse": squared_error,
    "smooth-l1": smooth_l1,
    "l2-normalised": unit_squared_error,
}
