"""`agglo phantom OUT`: a synthetic dataset."""

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("phantom", help="Write a synthetic swallowing study dataset; same seed, same bytes.")(phantom)


def phantom(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="OUT [key=value …]",
            help="the dataset's folder, an interrupted one is gone on with; then any setting of `data.phantom`: "
            "swallows=2 masks=visible raters=[annotator]",
        ),
    ],
    patients: Annotated[int, typer.Option(min=1, help="number of patients")] = 10,
    frames: Annotated[int, typer.Option(min=1, help="frames per swallow, evenly over it")] = 16,
    size: Annotated[int, typer.Option(min=64, help="side of the frames, px; a multiple of 32")] = 512,
    seed: Annotated[int, typer.Option(min=0, help="of everything")] = 1,
    preset: Annotated[str, typer.Option(help="difficulty: standard | hard")] = "standard",
    test: Annotated[str | None, typer.Option(help="a named test set instead: v1")] = None,
) -> None:
    """Write a phantom dataset in the native format."""
    from agglo.cli.progress import show
    from agglo.config.load import read_settings, validated
    from agglo.config.schema import PhantomConfig
    from agglo.core.errors import DataError
    from agglo.recipes.phantom import cohort_of, held_out_cohort, make_cohort

    out = Path(words[0])
    values = {"patients": patients, "frames": frames, "size_px": size, "seed": seed, "preset": preset}
    values |= read_settings(words[1:])
    if (out / "dataset.json").exists():
        raise DataError(
            f"{out} must be a new folder, but holds a dataset, which would be lost; choose another, or delete it"
        )
    cohort = held_out_cohort(test) if test else cohort_of(validated(PhantomConfig, values, where="phantom"))
    make_cohort(out, cohort, progress=show("phantom"))
    count = len(cohort.recordings) * cohort.frames
    print(f"{out}: {cohort.name}, {cohort.patients} patients, {count} frames. PHANTOM, research use only.")
