"""Frames to look at: contours of prediction and reference beside the raw frame, and feature maps as principal component colours.

Contours are vectors over the picture, in the frame's own pixels, so they stay sharp at any zoom.
"""

import base64
import io
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from agglo.evaluate.projections import effective_rank, shared_pca
from agglo.report.html import Html, element, join
from agglo.report.pictures import FeatureRow, Picture, PictureFile
from agglo.report.run_folder import Run

MAX_SIDE_PX = 720
SIMPLIFY_PX = 0.35


def contour_section(run: Run) -> Html:
    """Return the best, median and worst frames as pairs of raw frame and contours; a sentence where the run keeps no pictures."""
    if run.pictures is None or not run.pictures.pictures:
        return element(
            "p",
            "No frames are shown: the run holds no evaluate/pictures.npz (the recipe's report.images decides what may be kept).",
            class_="missing",
        )
    key = element(
        "p",
        element("span", element("i", style="--mark:var(--ink)"), "prediction", class_="mark"),
        element("span", element("i", class_="dashed", style="--mark:var(--ink)"), "reference", class_="mark"),
        *(
            element("span", element("i", class_="swatch", style=f"--mark:{colour}"), name, class_="mark")
            for name, colour in zip(run.pictures.structures, run.pictures.colours, strict=True)
        ),
        class_="legend",
    )
    shown = [_pair(number, picture, run.pictures) for number, picture in enumerate(run.pictures.pictures)]
    return join((key, *shown))


def feature_section(run: Run) -> Html:
    """Return a grid: a row a frame, a column for the image, the student and each teacher; a sentence where there are no maps."""
    if not run.features:
        return element(
            "p", "No feature maps are shown: the run holds no evaluate/features.npz.", class_="missing"
        )
    encoders = list(run.features[0].maps)
    stacks = {name: np.stack([row.maps[name] for row in run.features]) for name in encoders}
    coloured = shared_pca(stacks)
    heads = [element("th", "frame", scope="col"), *(_encoder_head(name, stacks[name]) for name in encoders)]
    rows = [_feature_row(number, row, coloured) for number, row in enumerate(run.features)]
    grid = element("table", element("thead", element("tr", *heads)), element("tbody", *rows), class_="maps")
    return element("div", grid, class_="scroll")


def contour_paths(masks: Bool[np.ndarray, "structures rows cols"]) -> list[str]:
    """Return each mask's outline as the data of an SVG path in pixels (the first pixel's centre is .5); empty for an empty mask.

    Outlines run halfway between pixels in and out and are simplified by at most `SIMPLIFY_PX`; they close at the image's edge.
    """
    axes = Figure().add_subplot()
    return [_trace(axes, mask) if mask.any() else "" for mask in masks]


def _trace(axes: Axes, mask: Bool[np.ndarray, "rows cols"]) -> str:
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(cols[0])
    padded = np.pad(mask[top : rows[-1] + 1, left : cols[-1] + 1], 1).astype(np.float32)
    [traced] = axes.contour(padded, levels=[0.5]).get_paths()
    traced.simplify_threshold = SIMPLIFY_PX
    rings = [np.asarray(ring) for ring in traced.cleaned(simplify=True).to_polygons(closed_only=False)]
    return "".join(_as_path(ring + np.array((left - 0.5, top - 0.5))) for ring in rings if len(ring) > 2)


def _as_path(points: Float[np.ndarray, "points 2"]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z"


def png_uri(image: UInt8[np.ndarray, "rows cols *channels"], *, max_side_px: int = MAX_SIDE_PX) -> str:
    """Return a picture as a `data:` address of a PNG, reduced to `max_side_px` where it is larger."""
    picture = Image.fromarray(image)
    picture.thumbnail((max_side_px, max_side_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _pair(number: int, picture: Picture, file: PictureFile) -> Html:
    height, width = picture.image.shape
    identity = f"frame-{number}"
    raw = element("image", id=identity, href=png_uri(picture.image), width=width, height=height)
    outlines = [
        element("path", d=path, class_=kind, stroke=colour)
        for kind, masks in (("predicted", picture.predicted), ("reference", picture.reference))
        for path, colour in zip(contour_paths(masks), file.colours, strict=True)
        if path
    ]
    box = {"viewBox": f"0 0 {width} {height}", "role": "img"}
    pictures = element(
        "div",
        element("svg", raw, aria_label="raw frame", **box),
        element(
            "svg", element("use", href=f"#{identity}"), element("g", *outlines), aria_label="contours", **box
        ),
        class_="pair",
    )
    return element("figure", _caption(picture, file.structures), pictures, class_="frame")


def _caption(picture: Picture, structures: tuple[str, ...]) -> Html:
    scored = {name: picture.dice[name] for name in structures if picture.dice.get(name) is not None}
    mean = f"mean Dice {np.mean(list(scored.values())):.3f}" if scored else "no structure scored"
    order = sorted(scored, key=lambda name: scored[name] or 0.0)
    chips = [
        element(
            "span",
            name,
            " ",
            element("b", "missed" if is_missed(picture, structures, name) else f"{scored[name]:.2f}"),
        )
        for name in order
    ]
    return element(
        "figcaption",
        element("strong", picture.rank, class_=f"rank {picture.rank}"),
        element("code", picture.frame),
        element("span", mean),
        element("span", *chips, class_="chips"),
    )


def is_missed(picture: Picture, structures: tuple[str, ...], name: str) -> bool:
    """Return whether a structure of this frame was not found at all."""
    return not picture.predicted[structures.index(name)].any()


def _encoder_head(name: str, maps: np.ndarray) -> Html:
    _, dim, rows, cols = maps.shape
    tokens = maps.transpose(0, 2, 3, 1).reshape(-1, dim)
    return element(
        "th",
        name,
        element("small", f"{dim} × {rows} × {cols}"),
        element("small", f"effective rank {effective_rank(tokens):.0f}"),
        scope="col",
    )


def _feature_row(number: int, row: FeatureRow, coloured: Mapping[str, np.ndarray]) -> Html:
    raw = element("img", src=png_uri(row.image, max_side_px=256), alt=f"frame {row.frame}")
    maps = [
        element(
            "td", element("img", src=png_uri(pictures[number]), alt=f"{name} on {row.frame}", class_="map")
        )
        for name, pictures in coloured.items()
    ]
    return element("tr", element("td", raw, element("small", row.frame)), *maps)
