"""Dealing patients (or videos) into parts so that what they are like is spread evenly; held-out values; folds.

The dealing is that of iterative stratification (Sechidis, Tsoumakas and Vlahavas, ECML 2011): the rarest value first, each unit to
the part that still wants most of it, so that many columns can be balanced at once though their combinations are unique.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agglo.core.errors import DataError
from agglo.core.seeds import generator
from agglo.data.dataset import Dataset, Frame
from agglo.data.problems import Problems
from agglo.data.splits import PARTS, Split, Unit, counts_of_parts, split_by, unit_of
from agglo.data.states import State

PRESENT = "present:"
"""Before a structure's name: whether the unit has any frame in which it is present."""

_OWN = ("patient", "video", "swallow", "spacing_source", "fps_source")

Labels = Mapping[str, tuple[tuple[str, str], ...]]
"""By unit, its values: (column, value)."""


@dataclass(frozen=True)
class Dealing:
    """How units are dealt.

    Attributes:
        strata: columns to balance: facts of the frame table, or `present:STRUCTURE`.
        min_per_stratum: units that every part must have of every value.
        hold_out: by column the values whose units are the whole test part.
        folds: how many parts of equal size take turns as the test part, or None.
        fold: whose turn it is, from 0.
    """

    strata: tuple[str, ...] = ()
    min_per_stratum: int = 0
    hold_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    folds: int | None = None
    fold: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked that `split_by` does not do."""
        return not self.strata and not self.min_per_stratum and not self.hold_out and self.folds is None


def deal(
    dataset: Dataset,
    dealing: Dealing,
    *,
    by: Unit = "patient",
    fractions: Sequence[float] = (0.6, 0.1, 0.3),
    seed: int | None = 0,
) -> Split:
    """Divide the frames of `dataset` into train, val and test as `dealing` asks; the same seed always gives the same parts.

    With `hold_out` or `folds` the test part is given by them, and the other units are divided between train and val in the ratio of
    their fractions. Raises `DataError` for columns that are not there, and for what cannot be met.
    """
    if dealing.is_plain:
        return split_by(dataset, by=by, fractions=fractions, seed=seed)
    if by not in ("patient", "video"):
        raise DataError(
            f"strata, hold_out and folds must go with by=patient or by=video, got by={by}; fix `by`."
        )
    labels = _labels(dataset, by, [*dealing.strata, *dealing.hold_out])
    order = sorted(labels)
    if seed is not None:
        order = [order[place] for place in generator(seed, "strata", by).permutation(len(order))]
    strata: Labels = {
        unit: tuple(each for each in values if each[0] in dealing.strata) for unit, values in labels.items()
    }
    part_of = _parts(order, labels, strata, dealing, fractions, by)
    _check_minimum(part_of, strata, dealing)
    parts: dict[str, list[int]] = {part: [] for part in PARTS}
    for number, frame in enumerate(dataset.frames):
        parts[part_of[unit_of(frame, by)]].append(number)
    settings: dict[str, Any] = {
        "fractions": list(fractions),
        "strata": list(dealing.strata),
        "min_per_stratum": dealing.min_per_stratum,
        "hold_out": {column: list(values) for column, values in dealing.hold_out.items()},
        "folds": dealing.folds,
        "fold": dealing.fold,
    }
    frozen = {part: tuple(numbers) for part, numbers in parts.items()}
    return Split(frozen, by, seed, dataset.fingerprint, settings)


def _labels(dataset: Dataset, by: Unit, columns: Iterable[str]) -> Labels:
    """Return the values of every unit; several values of one unit are joined, since they are dealt together."""
    columns = list(dict.fromkeys(columns))
    known = {*_OWN, *(fact for frame in dataset.frames for fact in frame.facts)}
    known |= {f"{PRESENT}{structure}" for structure in dataset.structures}
    unknown = [column for column in columns if column not in known]
    if unknown:
        raise DataError(
            f"strata and held-out columns of {dataset.name} must be of {sorted(known)}, got {unknown}; fix `strata` or `hold_out`."
        )
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: {column: set() for column in columns})
    for frame in dataset.frames:
        for column in columns:
            found[unit_of(frame, by)][column].add(_value(dataset, frame, column))
    for frame in dataset.frames:
        found[unit_of(frame, by)]
    return {
        unit: tuple((column, _joined(column, each)) for column, each in values.items())
        for unit, values in found.items()
    }


def _value(dataset: Dataset, frame: Frame, column: str) -> str:
    if column.startswith(PRESENT):
        state = frame.states[dataset.structures.index(column.removeprefix(PRESENT))]
        return "yes" if state is State.PRESENT else ""
    return str(getattr(frame, column)) if column in _OWN else frame.facts.get(column, "")


def _joined(column: str, values: set[str]) -> str:
    if column.startswith(PRESENT):
        return "yes" if "yes" in values else "no"
    return "+".join(sorted(value for value in values if value)) or "blank"


def _parts(
    order: Sequence[str],
    labels: Labels,
    strata: Labels,
    dealing: Dealing,
    fractions: Sequence[float],
    by: Unit,
) -> dict[str, str]:
    """Return the part of every unit."""
    if dealing.hold_out:
        test = [unit for unit in order if _is_held_out(labels[unit], dealing.hold_out)]
        _check_held_out(labels, dealing.hold_out)
    elif dealing.folds is not None:
        if not 0 <= dealing.fold < dealing.folds <= len(order):
            raise DataError(
                f"`fold` must be in 0..{dealing.folds - 1} and `folds` at most the {len(order)} {by}s, got fold={dealing.fold} and "
                f"folds={dealing.folds}; fix them."
            )
        groups = [str(number) for number in range(dealing.folds)]
        sizes = [len(order) // dealing.folds + (k < len(order) % dealing.folds) for k in range(dealing.folds)]
        group_of = dealt_units(order, strata, dict(zip(groups, sizes, strict=True)))
        test = [unit for unit in order if group_of[unit] == str(dealing.fold)]
    else:
        counts = counts_of_parts(len(order), fractions, f"{by}s")
        return dealt_units(order, strata, dict(zip(PARTS, counts, strict=True)))
    rest = [unit for unit in order if unit not in set(test)]
    train, val = fractions[0], fractions[1]
    if train + val <= 0:
        raise DataError(
            "fractions of train and val must not both be 0 where the test part is given; fix them."
        )
    counts = counts_of_parts(len(rest), (train / (train + val), val / (train + val), 0.0), f"{by}s")
    dealt = dealt_units(rest, strata, dict(zip(PARTS, counts, strict=True)))
    return {**dealt, **dict.fromkeys(test, "test")}


def _is_held_out(values: Iterable[tuple[str, str]], hold_out: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a unit has any of the held-out values: one that has others too is held out whole."""
    return any(set(value.split("+")) & set(hold_out.get(column, ())) for column, value in values)


