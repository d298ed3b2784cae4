"""`agglo bench phantom | extract | store | distill | hybrid | students | MODEL`: speed, as ratios measured in one process."""

import json
from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(
        "bench",
        help="Measure: phantom | extract | store | distill | hybrid | students | a model folder. Ratios; machine named.",
    )(bench)


def bench(
    what: Annotated[
        str, typer.Argument(help="phantom, extract, store, distill, hybrid, students, or a model folder")
    ],
    rounds: Annotated[
        int | None, typer.Option(min=1, help="measured repetitions; by default 10, of extract 3, of hybrid 5")
    ] = None,
    views: Annotated[
        list[int] | None,
        typer.Option(min=2, help="extract: peak memory at this many views; repeat to compare"),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="also write the JSON here")] = None,
) -> None:
    """Run a benchmark and print it as JSON."""
    from agglo.bench import bench as run_bench
    from agglo.cli.progress import show
    from agglo.core.files import write_json

    result = run_bench(what, rounds=rounds, views=views or (), tell=show)
    print(json.dumps(result, indent=2))
    if out is not None:
        write_json(out, result)
