"""Checks for pictures that occur twice. What counts is the pixels: the same picture saved in two formats is one picture."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from agglo.data.check.look import Digest
from agglo.data.check.probes.rows import MAX_DIGITS
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
        if len(rows) > 1:
            yield from _compare(survey, rows, order)


def _compare(survey: Survey, rows: Sequence[Row], order: dict[int, int]) -> Iterator[Problem]:
    """Compare each picture with those of the same pixels before it and next to it; the gravest thing is told. One pass."""
    beside = {(row.video, order[row.number]): row for row in rows}
    first_of_patient: dict[str, Row] = {}
    first_of_video: dict[tuple[str, str], Row] = {}
    paths: set[Path | None] = set()
    before: Row | None = None
    for row in rows:
        patient, place = row.cell("patient"), order[row.number]
        stranger = next((first for name, first in first_of_patient.items() if name != patient), None)
        elsewhere = next((first for video, first in first_of_video.items() if video != row.video), None)
        near = [beside[key] for key in ((row.video, place - 1), (row.video, place + 1)) if key in beside]
        where = "" if row.image is None else survey.relative(row.image)
        if stranger:
            found = f"is {_name(survey, stranger)}: patients {patient} and {stranger.cell('patient')}"
            yield Problem("duplicate_frame", where, found)
        elif elsewhere:
            yield Problem("duplicate_frame", where, f"is {_name(survey, elsewhere)}, of another video")
        elif before and (not near or row.image in paths):
            yield Problem("duplicate_frame", where, f"is {_name(survey, before)}, at another moment")
        elif before and not _is_stated(row, near):
            yield Problem("repeated_frame", where, f"is {_name(survey, near[0])}, next to it")
        first_of_patient.setdefault(patient, row)
        first_of_video.setdefault(row.video, row)
        paths.add(row.image)
        before = row


def _name(survey: Survey, row: Row) -> str:
    return "nothing" if row.image is None else f"the same picture as {survey.relative(row.image)}"


def _places(survey: Survey) -> dict[int, int]:
    """Return every frame's place in its video by the frame's number: by index where all have one, else as they come."""
    videos: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in survey.rows:
        videos[row.video].append(row)
    places = {}
    for rows in videos.values():
        if all(row.cell("index").isdecimal() and len(row.cell("index")) <= MAX_DIGITS for row in rows):
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
