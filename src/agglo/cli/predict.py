"""`agglo predict MODEL INPUT… -o OUT`: masks and overlays of images."""

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("predict", help="Segment images: OUT/masks/STRUCTURE/NAME.png and OUT/overlay/NAME.png.")(
        predict
    )


def predict(
    model: Annotated[Path, typer.Argument(help="a model folder, such as RUN/model")],
    inputs: Annotated[list[Path], typer.Argument(help="images, or folders of images")],
    out: Annotated[Path, typer.Option("--out", "-o", help="where to write")],
    invert: Annotated[
        bool, typer.Option("--invert", help="swap black and white first: for pictures with white bone")
    ] = False,
) -> None:
    """Segment every image of the inputs; images that are done stay done if a later one cannot be read."""
    from agglo.cli.progress import show
    from agglo.recipes.predict import predict as predict_images

    done = predict_images(model, inputs, out, is_inverted=invert, progress=show("predict"))
    print(
        f"{out}: {done} image{'s' if done != 1 else ''} segmented. Research use only, not a medical device."
    )
