"""`agglo teachers`, `agglo students` and `agglo settings`: what there is."""

import json
import textwrap
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="for programs")]


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command(
        "teachers",
        help="The teachers: size, width, grid, summary, maps to choose from, licence, whether weights are here, how to get them.",
    )(teachers)
    app.command("students", help="The students: parameters, multiply-adds, input, embedding.")(students)
    app.command("settings", help="Every setting of a recipe: its default, what it may be, what it does.")(
        settings
    )


def teachers(as_json: AsJson = False) -> None:
    """List the teachers."""
    from agglo.recipes.catalogue import teacher_rows

    rows = teacher_rows()
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(_teacher(row))
    print(
        "\nBeside these: timm:NAME, hf:NAME_OR_FOLDER and python:MODULE:CALLABLE bring a teacher of your own (docs/teachers.md)."
    )


def _teacher(row: dict[str, Any]) -> str:
    """Return what is known of one teacher, as a few lines."""
    state = "weights are here" if row["has_weights"] else "weights are not here"
    rows_cols = "x".join(str(cells) for cells in row["grid"])
    summary = f"summary {row['summary_dim']}" if row["summary_dim"] else "no summary"
    lines = [
        f"{row['name']:<16} {row['parameters'] / 1e6:7.2f} M  {row['input_px']:>5} px -> {row['dim']}x{rows_cols:<6} "
        f"{summary:<12} {state:<21} licence {row['licence']}"
    ]
    if row["restriction"]:
        lines.append(f"RESTRICTED: {row['restriction']}")
    if len(row["maps"]) > 1:
        lines.append(
            "map: "
            + "; ".join(f"{name} ({what})" for name, what in row["maps"].items())
            + "; the first by default"
        )
    lines.append(row["how_to_get"] + _pins(row))
    return f"\n{'':17}".join(lines)


def _pins(row: dict[str, Any]) -> str:
    """Return what of published weights is known beforehand: the commit of the hub, the hash of the file."""
    if not row["source"].startswith("http"):
        return ""
    revision = f"revision {row['revision']}" if row["revision"] else "revision not pinned"
    return f" ({revision}, sha256 {row['sha256'] or 'not pinned'})"


def students(as_json: AsJson = False) -> None:
    """List the students."""
    from agglo.recipes.catalogue import student_rows

    rows = student_rows()
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(
            f"{row['name']:<12} {row['params'] / 1e6:7.2f} M  {row['macs'] / 1e9:7.2f} G multiply-adds at {row['input_px']} px  "
            f"embedding {'x'.join(str(size) for size in row['embedding'])}"
        )


def settings(
    beginning: Annotated[str, typer.Argument(help="only those that begin so, such as distill")] = "",
    as_json: AsJson = False,
) -> None:
    """List the settings of recipes."""
    from agglo.config.reference import settings_of
    from agglo.config.schema import Recipe
    from agglo.core.errors import ConfigError

    found = [each for each in settings_of(Recipe) if each.path.startswith(beginning)]
    if not found:
        raise ConfigError(f"no setting begins with {beginning!r}; `agglo settings` lists all of them")
    if as_json:
        print(json.dumps([each._asdict() for each in found], indent=2))
        return
    for each in found:
        print(f"{each.path:<38} {each.default:<16} {each.values}")
        if each.what:
            print(textwrap.fill(each.what, 110, initial_indent=" " * 39, subsequent_indent=" " * 39))
