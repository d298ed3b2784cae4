"""How far a prediction is from a teacher's map: pure functions, without weights. Weighting and reduction are in `objective`.

There are two kinds. A loss of *tokens* gives one figure for each token, of which the objective takes the mean over the picture
(padding counts nothing). A loss of *maps* cannot be taken apart so, because tokens meet each other in it: it is given how much each
token counts, and gives one figure for each image.

Every loss is named in `LOSSES` with what is to be expected of it, so that a curve can be judged: what a student that predicts
nothing but zeros gets, and the range that trainings end in. Both hold for targets of mean 0 and variance 1 in every channel
(`normalise: phi-s`; nearly so for the other affine ones), whose channels are about normal; tests draw such targets and measure.
A training has ended where the student explains `EXPLAINED` of the variance: cosines of 0.71 to 0.95, as trainings on the
lab teachers have reached.

To add one: write a function of two `[batch, tokens, dim]` tensors that returns `[batch, tokens]`, and name it in `LOSSES`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Tokens = Float[Tensor, "batch tokens dim"]
TokenLosses = Float[Tensor, "batch tokens"]
Shares = Float[Tensor, "batch tokens"]
ImageLosses = Float[Tensor, " batch"]

EXPLAINED = (0.9, 0.5)
"""Shares of a target's variance that a trained student explains: at the low and at the high end of `Loss.typical`."""
LEAST_LENGTH = 1e-6
"""A token shorter than this has no direction: it is as similar to others as a zero token is, not at all."""


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


def balanced(predicted: Tokens, target: Tokens) -> TokenLosses:
    """Return TAO's "balanced" loss: AM-RADIO's with a smooth-L1 that is quadratic up to 2, so for nearly all of a PHI-S target."""
    wide = F.smooth_l1_loss(predicted, target, reduction="none", beta=2.0).mean(dim=-1)
    return 0.9 * cosine_distance(predicted, target) + 0.1 * wide


def unic(predicted: Tokens, target: Tokens) -> TokenLosses:
    """Return UNIC's loss, cosine and smooth-L1 by half each (arXiv 2408.05088, and its published defaults)."""
    return 0.5 * cosine_distance(predicted, target) + 0.5 * smooth_l1(predicted, target)


def unit_squared_error(predicted: Tokens, target: Tokens) -> TokenLosses:
    """Return the squared distance of the tokens scaled to length 1, `2 - 2 cos`, in `[0, 4]`.

    This is the reading of the paper's column "L^2" (arXiv 2504.02351, table 2) as a normalisation of tokens, and its squared error
    as a sum over channels. The other reading, a plain squared error of raw features, is `normalise: none` with `loss: mse`.
    """
    return 2 * cosine_distance(predicted, target)


def mean_unit_squared_error(predicted: Tokens, target: Tokens) -> TokenLosses:
    """Return `unit_squared_error` as a mean over channels, as a library's MSE takes it: a wide teacher hardly pulls then."""
    return unit_squared_error(predicted, target) / predicted.shape[-1]


def flattened_cosine_distance(predicted: Tokens, target: Tokens, shares: Shares) -> ImageLosses:
    """Return `1 - cos` of whole maps, each flattened to one vector, as Theia takes it (arXiv 2407.20179, published code).

    Long tokens count more than short ones, other than in the mean of the tokens' cosines. A token that counts `w` takes part with
    the square root of `w`, so that padding adds nothing to any of the three products. An image without a token has 0.
    """
    roots = shares.sqrt()[..., None]
    whole = F.cosine_similarity((roots * predicted).flatten(1), (roots * target).flatten(1), dim=-1)
    return (1 - whole) * shares.sum(dim=1)


def theia(predicted: Tokens, target: Tokens, shares: Shares) -> ImageLosses:
    """Return Theia's loss: 0.9 of the cosine distance of flattened maps, 0.1 of smooth-L1 (arXiv 2407.20179, published code)."""
    flattened = flattened_cosine_distance(predicted, target, shares)
    return 0.9 * flattened + 0.1 * (smooth_l1(predicted, target) * shares).sum(dim=1)


