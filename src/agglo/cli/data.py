"""`agglo data check|split FOLDER`."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Look into a dataset.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="a dataset's folder")]


@app.command(
    "check",
    help="Every problem at once, and how many frames have which label; exit code 2 if anything is wrong.",
)
def check(folder: Folder) -> None:
    """Read every pixel of a dataset and say what is wrong."""
    from agglo.core.errors import DataError
    from agglo.recipes.data import look_into

    found = look_into(folder)
    print(f"{found.name}: {found.frames} frames, {found.patients} patients, {len(found.states)} structures")
    for name, states in found.states.items():
        print(f"  {name:<24} " + "  ".join(f"{word} {count}" for word, count in states.items()))
    if found.problems:
        raise DataError(f"{folder}: {len(found.problems)} problems\n  " + "\n  ".join(found.problems))
    print("no problem found")


@app.command("split", help="Part a dataset into train, val and test, and keep it in a file.")
def split(
    folder: Folder,
    out: Annotated[Path, typer.Option("--out", "-o", help="the JSON file")],
    by: Annotated[str, typer.Option(help="patient, video or blocks")] = "patient",
    fractions: Annotated[tuple[float, float, float], typer.Option(help="train, val, test")] = (0.6, 0.1, 0.3),
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Write a split."""
    from agglo.config.load import validated
    from agglo.config.schema import SplitConfig
    from agglo.recipes.data import part

    config = validated(SplitConfig, {"by": by, "fractions": fractions, "seed": seed}, where="split")
    made = part(folder, config, out)
    print(f"{out}: " + ", ".join(f"{name} {len(made[name])} frames" for name in made))
