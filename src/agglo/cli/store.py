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
    from agglo.features import FeatureStore

    opened = FeatureStore.open(store)
    columns = [
        {
            "teacher": name,
            "dim": column.dim,
            "grid": list(column.grid),
            "blocks": column.num_blocks,
            "missing_blocks": len(column.missing_blocks()),
            "megabytes": round(
                sum(file.stat().st_size for file in column.folder.rglob("*") if file.is_file()) / 1e6, 1
            ),
        }
        for name, column in ((name, opened.column(name)) for name in opened.teachers)
    ]
    samples = {"frames": len(opened.samples.frames), "views_per_frame": opened.samples.views_per_frame}
    if as_json:
        print(json.dumps({**samples, "columns": columns}, indent=2))
        return
    print(f"{store}: {samples['frames']} frames x {samples['views_per_frame']} views")
    for row in columns:
        missing = f", {row['missing_blocks']} MISSING" if row["missing_blocks"] else ""
        print(
            f"  {row['teacher']:<12} {row['dim']}x{row['grid'][0]}x{row['grid'][1]}, {row['blocks']} blocks{missing}, {row['megabytes']} MB"
        )


@app.command("verify", help="Read every byte and compare checksums; exit code 2 if anything is wrong.")
def verify(store: Folder) -> None:
    """Check a store."""
    from agglo.core.errors import StoreError
    from agglo.features import FeatureStore

    opened = FeatureStore.open(store)
    problems = [line for name in opened.teachers for line in opened.column(name).verify()]
    if problems:
        raise StoreError(
            f"{store}: {len(problems)} problems; delete the markers (columns/TEACHER/blocks/B.json) of damaged blocks and extract again\n  "
            + "\n  ".join(problems)
        )
    print(f"{store}: {len(opened.teachers)} columns, every block whole")