def relational(predicted: Tokens, target: Tokens, shares: Shares) -> ImageLosses:
    """Return how differently tokens resemble each other: the squared error of their matrices of cosines, in `[0, 4]`.

    `sum_ij w_i w_j (cos(p_i, p_j) - cos(t_i, t_j))^2`, after similarity-preserving distillation (arXiv 1907.09682) and relational
    knowledge distillation (arXiv 1904.05068), within each image and over the cells of its grid. Neither matrix is made: with `P`
    the unit tokens times the square roots of their shares, `|P P' - T T'|^2 = |P'P|^2 + |T'T|^2 - 2 |P'T|^2`, in which only the
    width is squared. It does not change when all predictions are turned alike, so a head that learns by it alone ends in a space of
    its own.
    """
    roots = shares.sqrt()[..., None]
    own, theirs = (F.normalize(each, dim=-1, eps=LEAST_LENGTH) * roots for each in (predicted, target))
    pairs = ((own, own, 1.0), (theirs, theirs, 1.0), (own, theirs, -2.0))
    terms = [sign * (one.mT @ other).square().sum(dim=(1, 2)) for one, other, sign in pairs]
    return torch.stack(terms).sum(dim=0)


@dataclass(frozen=True)
class Loss:
    """A loss, and what is to be expected of it.

    Attributes:
        of: the function; `(predicted, target)` of a loss of tokens, `(predicted, target, shares)` of one of maps.
        is_of_maps: which of the two it is.
        zero: its value for a prediction of zeros; None where that depends on the teacher.
        typical: where a training ends (`EXPLAINED`), lowest first; None where that depends on the teacher.
        needs_unit_variance: whether `zero` holds for targets of unit variance only; `typical` always does.
        text: what else to know of its values.
    """

    of: Callable[..., Tensor]
    is_of_maps: bool = False
    zero: float | None = None
    typical: tuple[float, float] | None = None
    needs_unit_variance: bool = True
    text: str = "a perfect prediction has 0"

    def expectation(self, *, has_unit_variance: bool) -> dict[str, Any]:
        """Return, JSON-like, what a report needs to judge a curve: `zero`, `typical` (None where they do not hold) and `text`."""
        is_known = has_unit_variance or not self.needs_unit_variance
        return {
            "zero": self.zero if is_known else None,
            "typical": list(self.typical) if has_unit_variance and self.typical else None,
            "text": self.text,
        }


_RAW = "a perfect prediction has 0; of raw features it is in the teacher's own units"
LOSSES: Mapping[str, Loss] = {
    "am-radio": Loss(am_radio, zero=0.942, typical=(0.051, 0.287)),
    "cosine": Loss(cosine_distance, zero=1.0, typical=(0.051, 0.293), needs_unit_variance=False),
    "mse": Loss(squared_error, zero=1.0, typical=(0.1, 0.5), text=_RAW),
    "smooth-l1": Loss(smooth_l1, zero=0.425, typical=(0.05, 0.236), text=_RAW),
    "balanced": Loss(balanced, zero=0.925, typical=(0.049, 0.276)),
    "theia": Loss(theia, is_of_maps=True, zero=0.942, typical=(0.051, 0.287)),
    "cosine-flattened": Loss(
        flattened_cosine_distance,
        is_of_maps=True,
        zero=1.0,
        typical=(0.051, 0.293),
        needs_unit_variance=False,
    ),
    "unic": Loss(unic, zero=0.712, typical=(0.051, 0.264)),
    "relational": Loss(
        relational,
        is_of_maps=True,
        needs_unit_variance=False,
        text="a perfect prediction has 0; one of zeros has the mean squared cosine between the teacher's own tokens",
    ),
    "l2-normalised": Loss(unit_squared_error, zero=2.0, typical=(0.103, 0.586), needs_unit_variance=False),
    "l2-normalised-mean": Loss(
        mean_unit_squared_error,
        needs_unit_variance=False,
        text="a perfect prediction has 0, one of zeros 2 / width",
    ),
}
