"""Noise with the correlations of real recordings, in the picture and from one X-ray pulse to the next.

The weights below are chosen so that the correlations hold where they can be measured in a recording: behind the codec (`codec`)
at its usual qualities. There neighbours at 1, 2, 3 pixels correlate by about 0.71, 0.43, 0.29 and successive pulses by 0.45.
Noise reduction of such units follows motion, so it correlates noise more than it smears what moves (`xray.Beam.lag`).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Float32

NEIGHBOURS: Final = (0.384, 0.157, 0.144)
"""Weights at 1, 2 and 3 pixels to either side, against 1 in the middle."""

PULSES: Final = (1.0, 0.85, 0.32)
"""Weights of this pulse's white noise and of the two before."""

_MIDDLE, _DEVIATION = 127.5, 73.9  # of a random byte


def _white(random: np.random.Generator, shape: tuple[int, int]) -> Float32[np.ndarray, "rows cols"]:
    """Return random bytes: after so many sums they are as normal as normal numbers, and ten times cheaper."""
    pixels = np.frombuffer(random.bytes(shape[0] * shape[1]), np.uint8)
    return pixels.reshape(shape).astype(np.float32)


def _summed(white: Float32[np.ndarray, "rows cols"], rows: int) -> Float32[np.ndarray, "{rows} cols"]:
    """Return the weighted sum of each of `rows` rows and its neighbours."""
    reach = len(NEIGHBOURS)
    total = white[reach : reach + rows].copy()
    scratch = np.empty_like(total)
    for distance, weight in enumerate(NEIGHBOURS, start=1):
        before, after = reach - distance, reach + distance
        np.add(white[before : before + rows], white[after : after + rows], out=scratch)
        scratch *= np.float32(weight)
        total += scratch
    return total


def correlated_noise(
    shape: tuple[int, int], noises: Sequence[np.random.Generator]
) -> Float32[np.ndarray, "height width"]:
    """Return unit-variance noise of a pulse.

    Args:
        shape: of the picture.
        noises: the pulse's own generator, then, for noise that correlates in time, those of the one or two pulses before; each
            in its first state.
    """
    reach = len(NEIGHBOURS)
    padded = (shape[0] + 2 * reach, shape[1] + 2 * reach)
    weights = PULSES[: len(noises)]
    white = _white(noises[0], padded)
    for random, weight in zip(noises[1:], weights[1:], strict=True):
        earlier = _white(random, padded)
        earlier *= np.float32(weight)
        white += earlier
    white -= np.float32(_MIDDLE * sum(weights))
    power = 1 + 2 * sum(weight**2 for weight in NEIGHBOURS)
    white *= np.float32(1 / (_DEVIATION * power * np.sqrt(sum(weight**2 for weight in weights))))
    across = np.ascontiguousarray(_summed(white, shape[0]).T)
    return np.ascontiguousarray(_summed(across, shape[1]).T)
