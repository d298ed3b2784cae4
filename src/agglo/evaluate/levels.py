"""Ordered look-alike structures (vertebrae), scored twice: where the column is, and whether each of its members has the right name.

A model that outlines every vertebra well and is off by one in their names has a Dice near 0 on each. Here that is seen as what it
is: a good outline of the union, and a shift of one.

* *outline*: Dice and surface distances of the union of all members that count in the frame. What is predicted on members that do
  not count (unlabelled, not assessable, hidden) is neither rewarded nor punished.
* *level*: for every reference member the predicted mask of its name is looked up; the reference member that it overlaps most is
  what it really shows. `shift` is how many members further down that is: 0 is right, None is a mask that is empty or lies on none.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from agglo.core.errors import DataError
from agglo.evaluate.bootstrap import PatientMatrix, interval, macro_mean
from agglo.evaluate.metrics import HausdorffMode, Mask, dice, hd95_of, nsd_of, surface_distances

GROUP = "vertebrae"
"""A group of this name in a dataset is ordered, whatever its members are called."""

COLUMN = (*(f"C{n}" for n in range(1, 8)), *(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 6)))
"""Vertebrae from top to bottom: a dataset that names some of them has an ordered group, said or not."""

MemberMasks = Bool[np.ndarray, "members rows cols"]


@dataclass(frozen=True)
class Outline:
    """One union of masks against another.

    Attributes:
        dice: 0 where nothing was predicted there.
        is_detected: whether anything was.
        hd95_px: None where nothing was predicted.
        hd95_penalised_px: the same, a miss costing the diagonal of the field.
        nsd_2mm: None where the spacing is unknown.

    Distances are None too where none were asked for.
    """

    dice: float
    is_detected: bool
    hd95_px: float | None = None
    hd95_penalised_px: float | None = None
    nsd_2mm: float | None = None


@dataclass(frozen=True)
class LevelFrame:
    """One frame's ordered group, scored.

    Attributes:
        frame, patient, swallow: whose and which.
        shifts: by reference member that counts: members further down its name was found, None where it was not.
        outline: of the union of the members that count.
    """

    frame: str
    patient: str
    swallow: str
    shifts: Mapping[str, int | None]
    outline: Outline


@dataclass(frozen=True)
class Ruler:
    """How distances of a frame are measured: reading of HD95, spacing in mm (rows, columns) where known, price of a miss."""

    hd95_mode: HausdorffMode
    spacing_mm: tuple[float, float] | None
    miss_px: float


def ordered_group(structures: Sequence[str], groups: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the members of a dataset's ordered group from first to last; empty where it has none.

    It is the group named `vertebrae`, else the structures that are called like vertebrae, from top to bottom.
    """
    members = tuple(groups.get(GROUP, ())) or tuple(name for name in COLUMN if name in structures)
    unknown = [name for name in members if name not in structures]
    if unknown:
        raise DataError(f"group {GROUP!r} must name structures of the dataset, but has {unknown}; mend it.")
    return members if len(members) > 1 else ()


def shifts_of(predicted: MemberMasks, reference: MemberMasks, counts: Sequence[bool]) -> list[int | None]:
    """Return for every member whose `counts` holds its shift in members, None for one not found; others are left out.

    A predicted mask is of the reference member with which it shares most pixels, of equal ones the nearest to its name.
    """
    shifts: list[int | None] = []
    for place in np.flatnonzero(counts):
        shared = (reference & predicted[place]).sum(axis=(1, 2))
        candidates = np.flatnonzero(shared == shared.max()) if shared.max() > 0 else ()
        shifts.append(
            min(
                (int(each - place) for each in candidates),
                key=lambda shift: (abs(shift), shift),
                default=None,
            )
        )
    return shifts


def unions_of(predicted: MemberMasks, reference: MemberMasks, counts: Sequence[bool]) -> tuple[Mask, Mask]:
    """Return the union of predicted and of reference members that count, both without what cannot be judged.

    Pixels of reference members that do not count are left out. Where a member does not count its predicted mask counts only on
    reference members that do: there it is a matter of level, not of outline.
    """
    is_counted = np.asarray(counts, bool)
    wanted = reference[is_counted].any(axis=0)
    ignored = reference[~is_counted].any(axis=0) & ~wanted
    named = predicted[is_counted].any(axis=0)
    others = predicted[~is_counted].any(axis=0) & wanted
    return (named | others) & ~ignored, wanted


