"""Averages that respect who the frames belong to: frame -> swallow -> patient -> structure.

A patient with a long swallow weighs no more than one with a short one. Here is also the patient-by-structure matrix that intervals
and paired comparisons are made from.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from agglo.evaluate.bootstrap import PatientMatrix
from agglo.evaluate.cases import Case

Measure = Callable[[Case], float | None]


def dice_of(case: Case) -> float | None:
    """Return the case's Dice."""
    return case.dice


def patient_means(cases: Iterable[Case], measure: Measure) -> dict[str, float]:
    """Return each patient's mean of `measure`: first over the frames of each swallow, then over the patient's swallows.

    Cases whose measure is None are left out; patients without any are not in the answer.
    """
    swallows: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for case in cases:
        value = measure(case)
        if value is not None:
            swallows[case.patient][case.swallow].append(value)
    return {
        patient: float(np.mean([np.mean(values) for values in of_patient.values()]))
        for patient, of_patient in sorted(swallows.items())
    }


def structure_mean(cases: Iterable[Case], measure: Measure) -> float | None:
    """Return the mean of `measure` over patients (see `patient_means`); None when no case has it."""
    means = patient_means(cases, measure)
    return float(np.mean(list(means.values()))) if means else None


def structures_of(cases: Iterable[Case]) -> tuple[str, ...]:
    """Return the structures in the order of their first appearance."""
    return tuple(dict.fromkeys(case.structure for case in cases))


def headline(cases: Iterable[Case], min_visible: float) -> list[Case]:
    """Return the scored cases of which at least `min_visible` can be seen."""
    return [case for case in cases if case.is_scored and case.visible_fraction >= min_visible]


def dice_means(cases: Sequence[Case], min_visible: float) -> tuple[float | None, dict[str, float | None]]:
    """Return the mean Dice that a table of `cases` has, and that of every structure; None where no case counts."""
    counted = headline(cases, min_visible)
    by_structure = {
        name: structure_mean((case for case in counted if case.structure == name), dice_of)
        for name in structures_of(cases)
    }
    return mean_of_known(by_structure.values()), by_structure


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are not None; None without any."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def patient_matrix(
    cases: Sequence[Case], patients: Sequence[str], structures: Sequence[str]
) -> PatientMatrix:
    """Return the mean Dice of every patient (row) and structure (column); NaN where a patient has no scored case of it."""
    matrix = np.full((len(patients), len(structures)), np.nan)
    for column, structure in enumerate(structures):
        means = patient_means((case for case in cases if case.structure == structure), dice_of)
        for row, patient in enumerate(patients):
            matrix[row, column] = means.get(patient, np.nan)
    return matrix
