"""The curve over labelled patients as a picture: a row a test set, a panel a column, a line an arm, a band its interval.

Of a grid with one number of patients, which has no curve, `forest` makes the picture.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, ScalarFormatter

from agglo.evaluate.markdown import RESEARCH_ONLY

COLOURS = ("#3b82c4", "#d97b29", "#2f9e77", "#a06cd5", "#cf4b5f", "#8a8f3c", "#5b6b7a", "#b5651d")
BAR_COLOUR = "#1b1f24"
QUIET = "#5d6670"
TITLES = {"frozen": "frozen encoder", "finetune": "encoder trained too"}
SPREAD = 0.035
"""Points of neighbouring arms are set apart by this share of their count, so that whiskers can be told apart."""
STYLE = {
    "font.size": 10.5,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#b8bfc6",
    "axes.labelcolor": QUIET,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "axes.grid": True,
    "grid.color": "#e8ebee",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "text.color": "#1b1f24",
    "text.parse_math": False,
}


def curve_png(table: Mapping[str, Any]) -> bytes:
    """Return the picture of a grid's table as PNG."""
    columns = [column for column in TITLES if _has_column(table, column)]
    with matplotlib.rc_context(STYLE):
        rows = len(table["tests"])
        size = (1.2 + 5.0 * len(columns), 1.55 + 3.7 * rows)
        layout = ConstrainedLayoutEngine(w_pad=0.14, h_pad=0.1, wspace=0.03, hspace=0.05)
        figure = Figure(figsize=size, dpi=160, layout=layout)
        panels = figure.subplots(rows, len(columns), sharey="row", sharex=True, squeeze=False)
        for (name, test), of_row in zip(table["tests"].items(), panels, strict=True):
            for column, axes in zip(columns, of_row, strict=True):
                _draw(axes, table, test["rows"], column)
            of_row[0].set_ylabel(
                f"{plain(name)}: mean Dice\n({test['patients']} patients, {test['frames']} frames)"
            )
        for column, axes in zip(columns, panels[0], strict=True):
            axes.set_title(TITLES[column], fontsize=11, color=QUIET, loc="left", pad=9)
        for axes in panels[-1]:
            axes.set_xlabel("labelled patients")
        figure.suptitle(title_of(table), fontsize=14.5, fontweight="bold", x=0.012, ha="left")
        _legend(figure, table)
        buffer = io.BytesIO()
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def colours_of(table: Mapping[str, Any]) -> dict[str, str]:
    """Return a colour for every arm with a cell; the bar is black."""
    others = [name for name, arm in table["arms"].items() if arm["cells"] and name != table["bar"]]
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(others)}
    return {name: colours.get(name, BAR_COLOUR) for name, arm in table["arms"].items() if arm["cells"]}


def _has_column(table: Mapping[str, Any], column: str) -> bool:
    return any(row["column"] == column for test in table["tests"].values() for row in test["rows"])


def _draw(axes: Axes, table: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], column: str) -> None:
    """Draw one panel; the bar stands in every one, whatever its column, because it is what all are compared with."""
    counts = sorted({row["patients"] for row in rows})
    shown = [
        (name, colour, own)
        for name, colour in colours_of(table).items()
        if (
            own := [
                row
                for row in rows
                if row["arm"] == name and (name == table["bar"] or row["column"] == column)
            ]
        )
    ]
    for place, (name, colour, own) in enumerate(shown):
        is_bar = name == table["bar"]
        shift = 1 + SPREAD * (place - (len(shown) - 1) / 2)
        x = [row["patients"] * shift for row in own]
        axes.plot(
            x,
            [row["dice"] for row in own],
            color=colour,
            linewidth=2.4 if is_bar else 1.7,
            linestyle=(0, (5, 2)) if is_bar else "-",
            marker="D" if is_bar else "o",
            markersize=5,
            zorder=4 if is_bar else 3,
        )
        known = [(at, row["dice_ci95"]) for at, row in zip(x, own, strict=True) if row["dice_ci95"]]
        if known:
            places, spans = zip(*known, strict=True)
            low, high = zip(*spans, strict=True)
            axes.fill_between(places, low, high, color=colour, alpha=0.08, linewidth=0)
            axes.vlines(places, low, high, color=colour, linewidth=1.1, alpha=0.75)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(counts))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.set_xlim(min(counts) * 0.8, max(counts) * 1.25)


def _legend(figure: Figure, table: Mapping[str, Any]) -> None:
    from matplotlib.lines import Line2D

    bar = table["bar"]
    marks = [
        Line2D(
            [],
            [],
            color=colour,
            linewidth=2.4 if name == bar else 1.7,
            linestyle=(0, (5, 2)) if name == bar else "-",
            marker="D" if name == bar else "o",
            markersize=5,
            label=f"{plain(name)} (the bar)" if name == bar else plain(name),
        )
        for name, colour in colours_of(table).items()
    ]
    words = f"Bands and whiskers: 95% intervals over seeds and patients. {RESEARCH_ONLY}"
    found = figure.legend(
        handles=marks,
        loc="outside lower left",
        ncols=_columns(table),
        frameon=False,
        fontsize=10,
        title=words,
        title_fontsize=8.5,
        alignment="left",
    )
    found.get_title().set_color(QUIET)


def _columns(table: Mapping[str, Any]) -> int:
    """Return how many names fit side by side under the panels."""
    longest = max(len(name) for name in colours_of(table)) + len(" (the bar)")
    inches = 1.2 + 5.0 * sum(_has_column(table, column) for column in TITLES)
    return int(max(1, min(4, inches // (0.6 + 0.085 * longest))))


def title_of(table: Mapping[str, Any]) -> str:
    """Return what a grid's picture is called."""
    return f"{'PHANTOM (synthetic patients): ' if table['is_phantom'] else ''}{table['grid']}"


def plain(name: str) -> str:
    """Return a name as words."""
    return name.replace("_", " ")
