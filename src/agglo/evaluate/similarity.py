"""How much encoders know, and how much of it the others know too: spectra, CKA, and what can be predicted linearly.

All of it is on arrays of tokens; rows of two encoders must be of the same cells of the same views.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float

from agglo.evaluate.projections import effective_rank_of

Tokens = Float[np.ndarray, "tokens dim"]

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Tried penalties, in units of the mean variance of the predictor's channels times the number of tokens."""


@dataclass(frozen=True)
class Spectrum:
    """How an encoder's variance is spread over directions.

    Attributes:
        shares: of the variance, by principal axis, largest first; they sum to 1 (or are all 0).
        variance: summed over all channels.
        mean_share: share of the mean square length of tokens that their mean alone makes up, in `[0, 1]`.
    """

    shares: Float[np.ndarray, " dim"]
    variance: float
    mean_share: float

    @staticmethod
    def of(covariance: Float[np.ndarray, "dim dim"], mean: Float[np.ndarray, " dim"]) -> "Spectrum":
        """Return the spectrum of tokens with this covariance and mean."""
        variances = np.clip(np.linalg.eigvalsh(covariance)[::-1], 0.0, None)
        total, square = float(variances.sum()), float((mean**2).sum())
        shares = variances / total if total > 0 else np.zeros(len(variances))
        return Spectrum(shares, total, square / (square + total) if square + total > 0 else 0.0)

    @property
    def effective_rank(self) -> float:
        """How many directions are really used (`projections.effective_rank`)."""
        return effective_rank_of(self.shares)

    def components(self, share: float) -> int:
        """Return how many principal axes together hold `share` of the variance; 0 without variance."""
        if self.variance <= 0:
            return 0
        return min(len(self.shares), int(np.searchsorted(np.cumsum(self.shares), share - 1e-12)) + 1)

    def to_json(self) -> dict[str, Any]:
        """Return the figures, without the curve."""
        return {
            "effective_rank": round(self.effective_rank, 2),
            "components_90": self.components(0.9),
            "components_99": self.components(0.99),
            "variance": self.variance,
            "mean_share": round(self.mean_share, 4),
        }


def debiased_cka(first: Float[np.ndarray, "tokens dim"], second: Float[np.ndarray, "others width"]) -> float:
    """Return the linear CKA of two encoders, at most 1; 0 where one does not vary.

    With the unbiased estimator of HSIC (Song et al. 2012, eq. 5), so that encoders with many channels and few tokens do not look
    alike by chance; independent ones are near 0 and may come out slightly below (Nguyen, Raghu and Kornblith 2021).

    Raises:
        ValueError: fewer than four tokens, or two numbers of them.
    """
    if len(first) != len(second) or len(first) < 4:
        raise ValueError(
            f"CKA needs the same four or more tokens of both, got {len(first)} and {len(second)}"
        )
    one, two = _gram(first), _gram(second)
    own = _hsic(one, one) * _hsic(two, two)
    return float(_hsic(one, two) / np.sqrt(own)) if own > 0 else 0.0


@dataclass(frozen=True)
class Prediction:
    """How well one encoder's tokens follow linearly from another's, on held-out tokens.

    Attributes:
        cosine: mean over tokens, of what is predicted with what is there, both centred.
        explained: share of the variance, in `(-inf, 1]`.
    """

    cosine: float
    explained: float


def linear_prediction(
    of: Float[np.ndarray, "tokens dim"], by: Float[np.ndarray, "tokens width"]
) -> Prediction:
    """Return how well tokens `of` one encoder follow from those `by` another (or several, side by side).

    The first three fifths of the rows fit a ridge regression, the fourth chooses its penalty, the last is what it is judged on:
    rows must be in the order of the frames, so that neighbouring frames are not on both sides.
    """
    bounds = [len(of) * part // 5 for part in (0, 3, 4, 5)]
    fit, choose, judge = (slice(start, stop) for start, stop in pairwise(bounds))
    given_mean, wanted_mean = by[fit].mean(axis=0, dtype=np.float64), of[fit].mean(axis=0, dtype=np.float64)
    given, wanted = by.astype(np.float64) - given_mean, of.astype(np.float64) - wanted_mean
    values, axes = np.linalg.eigh(given[fit].T @ given[fit])
    turned = axes.T @ (given[fit].T @ wanted[fit])
    unit = max(float(np.clip(values, 0.0, None).mean()), 1e-300)
    fits = [axes @ (turned / (np.clip(values, 0.0, None) + ridge * unit)[:, None]) for ridge in RIDGES]
    errors = [float(((given[choose] @ weights - wanted[choose]) ** 2).sum()) for weights in fits]
    return _judged(given[judge] @ fits[int(np.argmin(errors))], wanted[judge])


def _judged(predicted: Tokens, wanted: Tokens) -> Prediction:
    lengths = np.linalg.norm(predicted, axis=1) * np.linalg.norm(wanted, axis=1)
    cosines = np.divide(
        (predicted * wanted).sum(axis=1), lengths, out=np.zeros(len(wanted)), where=lengths > 0
    )
    total = float(((wanted - wanted.mean(axis=0)) ** 2).sum())
    error = float(((predicted - wanted) ** 2).sum())
    return Prediction(float(cosines.mean()), 1 - error / total if total > 0 else 0.0)


def _gram(tokens: Tokens) -> Float[np.ndarray, "tokens tokens"]:
    """Return inner products of centred tokens, with a diagonal of 0, scaled to be of the order of 1."""
    centred = tokens.astype(np.float64) - tokens.mean(axis=0, dtype=np.float64)
    gram = centred @ centred.T
    np.fill_diagonal(gram, 0.0)
    size = float(np.abs(gram).max())
    return gram / size if size > 0 else gram


def _hsic(one: Float[np.ndarray, "n n"], two: Float[np.ndarray, "n n"]) -> float:
    """Return the unbiased estimate of HSIC; both diagonals are 0 (Song et al. 2012, eq. 5)."""
    n = len(one)
    both = float((one * two).sum())
    sums = float(one.sum()) * float(two.sum()) / ((n - 1) * (n - 2))
    mixed = 2 * float(one.sum(axis=0) @ two.sum(axis=0)) / (n - 2)
    return (both + sums - mixed) / (n * (n - 3))
