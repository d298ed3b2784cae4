"""A score table as Markdown, for people who read the run folder without a browser."""

from collections.abc import Mapping, Sequence
from typing import Any

RESEARCH_ONLY = "Research use only, not a medical device."
COLUMNS = {  # key of a structure's row: (heading, decimals)
    "dice": ("Dice", 3),
    "dice_ci95": ("95% interval", 3),
    "nsd_2mm": ("NSD 2 mm", 3),
    "hd95_px": ("HD95 px (detected)", 1),
    "hd95_penalised_px": ("HD95 px (penalised)", 1),
    "miss_rate": ("miss rate", 3),
    "specificity": ("specificity", 3),
    "num_frames": ("frames", 0),
}


def title_of(table: Mapping[str, Any]) -> str:
    """Return the title of a table: a synthetic one says PHANTOM first."""
    phantom = "PHANTOM (synthetic patients): " if table.get("is_phantom") else ""
    return f"{phantom}scores on the {table['split']} split"


def table_markdown(table: Mapping[str, Any]) -> str:
    """Return `table`, as `tables.table` gives it, as Markdown."""
    teachers = ", ".join(table["teachers"]) or "none (masks alone)"
    lines = [
        f"# {title_of(table)}",
        "",
        f"{RESEARCH_ONLY} {table['num_frames']} frames of {table['num_patients']} patients. Teachers: {teachers}. "
        f"HD95 mode: {table['hd95_mode']}. Averages go frame, swallow, patient, structure, mean, over structures of which at least "
        f"{table['headline_min_visible']:.0%} can be seen. Spacing: {', '.join(table['spacing_source']) or 'none'}.",
        "",
        "| structure | " + " | ".join(heading for heading, _ in COLUMNS.values()) + " |",
        "|---|" + "---:|" * len(COLUMNS),
        *(_row(name, row) for name, row in table["structures"].items()),
        _row("**mean**", {**table["mean"], "num_frames": None}),
        "",
        f"Mean Dice of the moving structures {format_figure(table['mean']['moving_dice'], 3)}, "
        f"of the static ones {format_figure(table['mean']['static_dice'], 3)}.",
        "",
        *(f"- {note}" for note in table["notes"]),
        *_ordered(table.get("ordered")),
        *_raters(table.get("raters")),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _ordered(found: Mapping[str, Any] | None) -> list[str]:
    """Return an ordered group, by outline and by level, as Markdown lines."""
    if not found:
        return []
    outline, level = found["outline"], found["level"]
    return [
        "",
        f"## {found['members'][0]} to {found['members'][-1]}, by outline and by level",
        "",
        f"Outline of the union, {found['num_frames']} frames: Dice {format_figure(outline['dice'], 3)} "
        f"({format_figure(outline['dice_ci95'], 3)}), NSD 2 mm {format_figure(outline['nsd_2mm'], 3)}, HD95 px "
        f"{format_figure(outline['hd95_px'], 1)} (detected; missed {format_figure(outline['miss_rate'], 3)}), "
        f"{format_figure(outline['hd95_penalised_px'], 1)} (penalised).",
        "",
        f"Level right: {format_figure(level['mean']['accuracy'], 3)} ({format_figure(level['mean']['accuracy_ci95'], 3)}). "
        "The mask of a name shows the reference level that it overlaps most; what is not found counts as wrong.",
        "",
        "| level | right | not found | mean error, levels | shifts (frames) | frames |",
        "|---|---:|---:|---:|---|---:|",
        *(_level_row(name, row) for name, row in level["members"].items()),
        _level_row("**all**", level["mean"]),
    ]


def _level_row(name: str, row: Mapping[str, Any]) -> str:
    shares = (format_figure(row[key], 3) for key in ("accuracy", "not_found", "mean_abs_error"))
    shifts = ", ".join(f"{shift} ({count})" for shift, count in row["shifts"].items()) or "–"
    return f"| {name} | " + " | ".join((*shares, shifts, str(row["num_frames"]))) + " |"


def _raters(found: Mapping[str, Mapping[str, Any]] | None) -> list[str]:
    """Return people against people and the model against people as Markdown lines."""
    if not found:
        return []
    return [
        "",
        "## Raters",
        "",
        "Each rater in turn is the reference; the other raters and the model are scored against the same ones (Dice).",
        "",
        "| structure | people, people | model, people | frames |",
        "|---|---:|---:|---:|",
        *(
            f"| {name} | {row['human_human']:.3f} | {row['model_human']:.3f} | {row['num_frames']} |"
            for name, row in found.items()
        ),
    ]


def format_figure(value: float | int | Sequence[float] | None, decimals: int) -> str:
    """Return a figure with so many decimals, an interval as `low to high`, an unknown one as a dash."""
    if value is None:
        return "–"
    if isinstance(value, Sequence):
        return " to ".join(f"{each:.{decimals}f}" for each in value)
    return f"{value:.{decimals}f}"


def _row(name: str, row: Mapping[str, Any]) -> str:
    cells = [format_figure(row.get(key), decimals) for key, (_, decimals) in COLUMNS.items()]
    return f"| {name} | " + " | ".join(cells) + " |"
