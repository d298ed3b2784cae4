"""Ordered structures by outline and by level, people against people, and the further test sets: each where a run has them."""

from collections.abc import Mapping
from typing import Any

from agglo.evaluate.markdown import format_figure
from agglo.report.html import Content, Html, element, join, table
from agglo.report.run_folder import Run


def levels_section(run: Run) -> Html | None:
    """Return how well the column is outlined and how often its members have the right name; None where there is no order."""
    found = run.scores.table.get("ordered")
    if not found:
        return None
    outline, mean = found["outline"], found["level"]["mean"]
    lead = element(
        "p",
        "As one column: Dice ",
        element("strong", format_figure(outline["dice"], 3)),
        f" ({format_figure(outline['dice_ci95'], 3)}), NSD at 2 mm {format_figure(outline['nsd_2mm'], 3)}. With the right name: ",
        element("strong", format_figure(mean["accuracy"], 3)),
        f" ({format_figure(mean['accuracy_ci95'], 3)}), {found['num_frames']} frames. A mask shows the level that it overlaps "
        "most; one that is not found counts as wrong.",
    )
    rows = [_level_row(name, row) for name, row in found["level"]["members"].items()]
    rows.append(_level_row("all", mean))
    headings = ["level", "right", "not found", "mean error, levels", "shifts (frames)", "frames"]
    return join((lead, table(headings, rows, class_="scores")))


def raters_section(run: Run) -> Html | None:
    """Return how far people agree, beside how far the model agrees with them; None with fewer than two raters."""
    found: Mapping[str, Mapping[str, Any]] | None = run.scores.table.get("raters")
    if not found:
        return None
    rows: list[list[Content]] = [
        [name, f"{row['human_human']:.3f}", f"{row['model_human']:.3f}", str(row["num_frames"])]
        for name, row in found.items()
    ]
    reading = (
        "Dice. Each rater in turn is the reference; the other raters and the model are scored against it."
    )
    headings = ["structure", "people, people", "model, people", "frames"]
    return join((table(headings, rows, class_="scores"), element("p", reading, class_="small")))


def further_section(run: Run) -> Html | None:
    """Return the means on the further test sets; None where the run has none."""
    if not run.further:
        return None
    beside = {"light decoder": run.further_light, "masks alone": run.further_supervised}
    beside = {arm: tables for arm, tables in beside.items() if tables}
    rows: list[list[Content]] = [
        [
            name,
            _with_interval(scores["mean"]),
            *(_with_interval(each[name]["mean"]) if name in each else "–" for each in beside.values()),
            str(scores["num_patients"]),
            str(scores["num_frames"]),
        ]
        for name, scores in run.further.items()
    ]
    headings = ["test set", "mean Dice", *beside, "patients", "frames"]
    return table(headings, rows, class_="scores")


def _with_interval(mean: Mapping[str, Any]) -> str:
    return f"{format_figure(mean['dice'], 3)} ({format_figure(mean['dice_ci95'], 3)})"


def _level_row(name: str, row: Mapping[str, Any]) -> list[Content]:
    shifts = ", ".join(f"{shift} ({count})" for shift, count in row["shifts"].items()) or "–"
    shares = [format_figure(row[key], 3) for key in ("accuracy", "not_found", "mean_abs_error")]
    return [name, *shares, shifts, str(row["num_frames"])]
