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
    patients: Annotated[int | None, typer.Option(min=1, help="number of patients; 30 by default")] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, help="frames per swallow, evenly over it; 16 by default")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=64, help="side of the frames, px; a multiple of 32; 512 by default")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="of everything; 1 by default")] = None,
    preset: Annotated[
        str | None, typer.Option(help="difficulty: standard | hard; standard by default")
    ] = None,
    test: Annotated[str | None, typer.Option(help="a named test set instead: v1")] = None,
) -> None:
    """Write a phantom dataset in the native format."""
    from agglo.cli.progress import show
    from agglo.config.load import read_settings, validated
    from agglo.config.schema import PhantomConfig
    from agglo.core.errors import ConfigError, DataError
    from agglo.recipes.phantom import cohort_of, held_out_cohort, make_cohort

    out = Path(words[0])
    options = {"patients": patients, "frames": frames, "size_px": size, "seed": seed, "preset": preset}
    values = {name: value for name, value in options.items() if value is not None}
    values |= read_settings(words[1:])
    if test and values:
        raise ConfigError(
            f"a named test set must be the same everywhere, so nothing of it can be chosen, got {', '.join(values)} beside "
            f"--test {test}; leave that out, or make a dataset of your own without --test"
        )
    if (out / "dataset.json").exists():
        raise DataError(
            f"{out} must be a new folder, but holds a dataset, which would be lost; choose another, or delete it"
        )
    cohort = held_out_cohort(test) if test else cohort_of(validated(PhantomConfig, values, where="phantom"))
    make_cohort(out, cohort, progress=show("phantom"))
    count = len(cohort.recordings) * cohort.frames
    print(f"{out}: {cohort.name}, {cohort.patients} patients, {count} frames. PHANTOM, research use only.")
