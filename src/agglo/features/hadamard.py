"""Hadamard matrices, for PHI-S: all entries +-1, all rows orthogonal. Sylvester's doubling times Paley's two constructions."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float

from agglo.core.errors import FeatureMismatch


def has_hadamard(order: int) -> bool:
    """Return whether `hadamard` knows a matrix of this order."""
    return any(_core(order >> power) is not None for power in range((order & -order).bit_length()))


@lru_cache(maxsize=8)
def hadamard(order: int) -> Float[np.ndarray, "order order"]:
    """Return a Hadamard matrix with normalised rows: `H @ H.T` is the identity and every `|H_ij|` is `order ** -0.5`.

    Built as Sylvester(2^i) (x) core, with the largest power of two that leaves a core of order 1 or one that Paley's
    first (`q = core - 1`, prime, 3 mod 4) or second (`q = core / 2 - 1`, prime, 1 mod 4) construction gives.

    Raises:
        FeatureMismatch: no such matrix is known to this code; orders over 2 that are not multiples of 4 have none at all.
    """
    doublings = (order & -order).bit_length() - 1
    for power in range(doublings, -1, -1):
        core = _core(order >> power)
        if core is not None:
            return _sylvester(power, core) / np.sqrt(order)
    raise FeatureMismatch(
        f"PHI-S needs a Hadamard matrix of the teacher's width, and none of order {order} is known here "
        "(powers of two times a Paley order work: 192, 256, 384, 768, 1024, 1152, 1280 …); "
        "use `distill.normalise: global` for this teacher"
    )


def _sylvester(power: int, core: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "m m"]:
    matrix = core
    for _ in range(power):
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


def _core(order: int) -> Float[np.ndarray, "n n"] | None:
    if order == 1:
        return np.ones((1, 1))
    if order % 4:
        return None
    if _is_prime(order - 1):  # order is 0 mod 4, so the prime is 3 mod 4
        return np.eye(order) + _bordered(_jacobsthal(order - 1), sign=-1)
    prime = order // 2 - 1
    if prime % 4 == 1 and _is_prime(prime):
        symmetric = _bordered(_jacobsthal(prime), sign=1)
        ones, twist = np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([[1.0, -1.0], [-1.0, -1.0]])
        return np.kron(symmetric, ones) + np.kron(np.eye(prime + 1), twist)
    return None


def _jacobsthal(prime: int) -> Float[np.ndarray, "q q"]:
    """Return `Q_ij = chi(i - j)`, the quadratic character modulo `prime`."""
    character = -np.ones(prime)
    character[[value * value % prime for value in range(1, prime)]] = 1
    character[0] = 0
    places = np.arange(prime)
    return character[(places[:, None] - places[None, :]) % prime]


def _bordered(inner: Float[np.ndarray, "q q"], *, sign: int) -> Float[np.ndarray, "n n"]:
    size = len(inner) + 1
    matrix = np.zeros((size, size))
    matrix[0, 1:], matrix[1:, 0], matrix[1:, 1:] = 1, sign, inner
    return matrix


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))
