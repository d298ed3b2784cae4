"""`agglo phantom OUT`: a synthetic dataset."""

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("phantom", help="Write a synthetic swallowing study dataset; same seed, same bytes.")(phantom)


def phantom(
    out: Annotated[Path, typer.Argument(help="the dataset's folder")],
    patients: Annotated[int, typer.Option(min=1, help="number of patients")] = 10,
    frames: Annotated[int, typer.Option(min=1, help="frames per patient, evenly over one swallow")] = 16,
    size: Annotated[int, typer.Option(min=64, help="side of the frames, px; a multiple of 32")] = 512,
    seed: Annotated[int, typer.Option(min=0, help="of everything")] = 1,
    preset: Annotated[str, typer.Option(help="difficulty")] = "standard",
) -> None:
    """Write a phantom dataset in the native format."""
    from agglo.cli.progress import show
    from agglo.config.load import validated
    from agglo.config.schema import PhantomConfig
    from agglo.core.errors import DataError
    from agglo.recipes.dataset import make_phantom

    values = {"patients": patients, "frames": frames, "size_px": size, "seed": seed, "preset": preset}
    if (out / "dataset.json").exists():
        raise DataError(
            f"{out} must be a new folder, but holds a dataset, which would be lost; choose another, or delete it"
        )
    make_phantom(out, validated(PhantomConfig, values, where="phantom"), progress=show("phantom"))
    print(f"{out}: {patients} patients, {patients * frames} frames. PHANTOM, research use only.")
