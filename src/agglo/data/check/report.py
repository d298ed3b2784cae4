"""What a check found: problems, and counts of what there is; and the same as JSON. How it is printed is in `text`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agglo.data.check.kinds import KINDS


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        kind: a name in `KINDS`, which says what must hold and what to do.
        where: the file, the line, the frame.
        found: what is there instead.
    """

    kind: str
    where: str
    found: str

    def __post_init__(self) -> None:
        """Hold that the kind is known."""
        assert self.kind in KINDS, self.kind


@dataclass(frozen=True)
class Counts:
    """What there is in a dataset, as far as it could be read.

    Attributes:
        states: frames by structure and state's word.
        units: patients, videos, swallows, frames.
        patients: for each patient its videos, swallows, frames, and frames with any label.
        parts: for each split file and part its frames and patients.
        raters: for each rater the frames judged.
    """

    states: Mapping[str, Mapping[str, int]]
    units: Mapping[str, int]
    patients: Mapping[str, Mapping[str, int]]
    parts: Mapping[str, Mapping[str, Mapping[str, int]]]
    raters: Mapping[str, int]


@dataclass(frozen=True)
class Report:
    """All that a check found in one folder, problems in the order of their kinds."""

    folder: str
    name: str
    layout: str
    counts: Counts
    problems: Sequence[Problem]

    @property
    def errors(self) -> list[Problem]:
        """Problems with which the dataset cannot be trusted."""
        return [problem for problem in self.problems if KINDS[problem.kind].is_error]

    @property
    def warnings(self) -> list[Problem]:
        """What only asks for a look."""
        return [problem for problem in self.problems if not KINDS[problem.kind].is_error]

    def to_json(self) -> dict[str, Any]:
        """Return everything as a program reads it."""
        return {
            "folder": self.folder,
            "name": self.name,
            "layout": self.layout,
            "num_errors": len(self.errors),
            "num_warnings": len(self.warnings),
            "problems": [
                {
                    "kind": problem.kind,
                    "level": "error" if KINDS[problem.kind].is_error else "warning",
                    "where": problem.where,
                    "found": problem.found,
                    "must": KINDS[problem.kind].must,
                    "remedy": KINDS[problem.kind].remedy,
                }
                for problem in self.problems
            ],
            "states": self.counts.states,
            "units": self.counts.units,
            "patients": self.counts.patients,
            "parts": self.counts.parts,
            "raters": self.counts.raters,
        }
