"""Checks of several raters' tables and masks, through the same reading as on opening."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from agglo.data.check.look import Look, look_at
from agglo.data.check.native_survey import is_file
from agglo.data.check.probes import masks
from agglo.data.check.report import Problem
from agglo.data.check.survey import Row, Survey, read_lenient_table, stated_states
from agglo.data.masks import mask_paths
from agglo.data.states import STATE_OF_WORD, State


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
    is_each = survey.encoding == "per_structure"
    needed = states if is_each else [State.PRESENT if State.PRESENT in states else None] * len(paths)
    named = tuple(
        path if state is State.PRESENT or is_file(path) else None
        for path, state in zip(paths, needed, strict=True)
    )
    look, found = look_at(survey, replace(row, place=where, states=states, image=None, masks=named))
    yield from found
    yield from masks.values(look)
    yield from masks.contradictions(look)
    yield from _sizes(look, row.image)


def _sizes(look: Look, image: Path | None) -> Iterator[Problem]:
    """A rater's mask has the picture's size, which its header says; a picture that has none is told of elsewhere."""
    if image is None or not look.masks:
        return
    try:
        with Image.open(image) as picture:
            size = (picture.height, picture.width)
    except Exception:
        return
    yield from masks.sizes(replace(look, image=np.zeros(size, np.uint8)))
