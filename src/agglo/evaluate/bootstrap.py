"""Intervals by a two-level bootstrap: seeds are drawn, and patients; frames are never drawn on their own.

Frames of one patient are not independent, so an interval over frames would be far too narrow. All seeds are scored on the same
patients, so one drawing of patients serves all seeds of a draw: patients drawn anew for each seed would count as many times more
patients as there are seeds, and the interval would be too narrow again (by up to the root of that). Below `MIN_PATIENTS` patients a
percentile interval means nothing and none is given.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from agglo.core.seeds import generator

MIN_PATIENTS = 5
NUM_DRAWS = 2000
LEVEL = 0.95

PatientMatrix = Float[np.ndarray, "patients structures"]


class Interval(NamedTuple):
    """A percentile interval."""

    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        """Whether 0 lies inside: a difference with such an interval is called "no difference shown"."""
        return self.low <= 0.0 <= self.high


def macro_mean(values: PatientMatrix) -> float:
    """Return the mean over structures of the mean over patients; NaN entries (patient without structure) are left out.

    A structure that no patient has is left out too; NaN when nothing is left.
    """
    return float(_macro_means(values, np.ones((1, len(values))))[0])


def interval(
    seeds: Sequence[Float[np.ndarray, "_ structures"]],
    *,
    keys: Sequence[int | str],
    num_draws: int = NUM_DRAWS,
) -> Interval | None:
    """Return the 95% interval of the macro mean, averaged over seeds.

    Each draw takes as many seeds as there are, with replacement, and as many patients as there are, with replacement and the same
    ones for all its seeds; the patients of a draw stay together over all structures. Structures that a draw holds no patient of are
    left out of that draw.

    Args:
        seeds: per training seed a value for each patient and structure, NaN where there is none; rows are the same patients in
            all of them; one seed is allowed.
        keys: name the random stream, so that the same figures always get the same interval.
        num_draws: of the bootstrap.

    Returns:
        None when any seed has fewer than `MIN_PATIENTS` patients with a value, or there are no seeds.
    """
    means = draws(seeds, keys=keys, num_draws=num_draws)
    return None if means is None else bounds(means)


def bounds(means: Float[np.ndarray, " draws"]) -> Interval:
    """Return the 95% percentile interval of the bootstrap's means."""
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(means, (tail, 100 - tail))
    return Interval(float(low), float(high))


def draws(
    seeds: Sequence[Float[np.ndarray, "_ structures"]],
    *,
    keys: Sequence[int | str],
    num_draws: int = NUM_DRAWS,
) -> Float[np.ndarray, " draws"] | None:
    """Return the bootstrap's means from which `interval` (see there) takes its bounds; None where it gives none.

    Raises:
        ValueError: seeds have different numbers of patients.
    """
    has_value = [~np.isnan(values).all(axis=1) for values in seeds]
    if not has_value or min(int(each.sum()) for each in has_value) < MIN_PATIENTS:
        return None
    if len({len(values) for values in seeds}) > 1:
        raise ValueError(
            f"all seeds must be scored on the same patients, got {[len(values) for values in seeds]} of them"
        )
    kept = [values[np.any(has_value, axis=0)] for values in seeds]
    count, size = len(kept), len(kept[0])
    random = generator("bootstrap", *keys)
    times = random.multinomial(count, np.full(count, 1 / count), size=num_draws)
    patients = random.multinomial(size, np.full(size, 1 / size), size=num_draws).astype(np.float64)
    means = np.zeros(num_draws)
    for index, values in enumerate(kept):
        of_seed = _macro_means(values, patients)
        means += np.where(times[:, index] > 0, times[:, index] * of_seed, 0.0)
    return means / count


def p_value(means: Float[np.ndarray, " draws"]) -> float:
    """Return the two-sided bootstrap p of a difference being 0: twice the share of draws on the rarer side, never 0."""
    rarer = min(int((means <= 0).sum()), int((means >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (len(means) + 1))


def _macro_means(
    values: PatientMatrix, counts: Float[np.ndarray, "draws patients"]
) -> Float[np.ndarray, " draws"]:
    """Return the macro mean of each draw, where `counts` says how often each patient was drawn."""
    is_known = ~np.isnan(values)
    totals = counts @ np.where(is_known, values, 0.0)
    weights = counts @ is_known.astype(np.float64)
    has_any = weights > 0
    means = np.divide(totals, weights, out=np.zeros_like(totals), where=has_any)
    num_structures = has_any.sum(axis=1)
    return np.divide(
        means.sum(axis=1), num_structures, out=np.full(len(counts), np.nan), where=num_structures > 0
    )
