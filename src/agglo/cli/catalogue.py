"""`agglo teachers` and `agglo students`: what there is."""

import json
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="for programs")]


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command(
        "teachers",
        help="The teachers: size, width, grid, licence, whether weights are here, how to get them.",
    )(teachers)
    app.command("students", help="The students: parameters, multiply-adds, input, embedding.")(students)


def teachers(as_json: AsJson = False) -> None:
    """List the teachers."""
    from agglo.recipes.catalogue import teacher_rows

    rows = teacher_rows()
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        state = "weights are here" if row["has_weights"] else "weights are not here"
        rows_cols = "x".join(str(cells) for cells in row["grid"])
        print(
            f"{row['name']:<12} {row['parameters'] / 1e6:7.2f} M  {row['input_px']:>5} px -> {row['dim']}x{rows_cols:<6} "
            f"{state:<21} licence {row['licence']}\n{'':13}{row['how_to_get']}"
        )


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
