"""Several arms on the same test patients over seeds: their means, and their paired differences from a bar, with Holm's correction.

Pure functions of Dice by patient and structure. A figure over seeds is the mean of the seeds' macro means; its interval draws
seeds, and patients for all of them (`bootstrap`). A difference is paired by patient within each seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from agglo.evaluate.bootstrap import Interval, bounds, draws, interval, macro_mean, p_value

MIN_SEEDS = 3
"""Fewer say too little of how far a second training would differ: figures stand, with a note."""

LEVEL = 0.05

DIFFERENCE_DRAWS = 10_000
"""Of the bootstrap of a difference: its smallest p is 2 in so many, which Holm's correction multiplies by the number of
differences; with the 2000 of an interval none of more than 50 could ever count."""

Seeds = Mapping[int, Float[np.ndarray, "_ _"]]
"""Dice of every patient (row) and structure (column), NaN where there is none, by seed."""


@dataclass(frozen=True)
class Figure:
    """The mean Dice of one arm at one place of a grid; `interval` is None with fewer than five patients."""

    mean: float
    interval: Interval | None
    by_seed: tuple[float, ...]


@dataclass(frozen=True)
class Difference:
    """An arm's mean Dice minus the bar's.

    Attributes:
        mean: over the seeds that both have.
        interval: paired by patient; not corrected for how many differences there are.
        p: of no difference, by the same bootstrap.
        p_holm: corrected for all differences of the table; None before that, or without a `p`.
        num_seeds: that both have.
    """

    mean: float
    interval: Interval | None
    p: float | None
    num_seeds: int
    p_holm: float | None = None

    @property
    def verdict(self) -> str:
        """What may be said: a difference counts where its interval is clear of 0 and so is Holm's p of the level."""
        if self.interval is None or self.p_holm is None:
            return "too few patients to say"
        if self.num_seeds < MIN_SEEDS:
            return "too few seeds to say"
        if self.interval.holds_zero or self.p_holm > LEVEL:
            return "no difference shown"
        return "better" if self.mean > 0 else "worse"


def figure(seeds: Seeds) -> Figure:
    """Return an arm's figure; at least one seed."""
    matrices = [seeds[seed] for seed in sorted(seeds)]
    means = tuple(macro_mean(matrix) for matrix in matrices)
    return Figure(float(np.mean(means)), interval(matrices, keys=("arm",)), means)


def difference(seeds: Seeds, bar: Seeds) -> Difference | None:
    """Return the paired difference over the seeds that both have; None where they share none.

    Raises:
        ValueError: patients or structures of a seed differ: the two were not scored on the same cases.
    """
    common = sorted(seeds.keys() & bar.keys())
    if not common:
        return None
    matrices = []
    for seed in common:
        if seeds[seed].shape != bar[seed].shape:
            raise ValueError(
                f"arms must be scored on the same patients and structures, got {seeds[seed].shape} and {bar[seed].shape}"
            )
        matrices.append(seeds[seed] - bar[seed])
    means = draws(matrices, keys=("difference",), num_draws=DIFFERENCE_DRAWS)
    return Difference(
        mean=float(np.mean([macro_mean(matrix) for matrix in matrices])),
        interval=None if means is None else bounds(means),
        p=None if means is None else p_value(means),
        num_seeds=len(common),
    )


def with_holm(differences: Sequence[Difference]) -> list[Difference]:
    """Return the same differences with p values corrected by Holm's method over all of them that have one."""
    places = [place for place, each in enumerate(differences) if each.p is not None]
    corrected = holm([differences[place].p or 0.0 for place in places])
    found = list(differences)
    for place, value in zip(places, corrected, strict=True):
        found[place] = replace(found[place], p_holm=value)
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's corrected p values (Holm 1979), in the order given: smallest times n, next times n - 1, never falling."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected
