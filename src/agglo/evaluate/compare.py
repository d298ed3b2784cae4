"""Two models on the same cases: the difference of their mean Dice, paired by patient, its interval, and the honest word for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from agglo.core.errors import RunFolderError
from agglo.evaluate.aggregate import headline, patient_matrix, structures_of
from agglo.evaluate.bootstrap import MIN_PATIENTS, Interval, interval, macro_mean
from agglo.evaluate.cases import Case
from agglo.evaluate.scoring import ScoreRules


@dataclass(frozen=True)
class Comparison:
    """The mean Dice of a model minus that of a baseline.

    Attributes:
        difference: of the macro means.
        interval: of the difference, by patients drawn together for both models; None with fewer than five patients.
        num_patients: that both were scored on.
    """

    difference: float
    interval: Interval | None
    num_patients: int

    @property
    def verdict(self) -> str:
        """What may be said: better, worse, no difference shown, or that there are too few patients to say."""
        if self.interval is None:
            return f"too few patients to say ({self.num_patients}; at least {MIN_PATIENTS} are needed)"
        if self.interval.holds_zero:
            return "no difference shown"
        return "better" if self.difference > 0 else "worse"


def compare(
    cases: Sequence[Case], baseline: Sequence[Case], *, rules: ScoreRules | None = None
) -> Comparison | None:
    """Compare two models' headline Dice on the same cases; None when no case counts.

    Raises:
        RunFolderError: the two were not scored on the same frames and structures.
    """
    min_visible = (rules or ScoreRules()).headline_min_visible
    ours, theirs = headline(cases, min_visible), headline(baseline, min_visible)
    _require_same_cases(ours, theirs)
    if not ours:
        return None
    patients = sorted({case.patient for case in ours})
    structures = structures_of(ours)
    differences = patient_matrix(ours, patients, structures) - patient_matrix(theirs, patients, structures)
    return Comparison(
        difference=macro_mean(differences),
        interval=interval([differences], keys=("paired difference",)),
        num_patients=len(patients),
    )


def _require_same_cases(ours: Sequence[Case], theirs: Sequence[Case]) -> None:
    first, second = ({(case.frame, case.structure) for case in cases} for cases in (ours, theirs))
    if first != second:
        example = min(first ^ second)
        raise RunFolderError(
            f"two models can only be compared on the same cases, but {len(first - second)} were scored for the first "
            f"alone and {len(second - first)} for the second alone (frame {example[0]!r}, {example[1]!r}, for one); "
            "evaluate both on one split."
        )
