"""Checks of split files that lie in the dataset's folder, or were named."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agglo.core.errors import AggloError
from agglo.data.check.report import Problem
from agglo.data.check.survey import Survey, one_line, read_lenient_json
from agglo.data.opening import open_dataset
from agglo.data.split_files import adopt_split
from agglo.data.splits import load_split


def split_files(survey: Survey) -> Iterator[Problem]:
    """Every split is one of this dataset, and keeps patients whole."""
    for path in survey.split_files:
        reading = Survey(survey.folder)
        content = read_lenient_json(reading, path)
        yield from reading.problems
        if not reading.problems:
            yield from _look_into(survey, path, content)


def parts_of(content: Any) -> dict[str, list[Any]]:
    """Return the frames that a split's content lists by part, whatever else it is; empty for no split.

    Ids (`frames`) go before numbers (`parts`), as in a recipe that is given the file.
    """
    parts = content.get("frames", content.get("parts")) if isinstance(content, dict) else None
    if not isinstance(parts, dict):
        return {}
    return {str(part): frames for part, frames in parts.items() if isinstance(frames, list)}


def rows_of(survey: Survey, frames: Sequence[Any]) -> tuple[list[int], list[Any]]:
    """Return the numbers of the frames that a part lists by number or id, and those it lists in vain."""
    numbers = {row.cell("id"): row.number for row in survey.rows}
    known: list[int] = []
    unknown: list[Any] = []
    for frame in frames:
        is_number = isinstance(frame, int) and 0 <= frame < len(survey.rows)
        number = frame if is_number else numbers.get(frame) if isinstance(frame, str) else None
        if number is None:
            unknown.append(frame)
        else:
            known.append(number)
    return known, unknown


def _look_into(survey: Survey, path: Path, content: Any) -> Iterator[Problem]:
    place = survey.relative(path)
    parts = parts_of(content)
    if not parts:
        yield Problem("split_file", place, "has no `frames` (ids by part) and no `parts` (numbers by part)")
        return
    yield from _leaks(survey, place, parts, str(content.get("by", "patient")))
    try:
        dataset = open_dataset(survey.folder)
    except AggloError:
        return  # it has been said why, and the split may be right
    try:
        adopt_split(path, dataset) if "frames" in content else load_split(path, dataset)
    except AggloError as error:
        text = one_line(error)
        if " in one part only" not in text:
            yield Problem("split_file", place, text)


def _leaks(survey: Survey, place: str, parts: Mapping[str, Sequence[Any]], by: str) -> Iterator[Problem]:
    """Look for units in two parts by the survey alone, so that a dataset that does not open is looked into too."""
    home: dict[str, str] = {}
    leaks: dict[tuple[str, str], None] = {}
    for part, frames in parts.items():
        known, unknown = rows_of(survey, frames)
        if unknown:
            shown = ", ".join(map(repr, unknown[:5])) + (" ..." if len(unknown) > 5 else "")
            yield Problem("split_file", place, f"{part} lists frames that are not there: {shown}")
        for number in known:
            row = survey.rows[number]
            units = {"patient": row.cell("patient"), "video": "/".join(row.video)}
            unit = units.get(by, row.cell("id"))
            if home.setdefault(unit, part) != part:
                leaks[unit, f"is in {home[unit]} and {part}"] = None
    what = by if by in ("patient", "video") else "frame"
    for unit, found in leaks:
        yield Problem("split_leak", f"{place} {what} {unit}", found)
