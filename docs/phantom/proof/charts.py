"""The figures of the page, drawn from the file of figures alone, so that they can be drawn again without measuring again."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from proof.motion import MEASURES
from proof.transfer import PARTS

PHANTOM, REAL, INK, FAINT, BAND = "#2f78b7", "#d9722b", "#22262b", "#6b737c", "#dcebd9"
STYLE: Final = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": "#c9ced4",
    "axes.labelcolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "xtick.color": "#c9ced4",
    "ytick.color": "#c9ced4",
    "xtick.labelcolor": FAINT,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.dpi": 110,
}
NOTE = "PHANTOM against real frames · research use only, not a medical device"
NOTE_PHANTOM = "PHANTOM · research use only, not a medical device"


def finish(figure: Figure, path: Path, note: str) -> None:
    """Sign a figure and save it."""
    figure.text(0.995, 0.006, note, ha="right", va="bottom", fontsize=7, color=FAINT)
    figure.savefig(path)
    plt.close(figure)


def _spread(axes: Axes, at: float, row: Mapping[str, Any]) -> None:
    axes.plot([row["p05"], row["p95"]], [at, at], color=PHANTOM, lw=1.6, solid_capstyle="round")
    axes.plot([row["p25"], row["p75"]], [at, at], color=PHANTOM, lw=6.5, alpha=0.45, solid_capstyle="butt")
    axes.plot(row["p50"], at, "o", color=PHANTOM, ms=5.5)


def grey(figures: Mapping[str, Any], path: Path) -> None:
    """Draw the grey levels of the regions."""
    rows = {
        name: row
        for name, row in figures["rows"].items()
        if name != "C4 texture SD" and row["p50"] is not None
    }
    figure, axes = plt.subplots(figsize=(8.2, 3.9), layout="constrained")
    for at, row in enumerate(rows.values()):
        _spread(axes, at, row)
        if row["real_measured"] is not None:
            axes.plot(row["real_measured"], at, "D", color=REAL, ms=6.5, zorder=4)
        axes.plot(row["real_listed"], at, "D", mfc="none", mec=REAL, ms=6.5, mew=1.3, zorder=4)
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.set_xlim(-4, 255)
    axes.set_xlabel("grey level of 255")
    axes.grid(axis="x", color="#eceff2")
    axes.set_axisbelow(True)
    axes.set_title(f"Grey levels of eight regions, {figures['patients']} phantom patients")
    handles = [
        axes.plot([], [], "o-", color=PHANTOM, label="phantom: median, middle half, 5 to 95 %")[0],
        axes.plot([], [], "D", color=REAL, label="real clip, measured by the same rule")[0],
        axes.plot([], [], "D", mfc="none", mec=REAL, label="real clip, read off by eye")[0],
    ]
    axes.legend(handles=handles, loc="lower right", fontsize=8)
    figure.get_layout_engine().set(rect=(0, 0.03, 1, 0.97))
    finish(figure, path, NOTE)


def noise(figures: Mapping[str, Any], path: Path) -> None:
    """Draw the spectrum of noise, and its correlations."""
    curves, rows = figures["spectrum"], figures["rows"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.7), layout="constrained")
    at = curves["frequency"]
    if "phantom_p50" in curves:
        left.fill_between(at, curves["phantom_p05"], curves["phantom_p95"], color=PHANTOM, alpha=0.2, lw=0)
        left.plot(at, curves["phantom_p50"], color=PHANTOM, lw=2, label="phantom: median, 5 to 95 %")
    if "real" in curves:
        left.plot(at, curves["real"], color=REAL, lw=2, label="real clip")
    left.set_yscale("log")
    left.set_xlim(0, 0.5)
    left.set_xlabel("spatial frequency, cycles/px")
    left.set_ylabel("share of power in a ring")
    left.set_title("Radial power spectrum of the noise")
    left.legend(fontsize=8)
    names = {"lag_1": "next frame", "neighbour_1": "1 px", "neighbour_2": "2 px", "neighbour_3": "3 px"}
    for place, name in enumerate(names):
        if rows[name]["p50"] is not None:
            _spread(right, place, rows[name])
        if rows[name]["real_measured"] is not None:
            right.plot(rows[name]["real_measured"], place, "D", color=REAL, ms=6.5, zorder=4)
        right.plot(rows[name]["real_listed"], place, "D", mfc="none", mec=REAL, ms=6.5, mew=1.3, zorder=4)
    right.set_yticks(range(len(names)), names.values())
    right.invert_yaxis()
    right.set_xlim(0, 1)
    right.set_xlabel("correlation (hollow: as first listed)")
    right.set_title("Correlation of the noise in time and space")
    for axes in (left, right):
        axes.grid(color="#eceff2", which="major")
        axes.set_axisbelow(True)
    figure.get_layout_engine().set(rect=(0, 0.04, 1, 0.96))
    finish(figure, path, NOTE)


def motion(figures: Mapping[str, Any], path: Path) -> None:
    """Draw one small histogram a measure, over the band of its range."""
    figure, grid = plt.subplots(3, 4, figsize=(11, 6.6), layout="constrained")
    for axes, (name, about) in zip(grid.flat, MEASURES.items(), strict=True):
        row = figures["rows"][name]
        edges, counts = row["histogram"]["edges"], row["histogram"]["counts"]
        axes.axvspan(*about.bounds, color=BAND, lw=0)
        axes.stairs(counts, edges, fill=True, color=PHANTOM, alpha=0.85)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_yticks([])
        axes.set_ylim(0, 1.25 * max(*counts, 1))
        axes.spines["left"].set_visible(False)
        axes.set_title(about.words)
        axes.set_xlabel(about.unit, fontsize=8)
        if row["share_inside"] is not None:
            axes.text(
                0.98,
                0.94,
                f"{100 * row['share_inside']:.1f} % inside",
                transform=axes.transAxes,
                ha="right",
                va="top",
                fontsize=8,
                color=FAINT,
            )
    figure.suptitle(
        f"Twelve measures over {figures['swallows']} phantom swallows; green: the range to be held",
        x=0.01,
        ha="left",
        fontsize=10.5,
    )
    figure.get_layout_engine().set(rect=(0.008, 0.025, 0.984, 0.975), hspace=0.06)
    finish(figure, path, NOTE_PHANTOM)


def patches(figures: Mapping[str, Any], path: Path) -> None:
    """Draw the AUC of each look and split."""
    figure, axes = plt.subplots(figsize=(8.6, 3.9), layout="constrained")
    colours = {"within": "#2f78b7", "across: clip to other": "#2f9e77", "across: other to clip": "#a06cd5"}
    rows = figures["rows"]
    for at, row in enumerate(rows.values()):
        for place, (split, colour) in enumerate(colours.items()):
            y = at + 0.22 * (place - 1)
            middle, low, high = row[split]["auc"]
            axes.plot([low, high], [y, y], color=colour, lw=2, solid_capstyle="round")
            axes.plot(
                middle,
                y,
                "o",
                color=colour,
                ms=5.5,
                label={"within": "same recordings, later frames"}.get(split, split) if at == 0 else None,
            )
    axes.axvline(0.5, color=FAINT, lw=1, ls=(0, (4, 3)))
    axes.text(0.502, -0.62, "cannot be told apart", fontsize=7.5, color=FAINT, va="center")
    axes.set_yticks(range(len(rows)), [f"{name}\n{row['words']}" for name, row in rows.items()], fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.8)
    axes.set_xlim(min(0.38, *(row[s]["auc"][1] - 0.02 for row in rows.values() for s in colours)), 1.02)
    axes.set_xlabel("AUC of a small network that tells real patches from phantom ones")
    axes.grid(axis="x", color="#eceff2")
    axes.set_axisbelow(True)
    axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=3, columnspacing=1.2)
    figure.get_layout_engine().set(rect=(0, 0.035, 1, 0.965))
    finish(figure, path, NOTE)


def transfer(figures: Mapping[str, Any], path: Path) -> None:
    """Draw Dice frame by frame, with the stretch in which contrast is in view."""
    figure, axes = plt.subplots(figsize=(8.6, 3.2), layout="constrained")
    contrast = PARTS["contrast in view"]
    axes.axvspan(contrast.start, contrast.stop - 1, color="#f3e6da", lw=0)
    axes.text(
        contrast.start + 0.5, 1.02, "contrast in view: the label shrinks around it", fontsize=7.5, color=FAINT
    )
    for (name, values), colour in zip(figures["dice"].items(), (PHANTOM, "#2f9e77"), strict=True):
        axes.plot(figures["frames"], values, color=colour, lw=1.6, label=name)
    axes.set_ylim(0, 1.08)
    axes.set_xlim(0, 122)
    axes.set_xlabel("frame of the real clip")
    axes.set_ylabel("Dice")
    axes.grid(color="#eceff2")
    axes.set_axisbelow(True)
    axes.legend(fontsize=8, loc="lower left")
    figure.get_layout_engine().set(rect=(0, 0.04, 1, 0.96))
    finish(
        figure, path, "trained on PHANTOMS alone, one real subject · research use only, not a medical device"
    )


CHARTS: Final[Mapping[str, Callable[[Mapping[str, Any], Path], None]]] = {
    "grey": grey,
    "noise": noise,
    "motion": motion,
    "patches": patches,
    "transfer": transfer,
}


def draw(part: str, figures: Mapping[str, Any], folder: Path) -> Path | None:
    """Draw a part's figure; None when it has none or was skipped."""
    if part not in CHARTS or "skipped" in figures:
        return None
    path = folder / f"{part}.png"
    with plt.rc_context(STYLE):
        CHARTS[part](figures, path)
    return path
