"""Counting what there is in a folder: states by structure, frames by patient, by part of a split, by rater."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from agglo.data.check.look import Digest
from agglo.data.check.probes.splits import parts_of, rows_of
from agglo.data.check.report import Counts
from agglo.data.check.survey import Survey, read_lenient_json, read_lenient_table
from agglo.data.states import STATE_OF_WORD, State

_ORDER = (State.PRESENT, State.ABSENT, State.NOT_ASSESSABLE, State.UNLABELLED)


def count(survey: Survey, digests: Sequence[Digest]) -> Counts:
    """Return the counts of what could be read."""
    rows = [row for row in survey.rows if not row.is_torn]
    return Counts(
        states=_states(survey, digests),
        units={
            "patients": len({row.cell("patient") for row in rows}),
            "videos": len({row.video for row in rows}),
            "swallows": len({(*row.video, row.cell("swallow")) for row in rows if row.cell("swallow")}),
            "frames": len(survey.rows),
            "labelled": sum(_is_labelled(digest) for digest in digests),
        },
        patients=_patients(survey, digests),
        parts={survey.relative(path): part for path in survey.split_files if (part := _parts(survey, path))},
        raters={rater: _judged(survey, rater) for rater in survey.raters},
    )


def _states(survey: Survey, digests: Sequence[Digest]) -> dict[str, dict[str, int]]:
    table = {}
    for place, structure in enumerate(survey.structures):
        seen = Counter(digest.states[place] for digest in digests)
        table[structure] = {state.word: seen[state] for state in _ORDER}
    return table


def _is_labelled(digest: Digest) -> bool:
    return any(state is not None and state.is_judged for state in digest.states)


def _patients(survey: Survey, digests: Sequence[Digest]) -> dict[str, Mapping[str, int]]:
    labelled = {digest.number for digest in digests if _is_labelled(digest)}
    frames: Counter[str] = Counter()
    known: Counter[str] = Counter()
    videos: dict[str, set[str]] = {}
    swallows: dict[str, set[tuple[str, str]]] = {}
    for row in survey.rows:
        if row.is_torn:
            continue
        patient, video = row.video
        frames[patient] += 1
        known[patient] += row.number in labelled
        videos.setdefault(patient, set()).add(video)
        swallows.setdefault(patient, set()).update(
            {(video, row.cell("swallow"))} if row.cell("swallow") else ()
        )
    return {
        patient: {
            "videos": len(videos[patient]),
            "swallows": len(swallows[patient]),
            "frames": frames[patient],
            "labelled": known[patient],
        }
        for patient in sorted(frames)
    }


def _parts(survey: Survey, path: Path) -> dict[str, Mapping[str, int]]:
    content = read_lenient_json(Survey(survey.folder), path)
    found: dict[str, Mapping[str, int]] = {}
    for part, frames in parts_of(content).items():
        numbers, _ = rows_of(survey, frames)
        patients = {survey.rows[number].cell("patient") for number in numbers}
        found[part] = {"frames": len(numbers), "patients": len(patients)}
    return found


def _judged(survey: Survey, rater: str) -> int:
    """Return how many frames a rater has judged."""
    table = survey.folder / "masks" / rater / "states.csv"
    columns, lines = read_lenient_table(Survey(survey.folder), table)
    places = [place for place, column in enumerate(columns) if column.startswith("state:")]
    return sum(
        any(
            (STATE_OF_WORD.get(cells[place].strip()) or State.UNLABELLED).is_judged
            for place in places
            if place < len(cells)
        )
        for _, cells in lines
    )