def _check_held_out(labels: Labels, hold_out: Mapping[str, Sequence[str]]) -> None:
    seen: dict[str, set[str]] = defaultdict(set)
    for values in labels.values():
        for column, value in values:
            seen[column].update(value.split("+"))
    problems = Problems("hold_out")
    for column, wanted in hold_out.items():
        for name in wanted:
            if name not in seen[column]:
                problems.add(f"{column}: must be of {sorted(seen[column])}, got {name!r}; fix `hold_out`")
    problems.raise_if_any()


def dealt_units(order: Sequence[str], labels: Labels, sizes: Mapping[str, int]) -> dict[str, str]:
    """Deal units to parts of exactly these sizes, the rarest value first."""
    total = max(1, len(order))
    held = Counter(label for unit in order for label in labels[unit])
    wanted = {part: {label: size * n / total for label, n in held.items()} for part, size in sizes.items()}
    room, left, part_of = dict(sizes), list(order), dict[str, str]()
    while left:
        remaining = Counter(label for unit in left for label in labels[unit])
        rarest = min(remaining, key=lambda label: (remaining[label], label)) if remaining else None
        for unit in [unit for unit in left if rarest is None or rarest in labels[unit]]:
            part = max(
                (each for each in sizes if room[each] > 0),
                key=lambda each: (
                    wanted[each].get(rarest, 0.0) if rarest else 0.0,
                    sum(wanted[each][label] for label in labels[unit]),
                    room[each] / max(1, sizes[each]),
                ),
            )
            part_of[unit] = part
            room[part] -= 1
            for label in labels[unit]:
                wanted[part][label] -= 1
        left = [unit for unit in left if unit not in part_of]
    return part_of


def _check_minimum(part_of: Mapping[str, str], strata: Labels, dealing: Dealing) -> None:
    if not dealing.min_per_stratum:
        return
    counts = Counter((part_of[unit], label) for unit, values in strata.items() for label in values)
    parts = [part for part in PARTS if part in part_of.values()]
    problems = Problems("split")
    for column, value in sorted({label for values in strata.values() for label in values}):
        short = {part: counts[part, (column, value)] for part in parts}
        if min(short.values()) < dealing.min_per_stratum:
            listed = ", ".join(f"{part} {count}" for part, count in short.items())
            problems.add(
                f"{column}={value}: every part must have at least {dealing.min_per_stratum}, got {listed}; lower "
                "`min_per_stratum`, leave the column out, or add data"
            )
    problems.raise_if_any()
