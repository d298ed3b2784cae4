"""Random numbers as pure functions of a seed and a place, so that no worker ever holds random state.

`generator(seed, "view", frame, number)` gives the same stream in any process, in any order, on any run: numpy's `SeedSequence`
is stable across versions and platforms, and words are hashed with SHA-256 (never with Python's salted `hash`).
"""

import hashlib

import numpy as np


def _as_int(key: int | str) -> int:
    if isinstance(key, str):
        return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    return key


def generator(*keys: int | str) -> np.random.Generator:
    """Return the random stream that belongs to `keys`: non-negative integers and words, at least one."""
    if not keys:
        raise ValueError("a random stream needs at least one key")
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([_as_int(key) for key in keys])))


def seed_of(*keys: int | str) -> int:
    """Return a 63-bit seed that belongs to `keys`, for libraries that take a single number."""
    return int(generator(*keys).integers(0, 2**63 - 1))


def epoch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """Return the order, a permutation of `range(count)`, in which `epoch` visits the samples."""
    return generator(seed, "order", epoch).permutation(count)
