"""Checks of the frame table's columns and cells."""

import re
from collections import Counter
from collections.abc import Iterator

from agglo.data.check.report import Problem
from agglo.data.check.survey import Row, Survey
from agglo.data.states import STATE_OF_WORD
from agglo.data.table import REQUIRED

POLARITIES = ("", "bone_black", "bone_white")

MAX_DIGITS = 18
"""Of an index: more is no number of a frame."""


def columns(survey: Survey) -> Iterator[Problem]:
    """Required columns are there, each once, and name structures of the dataset."""
    if survey.layout != "native" or not survey.columns:
        return
    for column in [*REQUIRED, *(f"state:{structure}" for structure in survey.structures)]:
        if column not in survey.columns:
            yield Problem("columns", "frames.csv", f"lacks the column `{column}`")
    for column, count in Counter(survey.columns).items():
        if count > 1:
            yield Problem("columns", "frames.csv", f"has the column `{column}` {count} times")
        prefix, _, structure = column.partition(":")
        if prefix in ("state", "visible") and structure and structure not in survey.structures:
            yield Problem("unknown_structure", "frames.csv", f"has the column `{column}`")


def cells(survey: Survey) -> Iterator[Problem]:
    """Rows are whole; what must be given is given; indices and shares are numbers."""
    for row in survey.rows:
        if row.is_torn:
            if row.cells and survey.columns:
                given = "fewer cells than" if len(row.cells) < len(set(survey.columns)) else "more cells than"
                yield Problem("torn_row", row.place, f"has {given} the {len(survey.columns)} columns")
            continue
        if survey.layout == "native":
            yield from _cells_of(survey, row)


def _cells_of(survey: Survey, row: Row) -> Iterator[Problem]:
    for column in REQUIRED:
        if column in survey.columns and not row.cell(column):
            yield Problem("blank_cell", row.place, f"`{column}` is blank")
    frame, index = row.cell("id"), row.cell("index")
    if frame and not re.fullmatch(r"\w[\w.-]*", frame, flags=re.ASCII):
        yield Problem("bad_id", row.place, f"`id` is {frame!r}")
    if index and not (index.isascii() and index.isdecimal() and len(index) <= MAX_DIGITS):
        yield Problem("bad_index", row.place, f"`index` is {index[:40]!r}")
    if row.cell("polarity") not in POLARITIES:
        yield Problem("bad_polarity", row.place, f"`polarity` is {row.cell('polarity')!r}")
    for structure in survey.structures:
        share = row.cell(f"visible:{structure}")
        if share and not _is_share(share):
            yield Problem("bad_visible", row.place, f"`visible:{structure}` is {share!r}")


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


def states(survey: Survey) -> Iterator[Problem]:
    """States are words that mean something."""
    for row in survey.rows:
        if row.is_torn:
            continue
        for structure in survey.structures:
            word = row.cell(f"state:{structure}")
            if word not in STATE_OF_WORD:
                yield Problem("unknown_state", row.place, f"`state:{structure}` is {word!r}")


def places(survey: Survey) -> Iterator[Problem]:
    """No id is used twice, and no place in a video is taken twice where a table states places."""
    first_of: dict[tuple[str, ...], Row] = {}
    for row in survey.rows:
        if row.is_torn:
            continue
        place = () if survey.layout == "plain" else (*row.video, row.cell("index"))
        keys = {"duplicate_id": (row.cell("id"),), "duplicate_place": place}
        for kind, key in keys.items():
            if not (key and all(key)):
                continue
            first = first_of.setdefault((kind, *key), row)
            if first is not row:
                yield Problem(kind, row.place, f"{', '.join(key)}: as in {first.place}")


def row_count(survey: Survey) -> Iterator[Problem]:
    """The table has as many rows as were written."""
    counts = survey.content.get("counts")
    expected = counts.get("frames") if isinstance(counts, dict) else None
    if survey.columns and expected is not None and expected != len(survey.rows):
        yield Problem(
            "row_count", "frames.csv", f"has {len(survey.rows)} rows, dataset.json counts {expected!r}"
        )
