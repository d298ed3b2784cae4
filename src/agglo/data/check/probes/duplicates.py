"""Checks for pictures that occur twice. What counts is the pixels: the same picture saved in two formats is one picture."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from agglo.data.check.look import Digest
from agglo.data.check.report import Problem
from agglo.data.check.survey import Row, Survey

COPY_COLUMNS = ("is_duplicate", "duplicate_of", "is_repeat")
"""Facts that, if given and not 0, say that a frame shows the pulse of the one before."""


def pictures(survey: Survey, digests: Sequence[Digest]) -> Iterator[Problem]:
    """No picture occurs twice, but for frames that follow each other in a video whose table says that pulses are fewer."""
    same: dict[str, list[Row]] = defaultdict(list)
    for digest in digests:
        row = survey.rows[digest.number]
        if digest.pixels and not digest.is_blank and row.image is not None:
            same[digest.pixels].append(row)
    order = _places(survey)
    for rows in same.values():
        for row in rows[1:]:
            yield from _compare(survey, rows, row, order)


def _compare(survey: Survey, rows: Sequence[Row], row: Row, order: dict[int, int]) -> Iterator[Problem]:
    """Compare a picture with the others of the same pixels: the nearest one decides."""
    others = rows[: rows.index(row)]
    strangers = [other for other in others if other.cell("patient") != row.cell("patient")]
    elsewhere = [other for other in others if other.video != row.video]
    near = [
        other
        for other in rows
        if other is not row and other.video == row.video and abs(order[other.number] - order[row.number]) == 1
    ]
    if row.image is None:
        return
    where = survey.relative(row.image)
    if strangers:
        found = f"is {_name(survey, strangers[0])}: patients {row.cell('patient')} and {strangers[0].cell('patient')}"
        yield Problem("duplicate_frame", where, found)
    elif elsewhere:
        yield Problem("duplicate_frame", where, f"is {_name(survey, elsewhere[0])}, of another video")
    elif not near or any(other.image == row.image for other in others):
        yield Problem("duplicate_frame", where, f"is {_name(survey, others[-1])}, at another moment")
    elif not _is_stated(row, near):
        yield Problem("repeated_frame", where, f"is {_name(survey, near[0])}, next to it")


def _name(survey: Survey, row: Row) -> str:
    return "nothing" if row.image is None else f"the same picture as {survey.relative(row.image)}"


def _places(survey: Survey) -> dict[int, int]:
    """Return every frame's place in its video by the frame's number: by index where all have one, else as they come."""
    videos: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in survey.rows:
        videos[row.video].append(row)
    places = {}
    for rows in videos.values():
        if all(row.cell("index").isdecimal() for row in rows):
            rows = sorted(rows, key=lambda row: int(row.cell("index")))
        places.update({row.number: place for place, row in enumerate(rows)})
    return places


def _is_stated(row: Row, near: Sequence[Row]) -> bool:
    """Return whether the table says that a frame and one next to it show the same pulse."""
    if any(each.cell(column) not in ("", "0", "false") for each in (row, *near) for column in COPY_COLUMNS):
        return True
    if row.cell("time_s") and any(other.cell("time_s") == row.cell("time_s") for other in near):
        return True
    try:
        pulses, fps = float(row.cell("pulses_per_s")), float(row.cell("fps"))
    except ValueError:
        return False
    return math.isfinite(pulses) and pulses < fps
