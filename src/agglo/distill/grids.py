"""On which grid student and teacher meet, and how a map is brought to it."""

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Match = Literal["teacher", "student", "larger"]
Shrink = Literal["average", "antialiased"]
Grid = tuple[int, int]


def meeting_grid(match: Match, student: Grid, teacher: Grid) -> Grid:
    """Return the rows and columns on which the two are compared.

    Args:
        match: the teacher's own grid, the student's, or the larger of the two (AM-RADIO section 3.3; the teacher's if equal).
        student, teacher: rows and columns of their maps.
    """
    is_larger = student[0] * student[1] > teacher[0] * teacher[1]
    return student if match == "student" or (match == "larger" and is_larger) else teacher


def resized(
    features: Float[Tensor, "batch dim h w"], grid: Grid, shrink: Shrink = "average"
) -> Float[Tensor, "batch dim gridh gridw"]:
    """Return a map on another grid: bilinear where that is finer, averaged where it is coarser.

    Args:
        features: the map.
        grid: rows and columns wanted.
        shrink: `average` takes the mean of all cells that a coarser cell touches, whole ones only, so that by factors that are not
            whole, centres are off by up to half a cell of the finer grid; `antialiased` weighs cells by their distance from the
            true centre then (a triangle as wide as two coarser cells). By whole factors both take the same mean.
    """
    (height, width), (rows, cols) = features.shape[2:], grid
    if (height, width) == grid:
        return features
    if rows > height or cols > width:
        return F.interpolate(features, size=grid, mode="bilinear")
    if shrink == "average" or (height % rows == 0 and width % cols == 0):
        return F.adaptive_avg_pool2d(features, grid)
    return F.interpolate(features, size=grid, mode="bilinear", antialias=True)
