"""Checks of several raters' tables and masks, through the same reading as on opening."""

from collections.abc import Iterator

import numpy as np

from agglo.core.errors import AggloError
from agglo.data.check.native_survey import is_file
from agglo.data.check.report import Problem
from agglo.data.check.survey import Row, Survey, one_line, read_lenient_table, stated_states
from agglo.data.masks import BITS, mask_paths
from agglo.data.states import STATE_OF_WORD, State
from agglo_runtime.images import read_image


def tables(survey: Survey) -> Iterator[Problem]:
    """Every rater's table names frames once, with states that their masks bear out."""
    by_id = {row.cell("id"): row for row in survey.rows if not row.is_torn}
    for rater in survey.raters:
        place = f"masks/{rater}/states.csv"
        reading = Survey(survey.folder)
        columns, lines = read_lenient_table(reading, survey.folder / "masks" / rater / "states.csv")
        for problem in reading.problems:
            yield Problem("rater", problem.where, problem.found)
        missing = [
            each for each in ("id", *(f"state:{name}" for name in survey.structures)) if each not in columns
        ]
        if columns and missing:
            yield Problem("rater", place, f"lacks the columns {', '.join(missing)}")
        seen: set[str] = set()
        for line, cells in lines:
            named = dict(zip(columns, cells, strict=False))
            frame, where = named.get("id", "").strip(), f"{place} line {line}"
            if len(cells) != len(columns):
                yield Problem("rater", where, f"has {len(cells)} cells for {len(columns)} columns")
            elif frame not in by_id or frame in seen:
                fault = "twice" if frame in seen else "which frames.csv does not have"
                yield Problem("rater", where, f"names frame {frame!r}, {fault}")
            else:
                yield from _labels(survey, rater, by_id[frame], named, where)
            seen.add(frame)


def _labels(survey: Survey, rater: str, row: Row, cells: dict[str, str], where: str) -> Iterator[Problem]:
    states = stated_states(cells, survey.structures)
    for structure in survey.structures:
        word = cells.get(f"state:{structure}", "").strip()
        if word not in STATE_OF_WORD:
            yield Problem("unknown_state", where, f"`state:{structure}` is {word!r}")
    if survey.encoding is None:
        return
    paths = mask_paths(survey.folder, survey.encoding, row.cell("id"), survey.structures, rater=rater)
    pages: dict[int, np.ndarray] = {}
    is_each = survey.encoding == "per_structure"
    for place, path in enumerate(paths):
        is_needed = states[place] is State.PRESENT if is_each else State.PRESENT in states
        if not is_file(path):
            if is_needed:
                yield Problem("missing_mask", survey.relative(path), f"is needed by {where}")
            continue
        try:
            pages[place] = read_image(path)
        except AggloError as error:
            yield Problem("unreadable_mask", survey.relative(path), one_line(error))
    yield from _contradictions(survey, states, pages, where)


def _contradictions(
    survey: Survey, states: tuple[State | None, ...], pages: dict[int, np.ndarray], where: str
) -> Iterator[Problem]:
    for place, (structure, state) in enumerate(zip(survey.structures, states, strict=True)):
        page = pages.get(place if survey.encoding == "per_structure" else place // BITS)
        if survey.encoding == "index":
            page = pages.get(0)
        if page is None:
            continue
        inside = {
            "per_structure": page > 0,
            "index": page == place + 1,
            "bitfield": (page.astype(np.uint32) >> place % BITS) & 1,
        }[survey.encoding or "bitfield"]
        count = int(np.count_nonzero(inside))
        if state is State.PRESENT and not count:
            yield Problem("present_but_empty", f"{where} {structure}", "is `present` and has no pixel")
        elif state is State.ABSENT and count:
            yield Problem("absent_but_pixels", f"{where} {structure}", f"is `absent` and has {count} pixels")