def outline_of(predicted: Mask, reference: Mask, ruler: Ruler | None) -> Outline:
    """Return Dice of one union against another, and surface distances where there is a `ruler`; a miss is never free."""
    is_detected = bool(predicted.any())
    if ruler is None or not is_detected:
        overlap = dice(predicted, reference)
        if ruler is None:
            return Outline(overlap, is_detected)
        return Outline(overlap, is_detected, None, ruler.miss_px, 0.0 if ruler.spacing_mm else None)
    hd95_px = hd95_of(surface_distances(predicted, reference), ruler.hd95_mode)
    nsd_2mm = None
    if ruler.spacing_mm:
        nsd_2mm = nsd_of(surface_distances(predicted, reference, spacing=ruler.spacing_mm), 2.0)
    penalised_px = min(hd95_px, ruler.miss_px)  # finding something never costs more than finding nothing
    return Outline(dice(predicted, reference), is_detected, hd95_px, penalised_px, nsd_2mm)


def level_table(frames: Sequence[LevelFrame], members: Sequence[str]) -> dict[str, Any]:
    """Return the scores of an ordered group as `table.json` holds them.

    Outline figures are averaged frame, swallow, patient; `hd95_px` is over frames where anything was predicted, and stands beside
    `miss_rate`. A member's figures are plain shares of frames: `accuracy` counts one that was not found as wrong,
    `mean_abs_error` is over found ones and stands beside `not_found`. The mean accuracy goes patient, member, mean.
    """
    by_name = {name: [frame.shifts[name] for frame in frames if name in frame.shifts] for name in members}
    rows = {name: _level_row(shifts) for name, shifts in by_name.items()}
    everything = [shift for shifts in by_name.values() for shift in shifts]
    accuracies = _accuracies(frames, members)
    return {
        "members": list(members),
        "num_frames": len(frames),
        "num_patients": len({frame.patient for frame in frames}),
        "outline": _outline_means(frames),
        "level": {
            "mean": {**_level_row(everything), **_mean_accuracy(accuracies)},
            "members": rows,
        },
    }


def _outline_means(frames: Sequence[LevelFrame]) -> dict[str, Any]:
    names = ("dice", "hd95_px", "hd95_penalised_px", "nsd_2mm")
    by_patient = {name: _by_patient(frames, name) for name in names}
    found = interval([_column(list(by_patient["dice"].values()))], keys=("outline",))
    return {
        **{
            name: float(np.mean(list(values.values()))) if values else None
            for name, values in by_patient.items()
        },
        "dice_ci95": list(found) if found else None,
        "miss_rate": sum(not frame.outline.is_detected for frame in frames) / len(frames) if frames else None,
    }


def _level_row(shifts: Sequence[int | None]) -> dict[str, Any]:
    found = [shift for shift in shifts if shift is not None]
    counts = Counter(found)
    return {
        "accuracy": counts[0] / len(shifts) if shifts else None,
        "not_found": 1 - len(found) / len(shifts) if shifts else None,
        "mean_abs_error": float(np.mean(np.abs(found))) if found else None,
        "shifts": {f"{shift:+d}" if shift else "0": counts[shift] for shift in sorted(counts)},
        "num_frames": len(shifts),
    }


def _accuracies(frames: Sequence[LevelFrame], members: Sequence[str]) -> PatientMatrix:
    """Return the share of right names of every patient (row) and member (column); NaN where it counts in no frame."""
    patients = sorted({frame.patient for frame in frames})
    matrix = np.full((len(patients), len(members)), np.nan)
    for row, patient in enumerate(patients):
        of_patient = [frame.shifts for frame in frames if frame.patient == patient]
        for column, name in enumerate(members):
            found = [shifts[name] == 0 for shifts in of_patient if name in shifts]
            matrix[row, column] = np.mean(found) if found else np.nan
    return matrix


def _mean_accuracy(accuracies: PatientMatrix) -> dict[str, Any]:
    if not np.isfinite(accuracies).any():
        return {"accuracy": None, "accuracy_ci95": None}
    found = interval([accuracies], keys=("levels",))
    return {"accuracy": macro_mean(accuracies), "accuracy_ci95": list(found) if found else None}


def _column(values: Sequence[float]) -> PatientMatrix:
    return np.array(values, np.float64).reshape(-1, 1)


def _by_patient(frames: Sequence[LevelFrame], name: str) -> dict[str, float]:
    found: dict[str, dict[str, list[float]]] = {}
    for frame in frames:
        value = getattr(frame.outline, name)
        if value is not None:
            found.setdefault(frame.patient, {}).setdefault(frame.swallow, []).append(value)
    return {
        patient: float(np.mean([np.mean(values) for values in swallows.values()]))
        for patient, swallows in found.items()
    }
