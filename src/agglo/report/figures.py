"""Figures as inline SVG that take the page's font and follow its light and dark colours.

Matplotlib draws with three stand-in colours for ink, faint ink and grid lines, which are then replaced by the page's own variables;
text stays text. Figures have neither title nor legend: the page sets both, in its own type. Which figures there are is decided
elsewhere.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullLocator

from agglo.report.html import Html

SERIES_COLOURS = ("#3b82c4", "#d97b29", "#2f9e77", "#a06cd5", "#cf4b5f", "#8a8f3c")
"""Readable on white and on near-black; told apart by most colour-blind readers in this order."""

MAX_POINTS = 300
MIN_LOG_SPAN = 5.0
NICE_STEPS = (1, 2, 2.5, 5, 10)

_INK, _FAINT, _LINE = "#010203", "#040506", "#070809"
_VARIABLES = {_INK: "var(--ink)", _FAINT: "var(--faint)", _LINE: "var(--line)"}
_STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 9.0,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _LINE,
    "grid.linewidth": 0.5,
    "text.color": _INK,
    "xtick.color": _LINE,
    "ytick.color": _LINE,
    "xtick.labelcolor": _FAINT,
    "ytick.labelcolor": _FAINT,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "lines.linewidth": 1.5,
}
_PANEL_HEIGHT_INCHES = 2.35
_STRIP_INCHES = 10.8
_ROW_INCHES = 0.28


@dataclass(frozen=True)
class Series:
    """One line of a panel; `is_dashed` sets a second arm apart from the first."""

    x: Sequence[float]
    y: Sequence[float]
    colour: str
    is_dashed: bool = False
    has_markers: bool = False


@dataclass(frozen=True)
class Expected:
    """What values are to be expected, drawn behind the lines.

    Attributes:
        typical: from where to where, as a band; None where nobody knows.
        start: where a curve begins, as a dashed line; None where nobody knows.
    """

    typical: tuple[float, float] | None
    start: float | None


@dataclass(frozen=True)
class Strip:
    """One row of the distribution figure.

    Attributes:
        name: of the structure.
        frames: values of single frames; drawn as a box from the 25th to the 75th percentile, whiskers from the 5th to the 95th.
        patients: means of patients; drawn as dots.
        mean: drawn as a bar across.
        baseline: another arm's mean; drawn as a hollow diamond; None where there is no such arm.
    """

    name: str
    frames: Sequence[float]
    patients: Sequence[float]
    mean: float
    baseline: float | None


def line_panel(
    series: Sequence[Series],
    *,
    x_label: str,
    label: str,
    width_inches: float = 3.3,
    y_range: tuple[float, float] | None = None,
    is_log: bool = False,
    expected: Expected | None = None,
) -> Html:
    """Return one small line chart; `label` says to those who cannot see it what it shows.

    Long series are thinned to `MAX_POINTS` means of neighbours. `is_log` asks for a logarithmic axis, drawn where all values
    are positive and span more than `MIN_LOG_SPAN`.
    """
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": label}):
        figure = Figure(figsize=(width_inches, _PANEL_HEIGHT_INCHES), layout="constrained")
        axes = figure.add_subplot()
        if expected is not None:
            _draw_expected(axes, expected)
        for each in series:
            _draw_line(axes, each)
        if is_log and _spans_decades([value for each in series for value in each.y]):
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
            axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
            axes.yaxis.set_minor_locator(NullLocator())
        else:
            axes.yaxis.set_major_locator(MaxNLocator(5, steps=NICE_STEPS))
        if y_range is not None:
            axes.set_ylim(*y_range)
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=NICE_STEPS))
        axes.set_xlabel(x_label)
        axes.margins(x=0.02)
        return _as_svg(figure, label)


def strip_figure(strips: Sequence[Strip], *, label: str) -> Html:
    """Return the distribution of a measure in `[0, 1]`, one row a structure, the first on top."""
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": label}):
        figure = Figure(figsize=(_STRIP_INCHES, 0.55 + _ROW_INCHES * len(strips)), layout="constrained")
        axes = figure.add_subplot()
        for row, strip in enumerate(strips):
            _draw_strip(axes, row, strip)
        axes.set_yticks(range(len(strips)), [strip.name for strip in strips], color=_INK)
        axes.set_ylim(len(strips) - 0.4, -0.6)
        axes.set_xlim(-0.015, 1.015)
        axes.set_xticks(np.linspace(0, 1, 11))
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        return _as_svg(figure, label)


def thinned(values: Float[np.ndarray, " points"]) -> Float[np.ndarray, " fewer"]:
    """Return at most `MAX_POINTS` means of neighbouring values, in order; short series are returned as they are."""
    if len(values) <= MAX_POINTS:
        return values
    return np.array([part.mean() for part in np.array_split(values, MAX_POINTS)])


def _spans_decades(values: Sequence[float]) -> bool:
    return bool(values) and min(values) > 0 and max(values) > MIN_LOG_SPAN * min(values)


def _draw_expected(axes: Axes, expected: Expected) -> None:
    if expected.typical is not None:
        axes.axhspan(*expected.typical, color=_FAINT, alpha=0.13, linewidth=0)
    if expected.start is not None:
        axes.axhline(expected.start, color=_FAINT, linewidth=1.0, linestyle=(0, (4, 2)))


def _draw_line(axes: Axes, series: Series) -> None:
    x, y = (thinned(np.asarray(values, dtype=np.float64)) for values in (series.x, series.y))
    marker = "o" if series.has_markers else ""
    axes.plot(
        x,
        y,
        color=series.colour,
        linestyle=(0, (4, 2)) if series.is_dashed else "-",
        marker=marker,
        markersize=3.5,
    )


def _draw_strip(axes: Axes, row: int, strip: Strip) -> None:
    accent = SERIES_COLOURS[0]
    low, first, third, high = np.percentile(strip.frames, (5, 25, 75, 95))
    axes.plot([low, high], [row, row], color=accent, linewidth=1.0, alpha=0.6, solid_capstyle="butt")
    axes.barh(row, third - first, left=first, height=0.56, color=accent, alpha=0.22, linewidth=0)
    axes.plot(
        strip.patients,
        np.full(len(strip.patients), row),
        "o",
        color=accent,
        markersize=3.2,
        alpha=0.75,
        markeredgewidth=0,
    )
    axes.plot(
        [strip.mean, strip.mean], [row - 0.34, row + 0.34], color=_INK, linewidth=1.8, solid_capstyle="butt"
    )
    if strip.baseline is not None:
        axes.plot(
            [strip.baseline],
            [row],
            "D",
            markersize=5,
            markerfacecolor="none",
            markeredgecolor=SERIES_COLOURS[1],
        )


def _as_svg(figure: Figure, label: str) -> Html:
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    FigureCanvasSVG(figure).print_svg(buffer, metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(
        r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf'<svg \1 role="img" aria-label="{label}">', svg, count=1
    )
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(r"font-family: [^;\"]*;?", "", svg).replace("xlink:href", "href")
    for stand_in, variable in _VARIABLES.items():
        svg = svg.replace(stand_in, variable)
    return Html(svg)
