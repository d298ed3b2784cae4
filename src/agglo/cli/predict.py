"""`agglo predict MODEL INPUT… -o OUT`: masks, overlays and areas of images and videos."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(
        "predict",
        help="Segment images and AVI/MP4 videos: OUT/areas.csv and frames.csv, overlays, masks (docs/predict.md).",
    )(predict)


def predict(
    model: Annotated[Path, typer.Argument(help="a model folder, such as RUN/model")],
    inputs: Annotated[list[Path], typer.Argument(help="images, videos, or folders of them")],
    out: Annotated[Path, typer.Option("--out", "-o", help="where to write")],
    invert: Annotated[
        bool, typer.Option("--invert", help="swap black and white first: for pictures with white bone")
    ] = False,
    crop: Annotated[
        str | None, typer.Option(metavar="X,Y,W,H", help="look at this part of each picture only, in pixels")
    ] = None,
    spacing_mm: Annotated[
        float | None, typer.Option(help="side of a pixel in the patient, if you know it; gives areas in mm²")
    ] = None,
    masks: Annotated[
        bool, typer.Option("--masks", help="keep a mask per structure of every video frame too")
    ] = False,
) -> None:
    """Segment every input; what is done stays done if a later one cannot be read."""
    from agglo.cli.progress import show
    from agglo.recipes.predict import predict as predict_inputs

    done = predict_inputs(
        model,
        inputs,
        out,
        reading={"is_inverted": invert, "crop": crop, "spacing_mm": spacing_mm, "keeps_masks": masks},
        tell=show,
        warn=lambda text: print(f"agglo: {text}", file=sys.stderr),
    )
    print(
        f"{out}: {done} input{'s' if done != 1 else ''} segmented. Research use only, not a medical device."
    )
