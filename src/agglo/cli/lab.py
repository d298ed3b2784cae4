"""`agglo lab train NAME`: a lab teacher from nothing."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The small teachers that Agglo ships: how they were made.", no_args_is_help=True)


@app.command("train", help="Train a lab teacher on synthetic data, with its card. Goes on where it stopped.")
def train(
    name: Annotated[str, typer.Argument(help="lab-sam, lab-dino, lab-clip or lab-sam-vfss")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="a folder for data, checkpoints, weights and card; by default runs/NAME"
        ),
    ] = None,
    large: Annotated[
        bool, typer.Option("--large", help="more data, more steps, a larger network: for a GPU")
    ] = False,
    seed: Annotated[
        int, typer.Option("--seed", help="0 is the shipped teacher; others make sisters of it")
    ] = 0,
) -> None:
    """Train one lab teacher."""
    from agglo.cli.progress import show
    from agglo.recipes.lab import train_teacher

    folder = out or _folder_of(name, large, seed)
    made = train_teacher(name, folder, is_large=large, repeat=seed, progress=show(name))
    print(f"weights and card: {made}")


def _folder_of(name: str, is_large: bool, seed: int) -> Path:
    return Path("runs") / (name + ("-large" if is_large else "") + (f"-{seed}" if seed else ""))


@app.command(
    "compare", help="What the three lab teachers know together: a linear read-out of all maps side by side."
)
def compare(
    out: Annotated[
        Path, typer.Argument(help="a folder for the table; lab weights in it take the place of the shipped")
    ],
) -> None:
    """Measure the complementarity of the lab teachers."""
    from agglo.cli.progress import show
    from agglo.recipes.lab import compare_teachers

    found = compare_teachers(out, progress=show("compare"))
    print(
        f"all side by side against {found['best_single']}: {found['gain']:+.3f} of R2; see {out / 'together.md'}"
    )
