"""Checks of millimetres and seconds: figures that no X-ray machine gives."""

import math
from collections.abc import Iterator

from agglo.data.check.report import Problem
from agglo.data.check.survey import Survey

SPACING_MM = (0.02, 5.0)
"""Smallest and largest spacing that is believed."""

MAX_ANISOTROPY = 2.0
"""Rows against columns, either way round."""

FPS = (0.5, 240.0)
"""Slowest and fastest frame rate that is believed."""

NO_SOURCE = ("", "none")


def spacing(survey: Survey) -> Iterator[Problem]:
    """Spacing is possible, whole, and says where it comes from."""
    for row in survey.rows:
        names = ("spacing_row_mm", "spacing_col_mm")
        given = {name: row.cell(name) for name in names if row.cell(name)}
        if row.is_torn or not given:
            continue
        if len(given) < len(names):
            yield Problem("spacing", row.place, f"only `{next(iter(given))}` is given")
        wrong = [name for name, text in given.items() if not SPACING_MM[0] <= _number(text) <= SPACING_MM[1]]
        for name in wrong:
            yield Problem("spacing", row.place, f"`{name}` is {given[name]!r}")
        if not wrong and len(given) == len(names):
            rows_mm, cols_mm = map(_number, given.values())
            if max(rows_mm / cols_mm, cols_mm / rows_mm) > MAX_ANISOTROPY:
                yield Problem("spacing", row.place, f"rows {rows_mm:g} mm, columns {cols_mm:g} mm")
        if row.cell("spacing_source") in NO_SOURCE:
            yield Problem("spacing", row.place, "has a spacing and no `spacing_source`")


def fps(survey: Survey) -> Iterator[Problem]:
    """A frame rate is possible, and says where it comes from."""
    for row in survey.rows:
        given = row.cell("fps")
        if row.is_torn or not given:
            continue
        if not FPS[0] <= _number(given) <= FPS[1]:
            yield Problem("fps", row.place, f"`fps` is {given!r}")
        elif row.cell("fps_source") in NO_SOURCE:
            yield Problem("fps_source", row.place, f"`fps` is {given}, `fps_source` is blank")


def _number(text: str) -> float:
    """Return a cell's number, or nan, which lies in no range."""
    try:
        return float(text)
    except ValueError:
        return math.nan
