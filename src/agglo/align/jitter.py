"""Prompts as a person might give them, drawn from the masks of a view: a box around a structure, points inside one.

Boxes and points are in continuous pixels of the square view. What the decoder makes of them, and the clicks that correct it, are in
`prompted`.
"""

from collections.abc import Mapping
from typing import TypedDict

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

BOX_JITTER = 20 / 1024
"""How far each side of a box may lie outside of the mask, as a share of the view's side: MedSAM's 20 of 1024 px."""
NUM_POINTS = 3
NO_OBJECT_SHARE = 1 / 8
"""How often a point is set where nothing is, in frames of which everything is known."""
MARGIN_CELLS = 4
"""How far from any structure such a point is, so that it is not meant for an edge."""
BOX, POINTS = 0, 1
"""The two prompts of a sample, in the order of their last axis."""


class Prompts(TypedDict):
    """The prompts of one view: a box, and points.

    Attributes:
        box: left, top, right, bottom.
        points: x, y; the first one or two of them are a prompt too.
        chosen: which structure the box, and which the points are about; 0 where they are about none.
        is_object: whether there is a structure where the box, and where the points are.
        is_usable: whether box and points mean anything: not in a view that shows nothing that is known.
        draws: uniform random numbers in [0, 1), by which later clicks are chosen.
    """

    box: Float[Tensor, "4"]
    points: Float[Tensor, "points 2"]
    chosen: Tensor
    is_object: Tensor
    is_usable: Tensor
    draws: Tensor


def draw_prompts(sample: Mapping[str, Tensor], stream: np.random.Generator, *, stride_px: int) -> Prompts:
    """Return prompts for a sample of `MaskSource`, whose cells have `stride_px` pixels a side.

    Each prompt is about one structure, drawn from those that cover at least half of some cell. In a frame of which everything is
    known the points may be where nothing is.
    """
    coverage, cells = sample["coverage"], sample["coverage"].shape[-1]
    shown = np.flatnonzero((sample["known"] & (coverage.amax(dim=(1, 2)) >= 0.5)).numpy())
    box_about, points_about = stream.choice(shown, 2) if len(shown) else (0, 0)
    empty = _background(sample) if bool(sample["known"].all()) else np.zeros(0, np.int64)
    is_object = bool(len(shown)) and not (len(empty) and stream.random() < NO_OBJECT_SHARE)
    places = _cells_of(coverage[points_about]) if is_object else empty
    points = _positions(places, stream, cells) if len(places) else np.zeros((NUM_POINTS, 2))
    box = (
        _jittered(_cells_of(coverage[box_about]), stream, cells)
        if len(shown)
        else np.array([0, 0, cells, cells])
    )
    return {
        "box": torch.tensor(box * stride_px, dtype=torch.float32),
        "points": torch.tensor(points * stride_px, dtype=torch.float32),
        "chosen": torch.tensor([int(box_about), int(points_about)]),
        "is_object": torch.tensor([bool(len(shown)), is_object]),
        "is_usable": torch.tensor([bool(len(shown)), bool(len(places))]),
        "draws": torch.tensor(stream.random(2), dtype=torch.float32),
    }


def _cells_of(coverage: Float[Tensor, "rows cols"]) -> np.ndarray:
    """Return the numbers of the cells of which a structure covers at least half."""
    return np.flatnonzero((coverage >= 0.5).numpy())


def _background(sample: Mapping[str, Tensor]) -> np.ndarray:
    """Return the numbers of the cells of the picture that are far from every structure."""
    side = 2 * MARGIN_CELLS + 1
    nearest = F.max_pool2d(sample["coverage"].amax(dim=0)[None], side, stride=1, padding=MARGIN_CELLS)[0]
    return np.flatnonzero(((nearest == 0) & (sample["inside"] == 1)).numpy())


def _positions(places: np.ndarray, stream: np.random.Generator, cells: int) -> np.ndarray:
    """Return points anywhere inside of some of the cells `places`."""
    chosen = stream.choice(places, NUM_POINTS)
    corners = np.stack([chosen % cells, chosen // cells], axis=1)
    return corners + stream.random(corners.shape)


def _jittered(places: np.ndarray, stream: np.random.Generator, cells: int) -> np.ndarray:
    """Return the box around the cells `places`, each side moved outwards by up to `BOX_JITTER`, inside of the view."""
    rows, cols = places // cells, places % cells
    tight = np.array([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1])
    outwards = np.array([-1, -1, 1, 1]) * stream.random(4) * BOX_JITTER * cells
    return np.clip(tight + outwards, 0, cells)
