"""A grid's table for people: Markdown, and one HTML file that opens without a network."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from agglo.ablate.figure import curve_png
from agglo.ablate.forest import forest_png
from agglo.core.files import write_atomic, write_json, write_text
from agglo.evaluate.markdown import RESEARCH_ONLY, format_figure
from agglo.report.html import Html, element, join
from agglo.report.html import table as html_table

READING = (
    "Mean Dice over structures at least half visible, at the frames' own size; averaged frame, swallow, patient, structure, seed. "
    "Intervals draw seeds, and patients for all seeds alike. Differences are paired by patient within each seed; p by the same "
    "bootstrap, after Holm's correction over all differences of a test set. Steps, and rates where an arm tried several, were "
    "chosen on val, whose labels all arms share whatever number of labelled patients they learn from; test was scored once a "
    "cell. Outline and level: Dice of the vertebrae's union, and share of vertebrae with the right name."
)
HEADINGS = (
    "arm",
    "encoder",
    "patients",
    "Dice",
    "95% interval",
    "minus the bar",
    "95% interval",
    "p (Holm)",
    "what may be said",
    "outline",
    "level",
    "seeds",
)
ARM_HEADINGS = (
    "arm",
    "what it is",
    "teachers and the labels they have seen",
    "wall time a cell",
    "rate",
    "step kept",
)


def write_tables(folder: Path, table: Mapping[str, Any]) -> None:
    """Write `table.json`, `table.md`, `curve.png` and `table.html` into the grid's folder."""
    counts = {row["patients"] for test in table["tests"].values() for row in test["rows"]}
    picture = forest_png(table) if len(counts) == 1 else curve_png(table)
    write_atomic(folder / "curve.png", lambda temporary: _write(temporary, picture))
    write_text(folder / "table.md", markdown(table))
    write_text(folder / "table.html", page(table, picture))
    write_json(folder / "table.json", table)


def markdown(table: Mapping[str, Any]) -> str:
    """Return the table as Markdown."""
    lines = [f"# {title(table)}", "", f"{RESEARCH_ONLY} {READING}", ""]
    for name, test in table["tests"].items():
        lines += [f"## {name}: {test['patients']} patients, {test['frames']} frames", "", _heading(HEADINGS)]
        lines += ["| " + " | ".join(_row(table, row)) + " |" for row in test["rows"]] + [""]
    lines += ["## Arms", "", _heading(ARM_HEADINGS)]
    lines += ["| " + " | ".join(_arm_row(name, arm)) + " |" for name, arm in table["arms"].items()]
    lines += ["", *(f"- {note}" for note in table["notes"])]
    return "\n".join(lines).rstrip() + "\n"


def page(table: Mapping[str, Any], picture: bytes) -> str:
    """Return the table as one HTML page with its picture inside."""
    style = files("agglo.report").joinpath("page.css").read_text(encoding="utf-8")
    source = f"data:image/png;base64,{b64encode(picture).decode()}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title(table)} · Agglo"),
        element("style", Html(style)),
    )
    sections = [
        _section(
            f"{name}: {test['patients']} patients, {test['frames']} frames",
            html_table(HEADINGS, [_row(table, row) for row in test["rows"]], class_="scores"),
        )
        for name, test in table["tests"].items()
    ]
    arms = html_table(
        ARM_HEADINGS, [_arm_row(name, arm) for name, arm in table["arms"].items()], class_="facts"
    )
    notes = [element("ul", *(element("li", note) for note in table["notes"]))] if table["notes"] else []
    phantom = element("span", "PHANTOM", class_="phantom") if table["is_phantom"] else None
    body = element(
        "body",
        element(
            "header",
            element("p", element("strong", RESEARCH_ONLY), class_="banner"),
            element("h1", phantom, " ", table["grid"]),
        ),
        element(
            "main",
            _picture(source),
            *sections,
            _section("Arms", arms),
            *notes,
            element("p", READING, class_="small"),
        ),
        element("footer", RESEARCH_ONLY),
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


def title(table: Mapping[str, Any]) -> str:
    """Return the title of a grid; a synthetic one says PHANTOM first."""
    return f"PHANTOM (synthetic patients): {table['grid']}" if table["is_phantom"] else str(table["grid"])


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _picture(source: str) -> Html:
    text = "Mean Dice over labelled patients, a line an arm, with 95% intervals"
    return element(
        "figure", element("img", src=source, alt=text, style="width:100%;background:#fff;border-radius:6px")
    )


def _section(heading: str, content: Html) -> Html:
    return element("section", element("h2", heading), join([content]))


def _heading(names: Sequence[str]) -> str:
    return "| " + " | ".join(names) + " |\n|" + "---|" * len(names)


def _row(table: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    against = row["minus_bar"]
    is_bar = row["arm"] == table["bar"]
    return [
        f"{row['arm']} (the bar)" if is_bar else row["arm"],
        row["column"],
        str(row["patients"]),
        format_figure(row["dice"], 3),
        format_figure(row["dice_ci95"], 3),
        f"{against['mean']:+.3f}" if against else "–",
        format_figure(against["ci95"], 3) if against else "–",
        format_figure(against["p_holm"], 3) if against else "–",
        against["verdict"] if against else "–",
        format_figure(row["outline_dice"], 3),
        format_figure(row["level_right"], 3),
        str(len(row["seeds"])),
    ]


def _arm_row(name: str, arm: Mapping[str, Any]) -> list[str]:
    teachers = "; ".join(f"{each['name']}: {each['labels_seen']}" for each in arm["teachers"]) or "none"
    rates = ", ".join(f"{rate:g} ({column})" for column, rate in arm["learning_rates"].items()) or "–"
    kept = [step for step, _ in arm["kept_steps"]]
    return [
        name,
        "; ".join(
            part
            for part in (arm["kind"], arm["note"], arm["lacks"] and f"not available: {arm['lacks']}")
            if part
        ),
        teachers if arm["cells"] else "–",
        f"{arm['wall_s']:.0f} s" if arm["wall_s"] is not None else "–",
        rates,
        f"{min(kept)} to {max(kept)} of {max(steps for _, steps in arm['kept_steps'])}" if kept else "–",
    ]
