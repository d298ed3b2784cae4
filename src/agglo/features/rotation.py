"""Rotations after which every channel has the same variance: PHI-S's, and one for widths without a Hadamard matrix."""

import logging
from typing import Literal

import numpy as np
from jaxtyping import Float

from agglo.features.hadamard import hadamard, has_hadamard

Basis = Literal["hadamard", "dct-givens"]
_log = logging.getLogger(__name__)


def eigenvectors(covariance: Float[np.ndarray, "dim dim"]) -> Float[np.ndarray, "dim dim"]:
    """Return eigenvectors as columns, largest eigenvalue first, each with its largest entry positive."""
    return leading_eigenvectors(covariance, len(covariance))[1]


def leading_eigenvectors(
    covariance: Float[np.ndarray, "dim dim"], count: int
) -> tuple[Float[np.ndarray, " {count}"], Float[np.ndarray, "dim {count}"]]:
    """Return the `count` largest eigenvalues, none below 0, and their eigenvectors as columns (largest entries positive)."""
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    largest = np.abs(vectors).argmax(axis=0)
    return np.clip(values, 0.0, None), vectors * np.sign(vectors[largest, np.arange(count)])


def equalising_rotation(
    variances: Float[np.ndarray, " dim"],
) -> tuple[Basis, Float[np.ndarray, "dim dim"]]:
    """Return an orthogonal `M` with a constant diagonal of `M diag(variances) M^T`, and its name.

    Where there is a Hadamard matrix it is that. Else it is a cosine basis, whose rows mix all directions, mended by plane rotations
    until the diagonal is constant for these variances (`dct_givens`); a warning says so.
    """
    if has_hadamard(len(variances)):
        return "hadamard", hadamard(len(variances))
    _log.warning(
        "no Hadamard matrix of order %d is known: channels are equalised, as exactly, by a cosine basis mended by plane rotations "
        "(dct-givens)",
        len(variances),
    )
    return "dct-givens", dct_givens(variances)


def dct(order: int) -> Float[np.ndarray, "{order} {order}"]:
    """Return the orthogonal DCT-II matrix: row `k` is a cosine of `k` half periods."""
    places = np.arange(order)
    matrix = np.sqrt(2 / order) * np.cos(np.pi * places[:, None] * (2 * places[None, :] + 1) / (2 * order))
    matrix[0] /= np.sqrt(2)
    return matrix


def dct_givens(variances: Float[np.ndarray, " dim"]) -> Float[np.ndarray, "dim dim"]:
    """Return an orthogonal matrix after which directions of these variances give channels of equal variance.

    The cosine basis alone leaves them up to twice the mean, or next to nothing. At most `dim - 1` plane rotations end that, each of
    which brings one channel to the mean exactly (Bendel and Mickey 1978, of the smallest with the largest).
    """
    matrix = dct(len(variances))
    covariance = (matrix * variances) @ matrix.T
    mean = float(variances.mean())
    for _ in range(len(variances) - 1):
        excess = np.diag(covariance) - mean
        low, high = int(excess.argmin()), int(excess.argmax())
        if excess[high] - excess[low] < 1e-12 * mean:
            break
        both = covariance[low, high]
        tangent = (both + np.sqrt(both**2 - excess[low] * excess[high])) / excess[high]
        cosine = 1 / np.sqrt(1 + tangent**2)
        turn = np.array([[cosine, -cosine * tangent], [cosine * tangent, cosine]])
        pair = [low, high]
        matrix[pair] = turn @ matrix[pair]
        covariance[pair] = turn @ covariance[pair]
        covariance[:, pair] = covariance[:, pair] @ turn.T
    return matrix
