"""Measures of one predicted mask against one reference mask: Dice, HD95 in two readings, normalised surface Dice.

Everything is pure, on one pair of boolean masks of one structure. What a missed structure costs is decided in `scoring`, which
cases count and how figures are averaged in `aggregate`, never here: an undefined figure is NaN here, not a convenient number.
The surface of a mask is its inner border one pixel wide: what a 4-connected erosion takes away, the image's edge counting as
outside (the definition that medpy and MONAI share).
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree

HausdorffMode = Literal["pooled", "max"]
Mask = Bool[np.ndarray, "rows cols"]

PERCENTILE = 95.0


class SurfaceDistances(NamedTuple):
    """Distances between the surfaces of two masks, in the unit of the spacing they were measured with.

    `to_reference` holds, for every surface pixel of the prediction, the way to the nearest one of the reference; `to_predicted`
    the other direction. Both are empty when either mask is.
    """

    to_reference: Float[np.ndarray, " predicted_points"]
    to_predicted: Float[np.ndarray, " reference_points"]

    def scaled(self, unit: float) -> "SurfaceDistances":
        """Return the same distances in another unit, `unit` of which make one of the old."""
        return SurfaceDistances(self.to_reference * unit, self.to_predicted * unit)


def dice(predicted: Mask, reference: Mask) -> float:
    """Return `2 |P and R| / (|P| + |R|)`, in `[0, 1]`; NaN when both are empty, 0 when exactly one is."""
    _require_same_shape(predicted, reference)
    total = int(np.count_nonzero(predicted)) + int(np.count_nonzero(reference))
    if total == 0:
        return float("nan")
    return 2.0 * int(np.count_nonzero(predicted & reference)) / total


def surface(mask: Mask) -> Int[np.ndarray, "points 2"]:
    """Return the rows and columns of the pixels on the inner border of `mask`; no rows when it is empty."""
    filled_rows = np.flatnonzero(mask.any(axis=1))
    if filled_rows.size == 0:
        return np.empty((0, 2), dtype=np.int64)
    filled_cols = np.flatnonzero(mask.any(axis=0))
    top, left = int(filled_rows[0]), int(filled_cols[0])
    padded = np.pad(mask[top : filled_rows[-1] + 1, left : filled_cols[-1] + 1], 1)
    inside = padded[1:-1, 1:-1]
    is_inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.argwhere(inside & ~is_inner) + np.array((top, left))


def surface_distances(
    predicted: Mask, reference: Mask, *, spacing: tuple[float, float] = (1.0, 1.0)
) -> SurfaceDistances:
    """Return the distances between the surfaces of two masks, both ways.

    `spacing` is the size of a pixel along rows and along columns (the distance between rows first); the distances are in its unit.
    """
    _require_same_shape(predicted, reference)
    _require_positive(spacing)
    predicted_points = surface(predicted) * np.asarray(spacing, dtype=np.float64)
    reference_points = surface(reference) * np.asarray(spacing, dtype=np.float64)
    if len(predicted_points) == 0 or len(reference_points) == 0:
        return SurfaceDistances(np.empty(0), np.empty(0))
    return SurfaceDistances(
        to_reference=np.asarray(cKDTree(reference_points).query(predicted_points)[0]),
        to_predicted=np.asarray(cKDTree(predicted_points).query(reference_points)[0]),
    )


def hd95_of(distances: SurfaceDistances, mode: HausdorffMode) -> float:
    """Return the HD95 of measured distances; NaN when there are none.

    `pooled` is the 95th percentile of both directions' distances together (medpy, and the published VFSS figures); `max` the
    larger of the two directions' percentiles (MONAI). Percentiles interpolate linearly.
    """
    if distances.to_reference.size == 0:
        return float("nan")
    if mode == "pooled":
        return float(np.percentile(np.concatenate(distances), PERCENTILE))
    if mode == "max":
        return max(float(np.percentile(each, PERCENTILE)) for each in distances)
    raise ValueError(f"mode must be 'pooled' or 'max', got {mode!r}")


def nsd_of(distances: SurfaceDistances, tolerance: float) -> float:
    """Return the share of surface pixels of both masks that lie within `tolerance` of the other; NaN when there are none."""
    num_points = sum(each.size for each in distances)
    if num_points == 0:
        return float("nan")
    return sum(int(np.count_nonzero(each <= tolerance)) for each in distances) / num_points


def hd95(
    predicted: Mask,
    reference: Mask,
    *,
    spacing: tuple[float, float] = (1.0, 1.0),
    mode: HausdorffMode = "pooled",
) -> float:
    """Return the 95th percentile Hausdorff distance in the unit of `spacing`; NaN when either mask is empty.

    See `hd95_of` for the two modes, and `surface_distances` for `spacing`.
    """
    return hd95_of(surface_distances(predicted, reference, spacing=spacing), mode)


def nsd(predicted: Mask, reference: Mask, *, tolerance_mm: float, spacing: tuple[float, float]) -> float:
    """Return the normalised surface Dice at `tolerance_mm`, in `[0, 1]`.

    The share of the surface pixels of both masks that lie within the tolerance of the other mask's surface (Nikolov et al. 2021,
    with pixels counted as MONAI counts them). `spacing` is in mm, rows first. NaN when both masks are empty, 0 when exactly one is.
    """
    is_empty = not predicted.any(), not reference.any()
    if any(is_empty):
        _require_same_shape(predicted, reference)
        return float("nan") if all(is_empty) else 0.0
    return nsd_of(surface_distances(predicted, reference, spacing=spacing), tolerance_mm)


def _require_same_shape(predicted: np.ndarray, reference: np.ndarray) -> None:
    if predicted.shape != reference.shape:
        raise ValueError(
            f"predicted and reference must have one shape, got {predicted.shape} and {reference.shape}"
        )


def _require_positive(spacing: tuple[float, float]) -> None:
    if not all(np.isfinite(size) and size > 0 for size in spacing):
        raise ValueError(f"spacing must be two positive numbers (rows, columns), got {spacing}")
