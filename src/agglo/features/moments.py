"""Mean and covariance of teacher tokens, block by block, merged in index order so that they do not depend on how work was cut."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from agglo.core.files import write_atomic


@dataclass(frozen=True)
class Moments:
    """Count, mean and scatter (sum of outer products of deviations) of tokens, in float64."""

    count: int
    mean: Float[np.ndarray, " dim"]
    scatter: Float[np.ndarray, "dim dim"]

    @staticmethod
    def empty(dim: int) -> "Moments":
        """Return the moments of no token at all: the neutral element of `merged_with`."""
        return Moments(0, np.zeros(dim), np.zeros((dim, dim)))

    @staticmethod
    def of(tokens: Float[np.ndarray, "tokens dim"]) -> "Moments":
        """Return the moments of `tokens`, computed in float64."""
        if len(tokens) == 0:
            return Moments.empty(tokens.shape[1])
        exact = tokens.astype(np.float64)
        mean = exact.mean(axis=0)
        deviations = exact - mean
        return Moments(len(tokens), mean, deviations.T @ deviations)

    def merged_with(self, other: "Moments") -> "Moments":
        """Return the moments of both sets of tokens (Chan, Golub and LeVeque 1983, eq. 2.1)."""
        count = self.count + other.count
        if count == 0:
            return self
        shift = other.mean - self.mean
        mean = self.mean + shift * (other.count / count)
        scatter = self.scatter + other.scatter + np.outer(shift, shift) * (self.count * other.count / count)
        return Moments(count, mean, scatter)

    @property
    def covariance(self) -> Float[np.ndarray, "dim dim"]:
        """The unbiased covariance; zeros for fewer than two tokens."""
        return self.scatter / max(1, self.count - 1)

    def save(self, path: Path) -> None:
        """Write to an `.npz` file, whole or not at all."""
        write_atomic(path, self._write)

    def _write(self, path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, count=np.int64(self.count), mean=self.mean, scatter=self.scatter)

    @staticmethod
    def load(path: Path) -> "Moments":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            return Moments(int(file["count"]), file["mean"], file["scatter"])


def reduce_in_order(parts: Iterable[Moments], dim: int) -> Moments:
    """Merge `parts` from the first to the last."""
    total = Moments.empty(dim)
    for part in parts:
        total = total.merged_with(part)
    return total
