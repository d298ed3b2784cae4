"""The score table with its small bars, and the distribution of Dice behind each of its rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from agglo.evaluate.aggregate import dice_of, headline, patient_means
from agglo.evaluate.cases import Case
from agglo.evaluate.markdown import format_figure
from agglo.report.curves import ALIGNED, ARM_COLOURS, SUPERVISED
from agglo.report.figures import Strip, strip_figure
from agglo.report.html import Content, Html, element, join, table
from agglo.report.run_folder import Run

PLAIN_COLUMNS = {  # key of a structure's row: (heading, decimals)
    "nsd_2mm": ("NSD 2 mm", 3),
    "hd95_px": ("HD95 px, detected", 1),
    "hd95_penalised_px": ("HD95 px, penalised", 1),
    "miss_rate": ("miss rate", 3),
    "specificity": ("specificity", 3),
    "ceiling": ("ceiling Dice", 3),
    "num_frames": ("frames", 0),
}
CEILING = (
    " Ceiling Dice is what the training masks themselves keep when they are taken down to the decoder's grid and back: "
    "no prediction on that grid can be expected to do better."
)


def score_section(run: Run) -> Html:
    """Return the table of scores, a row a structure and the means below."""
    scores, ceilings = run.scores.table, _ceilings(run)
    if not scores["structures"]:
        return element("p", "The dataset has no labelled structure, so nothing was scored.", class_="missing")
    columns = {key: column for key, column in PLAIN_COLUMNS.items() if key != "ceiling" or ceilings}
    means = {**scores["mean"], "ceiling": float(np.mean(list(ceilings.values()))) if ceilings else None}
    rows = [
        _row(name, {**row, "ceiling": ceilings.get(name)}, _baseline_row(run, name), columns)
        for name, row in scores["structures"].items()
    ]
    rows.append(_row("mean", means, run.supervised.table["mean"] if run.supervised else None, columns))
    other = ["Dice, masks alone"] if run.supervised else []
    headings = ["structure", "Dice", "95% interval", *other, *(heading for heading, _ in columns.values())]
    reading = _reading(scores) + (CEILING if ceilings else "")
    return join((table(headings, rows, class_="scores"), element("p", reading, class_="small")))


def key_figures(run: Run) -> Html | None:
    """Return the means in large type; None where nothing was scored."""
    mean = run.scores.table["mean"]
    if mean["dice"] is None:
        return None
    named = {
        "mean Dice": (mean["dice"], 3),
        "moving structures": (mean.get("moving_dice"), 3),
        "static structures": (mean.get("static_dice"), 3),
        "NSD at 2 mm": (mean.get("nsd_2mm"), 3),
        "HD95 px, penalised": (mean.get("hd95_penalised_px"), 1),
    }
    shown = {
        name: element("b", format_figure(*figure)) for name, figure in named.items() if figure[0] is not None
    }
    return element(
        "dl",
        *(element("div", element("dt", name), element("dd", figure)) for name, figure in shown.items()),
        class_="keys",
    )


def distribution_section(run: Run) -> Html:
    """Return the distribution of Dice by structure, with the other arm's mean where there is one."""
    counted = headline(run.scores.cases, run.scores.table.get("headline_min_visible", 0.5))
    strips = [
        strip
        for name in run.scores.table["structures"]
        if (
            strip := _strip(
                name, [case for case in counted if case.structure == name], _baseline_row(run, name)
            )
        )
        is not None
    ]
    if not strips:
        return element("p", "No frame was scored, so there is no distribution to show.", class_="missing")
    parts = [
        "Dice by structure. Bar: mean; dots: patients; box and whisker: frames (25th to 75th, 5th to 95th percentile)"
    ]
    if run.supervised:
        parts.append("; hollow diamond: mean of the arm on masks alone")
    drawn = element("div", strip_figure(strips, label="Dice by structure"), class_="scroll wide")
    return element("figure", element("figcaption", *parts, "."), drawn)


def dice_bar(value: float | None, interval: list[float] | None, colour: str) -> Html:
    """Return a figure with a bar under it and, where there is an interval, its range as a thinner one."""
    if value is None:
        return element("span", "–", class_="unknown")
    span = (
        element(
            "i",
            class_="span",
            style=f"left:{100 * interval[0]:.1f}%;width:{100 * (interval[1] - interval[0]):.1f}%",
        )
        if interval
        else None
    )
    bar = element(
        "span", element("i", style=f"width:{100 * value:.1f}%;background:{colour}"), span, class_="bar"
    )
    return element("span", element("b", f"{value:.3f}"), bar, class_="figure")


def _row(
    name: str,
    row: Mapping[str, Any],
    baseline: Mapping[str, Any] | None,
    columns: Mapping[str, tuple[str, int]],
) -> list[Content]:
    cells: list[Content] = [
        name,
        dice_bar(row["dice"], row.get("dice_ci95"), ARM_COLOURS[ALIGNED]),
        format_figure(row.get("dice_ci95"), 3),
    ]
    if baseline is not None:
        cells.append(dice_bar(baseline["dice"], None, ARM_COLOURS[SUPERVISED]))
    return cells + [
        "" if name == "mean" and key not in row else format_figure(row.get(key), decimals)
        for key, (_, decimals) in columns.items()
    ]


def _ceilings(run: Run) -> dict[str, float]:
    found = run.stages.get("align", {}).get("ceiling_dice", {})
    return {name: found[name] for name in run.scores.table["structures"] if found.get(name) is not None}


def _baseline_row(run: Run, name: str) -> Mapping[str, Any] | None:
    if run.supervised is None:
        return None
    return run.supervised.table["structures"].get(name, {"dice": None})


def _strip(name: str, cases: list[Case], baseline: Mapping[str, Any] | None) -> Strip | None:
    frames = [case.dice for case in cases if case.dice is not None]
    if not frames:
        return None
    patients = list(patient_means(cases, dice_of).values())
    return Strip(name, frames, patients, float(np.mean(patients)), baseline["dice"] if baseline else None)


def _reading(scores: Mapping[str, Any]) -> str:
    return (
        "Over frames where the structure is present, has a reference and is at least "
        f"{scores.get('headline_min_visible', 0.5):.0%} visible, the same frames for every model; averaged frame, swallow, "
        "patient, structure, mean. A miss has Dice 0 and NSD 0. It has no HD95, so read that column with the miss rate beside "
        "it; the penalised one puts the diagonal of the collimated field in its place. HD95 is read as "
        f"'{scores['hd95_mode']}'. Specificity is the share of frames labelled as without the structure on which none was "
        "predicted. Intervals are bootstrapped over patients."
    )
