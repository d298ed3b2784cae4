"""Pictures and figures of feature maps: principal components as colours (the paper's figure 2b), effective rank, centred cosine.

A projection is for looking at. Each encoder's map gets its own components, fitted over all images given, so colours can be compared
between images of one encoder, never between encoders.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, UInt8

FeatureMaps = Float[np.ndarray, "images dim rows cols"]
Tokens = Float[np.ndarray, "tokens dim"]

ROBUST_PERCENTILES = (2.0, 98.0)


def shared_pca(maps: Mapping[str, FeatureMaps]) -> dict[str, UInt8[np.ndarray, "images rows cols 3"]]:
    """Return every encoder's maps as RGB pictures of their first three principal components.

    Components are fitted over all images of one encoder together. The sign of each is such that its values are skewed to the bright
    side, so that pictures don't flip from run to run; each is scaled between its 2nd and 98th percentile. A component without
    variance, or of a map with fewer than three channels, is mid-grey.
    """
    return {name: _as_pictures(each) for name, each in maps.items()}


def principal_components(tokens: Tokens, count: int) -> Float[np.ndarray, "tokens {count}"]:
    """Return the centred tokens on their first `count` principal axes, largest variance first; zeros where there are no more."""
    centred = tokens.astype(np.float64) - tokens.mean(axis=0, dtype=np.float64)
    variances, axes = np.linalg.eigh(centred.T @ centred)
    order = np.argsort(variances)[::-1][:count]
    components = centred @ axes[:, order]
    return np.pad(components, ((0, 0), (0, count - components.shape[1])))


def effective_rank(tokens: Tokens) -> float:
    """Return how many directions the centred tokens really use, in `[1, dim]`; 0 when they do not vary.

    The exponential of the entropy of the normalised singular values (Roy and Vetterli 2007).
    """
    centred = tokens.astype(np.float64) - tokens.mean(axis=0, dtype=np.float64)
    return effective_rank_of(np.linalg.eigvalsh(centred.T @ centred))


def effective_rank_of(variances: Float[np.ndarray, " dim"]) -> float:
    """Return `effective_rank` of tokens whose principal axes have these variances, in any order and unit."""
    singular = np.sqrt(np.clip(variances, 0.0, None))
    singular = singular[singular > 1e-9 * max(float(singular.max()), 1e-300)]
    if singular.size == 0 or singular.max() <= 1e-12:
        return 0.0
    shares = singular / singular.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def centred_cosine(first: Tokens, second: Tokens) -> Float[np.ndarray, " tokens"]:
    """Return for every token the cosine of two encoders' features after each has lost its own mean, in `[-1, 1]`.

    Without centring, a shared constant makes everything look alike. A token equal to its mean gives 0.
    """
    one, two = (each.astype(np.float64) - each.mean(axis=0, dtype=np.float64) for each in (first, second))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    return np.divide((one * two).sum(axis=1), lengths, out=np.zeros(len(one)), where=lengths > 0)


def _as_pictures(maps: FeatureMaps) -> UInt8[np.ndarray, "images rows cols 3"]:
    num_images, dim, rows, cols = maps.shape
    components = principal_components(maps.transpose(0, 2, 3, 1).reshape(-1, dim), 3)
    skewness = (components**3).sum(axis=0)
    components = components * np.where(skewness < 0, -1.0, 1.0)
    low, high = np.percentile(components, ROBUST_PERCENTILES, axis=0)
    has_range = high - low > 1e-9 * max(float(np.abs(components).max()), 1e-300)
    scaled = np.where(has_range, (components - low) / np.where(has_range, high - low, 1.0), 0.5)
    return np.round(np.clip(scaled, 0.0, 1.0) * 255).astype(np.uint8).reshape(num_images, rows, cols, 3)
