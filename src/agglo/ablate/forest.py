"""A grid of one number of labelled patients as a picture: for every arm its Dice, and beside it the difference to the bar."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from agglo.ablate.figure import BAR_COLOUR, QUIET, STYLE, TITLES, plain, title_of
from agglo.evaluate.markdown import RESEARCH_ONLY

OTHERS = "#3b82c4"
LINE_INCHES, AROUND_INCHES = 0.34, 1.1


def forest_png(table: Mapping[str, Any]) -> bytes:
    """Return the picture of a grid's table as PNG, a row of panels a test set."""
    tests = table["tests"]
    heights = [LINE_INCHES * len(test["rows"]) + AROUND_INCHES for test in tests.values()]
    with matplotlib.rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.14, h_pad=0.1, wspace=0.04, hspace=0.05)
        figure = Figure(figsize=(9.4, 1.0 + sum(heights)), dpi=160, layout=layout)
        panels = figure.subplots(len(tests), 2, sharey="row", squeeze=False, height_ratios=heights)
        for (name, test), (left, right) in zip(tests.items(), panels, strict=True):
            _lines(left, table, test["rows"])
            _lines(right, table, test["rows"], is_difference=True)
            left.set_title(_words(name, test), fontsize=11, color=QUIET, loc="left", pad=9)
            left.set_xlabel("mean Dice")
            right.set_xlabel(f"minus {plain(table['bar'])}, paired by patient")
        figure.suptitle(title_of(table), fontsize=14.5, fontweight="bold", x=0.012, ha="left")
        words = f"Whiskers: 95% intervals over seeds and patients. {RESEARCH_ONLY}"
        figure.supxlabel(words, fontsize=8.5, color=QUIET, x=0.012, ha="left")
        buffer = io.BytesIO()
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _words(name: str, test: Mapping[str, Any]) -> str:
    labelled = test["rows"][0]["patients"]
    return f"{plain(name)}: {test['patients']} patients, {test['frames']} frames; {labelled} labelled to learn from"


def _lines(
    axes: Axes, table: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], *, is_difference: bool = False
) -> None:
    """Draw one line of a panel for each row of the table, the first at the top; the bar in black."""
    for place, row in enumerate(rows):
        is_bar = row["arm"] == table["bar"]
        colour = BAR_COLOUR if is_bar else OTHERS
        value, span = _shown(row, is_difference)
        if value is not None:
            axes.plot(value, place, marker="D" if is_bar else "o", markersize=6, color=colour, zorder=3)
        if span:
            axes.hlines(place, *span, color=colour, linewidth=1.6, alpha=0.8)
    if is_difference:
        axes.axvline(0, color=BAR_COLOUR, linewidth=1.2, linestyle=(0, (5, 2)), zorder=1)
    has_columns = len({row["column"] for row in rows}) > 1
    ends = [
        (" (the bar)" if row["arm"] == table["bar"] else "")
        + (f", {TITLES[row['column']]}" if has_columns else "")
        for row in rows
    ]
    names = [plain(row["arm"]) + end for row, end in zip(rows, ends, strict=True)]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.tick_params(axis="y", labelcolor=BAR_COLOUR)


def _shown(row: Mapping[str, Any], is_difference: bool) -> tuple[float | None, Sequence[float] | None]:
    """Return what a panel shows of a row: a figure and its interval; of the bar's difference to itself, nothing."""
    if not is_difference:
        return row["dice"], row["dice_ci95"]
    difference = row["minus_bar"]
    return (difference["mean"], difference["ci95"]) if difference else (None, None)
