"""`agglo store info|verify STORE`."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Look into a feature store.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="a feature store, such as RUN/features")]


@app.command("info", help="Samples, columns, sizes, what is missing.")
def info(
    store: Folder, as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False
) -> None:
    """Say what a store holds."""
    from agglo.recipes.store import store_info

    found = store_info(store)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    print(f"{store}: {found['frames']} frames x {found['views_per_frame']} views")
    for row in found["columns"]:
        missing = f", {row['missing_blocks']} MISSING" if row["missing_blocks"] else ""
        size = "x".join(str(cells) for cells in (row["dim"], *row["grid"]))
        print(f"  {row['teacher']:<12} {size}, {row['blocks']} blocks{missing}, {row['megabytes']} MB")


@app.command("verify", help="Read every byte and compare checksums; exit code 2 if anything is wrong.")
def verify(store: Folder) -> None:
    """Check a store."""
    from agglo.core.errors import StoreError
    from agglo.recipes.store import store_problems

    problems = store_problems(store)
    if problems:
        raise StoreError(
            f"{store}: {len(problems)} problems; delete the markers of damaged blocks (columns/TEACHER/blocks/B.json) "
            "and extract again\n  " + "\n  ".join(problems)
        )
    print(f"{store}: every block of every column is whole")
