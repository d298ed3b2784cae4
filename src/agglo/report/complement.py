"""One picture that answers whether teachers are complementary or redundant: spectra, similarity, what is each one's own, groups
of images.

Written as a PNG, for papers and mails; it holds no picture of a frame.
"""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

from agglo.core.files import write_atomic
from agglo.evaluate.complement import Comparison
from agglo.report.figures import SERIES_COLOURS

_INK, _FAINT, _LINE = "#22262b", "#6b7280", "#d5d9de"
_STYLE = {
    "font.size": 9.0,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _FAINT,
    "axes.titlecolor": _INK,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": _INK,
    "text.parse_math": False,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
}
_DOTS_PER_INCH = 150
_PANEL_INCHES = 3.7
_CLUSTER_COLOURS = (*SERIES_COLOURS, "#3aa6b9", "#7a7f87")
_DIRECTIONS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)


def draw_comparison(comparison: Comparison, path: Path, *, title: str) -> None:
    """Write the picture of a comparison; `title` says of which store it is."""
    width = max(3, len(comparison.names))
    with matplotlib.rc_context(_STYLE):
        figure = Figure(
            figsize=(_PANEL_INCHES * width, 8.2),
            layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1),
            facecolor="white",
        )
        top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.15, 1.0))[:, 0]
        figure.suptitle(f"{title}\n{verdict(comparison)}", x=0.01, ha="left", fontsize=10.5, linespacing=1.5)
        spectra, cka, predicted = top.subplots(1, 3)
        _draw_spectra(spectra, comparison)
        _draw_cka(cka, comparison)
        _draw_predicted(predicted, comparison)
        panels = bottom.subplots(1, width, squeeze=False)[0]
        for place, axes in enumerate(panels):
            _draw_groups(axes, comparison, place) if place < len(comparison.names) else axes.set_axis_off()
        write_atomic(path, lambda temporary: _write(figure, temporary))


def verdict(comparison: Comparison) -> str:
    """Return the answer in one sentence: how much of each encoder does not follow from the others."""
    shares = [comparison.own_share(row) for row in range(len(comparison.names))]
    known = [
        f"{name} {share:.0%}"
        for name, share in zip(comparison.names, shares, strict=True)
        if share is not None
    ]
    if not known:
        return "Only one encoder: nothing to compare."
    return f"Not linear in all the others, so each one's own (share of variance, unseen images): {', '.join(known)}"


def _write(figure: Figure, path: Path) -> None:
    with path.open("wb") as file:
        FigureCanvasAgg(figure).figure.savefig(
            file, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None}
        )


def _draw_spectra(axes: Axes, comparison: Comparison) -> None:
    widest = max(len(spectrum.shares) for spectrum in comparison.spectra)
    for place, (name, spectrum) in enumerate(zip(comparison.names, comparison.spectra, strict=True)):
        colour = SERIES_COLOURS[place % len(SERIES_COLOURS)]
        label = f"{name}: rank {spectrum.effective_rank:.0f} of {len(spectrum.shares)}"
        count = np.arange(1, len(spectrum.shares) + 1)
        axes.plot(count, np.cumsum(spectrum.shares), color=colour, linewidth=1.8, label=label)
    axes.axhline(0.9, color=_LINE, linewidth=0.8, zorder=0)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([each for each in _DIRECTIONS if each <= widest]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("leading directions")
    axes.set_title("Share of the variance in the leading\ndirections; effective rank")
    axes.legend(loc="lower right", frameon=False, fontsize=8.5, handlelength=1.4)


def _draw_cka(axes: Axes, comparison: Comparison) -> None:
    values = np.array(comparison.cka)
    texts = [
        [
            "" if row == col else f"{value:.2f}\n{comparison.grids[row][col]} x {comparison.grids[row][col]}"
            for col, value in enumerate(line)
        ]
        for row, line in enumerate(values)
    ]
    _draw_matrix(axes, values, texts, comparison.names, comparison.names)
    axes.set_title("Linear CKA, debiased, on the coarser grid\n(0: nothing in common, 1: the same)")


def _draw_predicted(axes: Axes, comparison: Comparison) -> None:
    rows = [
        [*line, others] for line, others in zip(comparison.predicted, comparison.by_all_others, strict=True)
    ]
    values = np.array([[np.nan if each is None else each.cosine for each in row] for row in rows])
    texts = [["" if each is None else f"{each.cosine:.2f}" for each in row] for row in rows]
    _draw_matrix(axes, values, texts, comparison.names, (*comparison.names, "all others"))
    axes.axvline(len(comparison.names) - 0.5, color="white", linewidth=4)
    axes.set_title("Cosine of a row's tokens with what is\npredicted linearly from a column's")


def _draw_matrix(
    axes: Axes, values: np.ndarray, texts: list[list[str]], rows: tuple[str, ...], cols: tuple[str, ...]
) -> None:
    axes.imshow(np.nan_to_num(values), vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for (row, col), value in np.ndenumerate(values):
        if not texts[row][col]:
            box = matplotlib.patches.Rectangle(
                (col - 0.5, row - 0.5), 1, 1, facecolor="#f1f3f5", edgecolor="white"
            )
            axes.add_patch(box)
        colour = "white" if value > 0.6 else _INK
        axes.text(col, row, texts[row][col], ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(cols)), cols)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(np.arange(len(cols) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) - 1) + 0.5, minor=True)
    axes.tick_params(which="minor", length=0)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.spines[:].set_visible(False)


def _draw_groups(axes: Axes, comparison: Comparison, place: int) -> None:
    group = comparison.groups[place]
    for label in range(int(group.labels.max()) + 1):
        points = group.plane[group.labels == label]
        colour = _CLUSTER_COLOURS[label % len(_CLUSTER_COLOURS)]
        axes.scatter(points[:, 0], points[:, 1], s=11, color=colour, alpha=0.75, linewidths=0)
    axes.set_title(
        f"{comparison.names[place]}: {int(group.labels.max()) + 1} groups of images, silhouette {group.silhouette:.2f}\n"
        f"cosine distance between {group.inter:.3f}, within {group.intra:.3f}"
    )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(True)
    axes.margins(0.08)
