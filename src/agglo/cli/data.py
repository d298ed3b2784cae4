"""`agglo data check|split FOLDER`."""

from collections import Counter
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
    from agglo.data import State, open_dataset
    from agglo.data.check import check_dataset

    dataset = open_dataset(folder)
    patients = len({frame.patient for frame in dataset.frames})
    print(f"{dataset.name}: {len(dataset)} frames, {patients} patients, {len(dataset.structures)} structures")
    for place, name in enumerate(dataset.structures):
        counts = Counter(frame.states[place] for frame in dataset.frames)
        print(f"  {name:<24} " + "  ".join(f"{state.word} {counts[state]}" for state in State))
    problems = check_dataset(dataset)
    if problems:
        raise DataError(f"{folder}: {len(problems)} problems\n  " + "\n  ".join(problems))
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
    from agglo.data import open_dataset, split_by

    config = validated(SplitConfig, {"by": by, "fractions": fractions, "seed": seed}, where="split")
    made = split_by(open_dataset(folder), by=config.by, fractions=config.fractions, seed=config.seed)
    made.save(out)
    print(f"{out}: " + ", ".join(f"{part} {len(made[part])} frames" for part in made))
