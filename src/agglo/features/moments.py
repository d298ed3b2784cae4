"""Mean and covariance of teacher tokens, block by block, merged in index order so that they do not depend on how work was cut.

Within a block, products are taken in float32, of a few thousand tokens at a time and about their own mean, and merged in float64:
as fast as float32, and wrong by about 1e-7 of the largest variance.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32

from agglo.core.errors import StoreError
from agglo.core.files import write_atomic
from agglo.features.samples import Samples

PIECE_TOKENS = 4096
"""Tokens whose products are summed in float32: enough for full speed, few enough for rounding not to add up."""

SHOWS_PICTURE = 0.5
"""Share of a cell that must show the picture for its token to count."""


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
    def of(tokens: Float32[np.ndarray, "tokens dim"]) -> "Moments":
        """Return the moments of `tokens`: float32 products of `PIECE_TOKENS` tokens each, merged in order in float64."""
        pieces = (tokens[start : start + PIECE_TOKENS] for start in range(0, len(tokens), PIECE_TOKENS))
        return reduce_in_order((_of_piece(piece) for piece in pieces), tokens.shape[1])

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

    def save(self, path: Path, *, is_picture: Bool[np.ndarray, "samples h w"] | None = None) -> None:
        """Write to an `.npz` file, whole or not at all; `is_picture`, which cells show the picture, is kept beside, a bit each.

        Of the scatter, which is symmetric, the upper half is written: statistics of a wide teacher with few cells are not small.
        """
        upper = self.scatter[np.triu_indices(len(self.mean))]
        arrays = {"count": np.array(self.count, np.int64), "mean": self.mean, "scatter": upper}
        if is_picture is not None:
            arrays["is_picture"] = np.packbits(is_picture)
        write_atomic(path, lambda temporary: _save(temporary, arrays))

    @staticmethod
    def load(path: Path) -> "Moments":
        """Read what `save` wrote."""
        # numpy leaves a damaged file open that it has opened itself
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return Moments(int(file["count"]), file["mean"], _whole(file["scatter"], len(file["mean"])))


def _whole(scatter: Float[np.ndarray, "..."], dim: int) -> Float[np.ndarray, "{dim} {dim}"]:
    """Return the symmetric matrix of its upper half; files of older versions hold all of it."""
    if scatter.ndim == 2:
        return scatter
    whole = np.zeros((dim, dim))
    whole[np.triu_indices(dim)] = scatter
    return whole + np.triu(whole, k=1).T


def load_mask(path: Path, shape: tuple[int, int, int]) -> Bool[np.ndarray, "samples h w"] | None:
    """Return the mask that `Moments.save` kept beside; None where it kept none."""
    with np.load(path, allow_pickle=False) as file:
        if "is_picture" not in file:
            return None
        bits = np.unpackbits(file["is_picture"], count=int(np.prod(shape)))
        return bits.astype(bool).reshape(shape)


def _save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _of_piece(tokens: Float32[np.ndarray, "tokens dim"]) -> Moments:
    """Return the moments of few tokens, from float32 products of what is left of them about a centre near their mean."""
    count = len(tokens)
    centre = tokens.mean(axis=0, dtype=np.float64).astype(np.float32)
    deviations = tokens - centre
    rest = deviations.mean(axis=0, dtype=np.float64)
    scatter = (deviations.T @ deviations).astype(np.float64) - count * np.outer(rest, rest)
    return Moments(count, centre + rest, scatter)


def shows_picture(coverage: Float[np.ndarray, "samples h w"]) -> Bool[np.ndarray, "samples h w"]:
    """Return which cells count, of how much of each shows the picture: those of which half does, and a map's only cell always.

    Every view shows something, and one cell is of all of it; a long picture letterboxed would fill less than half of it.
    """
    return np.ones(coverage.shape, bool) if coverage.shape[1:] == (1, 1) else coverage >= SHOWS_PICTURE


def moments_of(
    of: Samples,
    samples: range | tuple[int, ...],
    features: Float[np.ndarray, "samples dim h w"],
    is_picture: Bool[np.ndarray, "samples h w"],
) -> Moments:
    """Return the statistics of those cells of `samples`, as far as `of` counts them, that show the picture."""
    counted = np.array([of.is_counted(sample) for sample in samples])
    tokens = np.moveaxis(features, 1, -1)[is_picture & counted[:, None, None]]
    return Moments.of(tokens.astype(np.float32))


def require_finite(
    features: Float[np.ndarray, "samples dim h w"], samples: Sequence[int], column: str
) -> None:
    """Raise `StoreError` if a feature is infinite or no number."""
    if np.isfinite(features).all():
        return
    bad = [str(sample) for sample, each in zip(samples, features, strict=True) if not np.isfinite(each).all()]
    which = ", ".join(bad[:3]) + (" …" if len(bad) > 3 else "")
    raise StoreError(
        f"features of {column} must be finite in float16, but {len(bad)} of {len(samples)} views (samples {which}) have infinities "
        "or NaN; check the teacher's weights and input range"
    )


def reduce_in_order(parts: Iterable[Moments], dim: int) -> Moments:
    """Merge `parts` from the first to the last."""
    total = Moments.empty(dim)
    for part in parts:
        total = total.merged_with(part)
    return total
