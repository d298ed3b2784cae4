"""From a network's logits to masks on the picture's own pixels. No clean-up, no tracking: what the network said, resampled.

A network may also say whether a structure is there at all; if it says no, that structure's mask is empty.
"""

import math

import numpy as np
from numpy.typing import NDArray

from agglo_runtime.errors import AggloError
from agglo_runtime.geometry import Letterbox


class ThresholdError(AggloError, ValueError):
    """A probability threshold is not strictly between 0 and 1."""


def masks_from_logits(
    logits: NDArray[np.float32],
    letterbox: Letterbox,
    *,
    threshold: float = 0.5,
    presence: NDArray[np.float32] | None = None,
    presence_threshold: float = 0.5,
) -> NDArray[np.bool_]:
    """Return `logits [K, h, h]` as masks `[K, H, W]` at the picture's size: where the probability exceeds `threshold`.

    Logits are resampled first and compared then, so an edge falls between cells where the network puts it. Structures that are not
    there by `presence` (see `are_present`) have an empty mask, and cost no resampling.
    """
    there = are_present(len(logits), presence, threshold=presence_threshold)
    masks = np.zeros((len(logits), letterbox.height, letterbox.width), np.bool_)
    masks[there] = letterbox.undo(logits[there]) > logit_of(threshold)
    return masks


def are_present(
    count: int, presence: NDArray[np.float32] | None, *, threshold: float = 0.5
) -> NDArray[np.bool_]:
    """Return which of `count` structures are there: all whose probability of being there is `threshold` or more.

    `presence [K]` are logits; None, from a network that does not tell, leaves all there. Raises `ThresholdError` as `logit_of`.
    """
    lowest = logit_of(threshold)
    return np.ones(count, np.bool_) if presence is None else presence >= lowest


def logit_of(threshold: float) -> float:
    """Return the logit of a probability; raises `ThresholdError` unless it is strictly between 0 and 1."""
    if not 0 < threshold < 1:
        raise ThresholdError(
            f"`threshold` must be strictly between 0 and 1, got {threshold}; 0.5 is the usual one."
        )
    return math.log(threshold / (1 - threshold))


def probabilities(logits: NDArray[np.float32], letterbox: Letterbox) -> NDArray[np.float32]:
    """Return the probability `[K, H, W]` in `[0, 1]` of every structure at every pixel of the picture."""
    undone = letterbox.undo(logits)
    np.clip(undone, -60, 60, out=undone)
    return np.reciprocal(np.float32(1) + np.exp(-undone), dtype=np.float32)
