"""`agglo lab train NAME`: a lab teacher from nothing."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The small teachers that Agglo ships: how they were made.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep `train` a verb of its own although it is the only one."""


@app.command("train", help="Train a lab teacher on synthetic data, with its card. Goes on where it stopped.")
def train(
    name: Annotated[str, typer.Argument(help="lab-sam, lab-dino or lab-clip")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="a folder for data, checkpoints, weights and card")
    ],
    quick: Annotated[
        bool, typer.Option("--quick", help="the short training: that of the shipped ones")
    ] = False,
) -> None:
    """Train one lab teacher."""
    from agglo.cli.progress import show
    from agglo.recipes.lab import train_teacher

    print(f"weights and card: {train_teacher(name, out, is_quick=quick, progress=show(name))}")
