"""Axis names used in every signature, and the records that cross room borders: a feature map, what a teacher and a student give.

Axes: `B`/batch, `C` image channels, `H W`/rows cols pixels, `N`/tokens, `E` student width, `F`/dim teacher width, `K`/structures,
`T` teachers. `h w` are cells of a feature map.
"""

from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

EMBEDDING_STRIDE_PX = 8
"""Input pixels per cell of every student's embedding, along each axis."""


@dataclass(frozen=True)
class FeatureSpec:
    """What a dense feature map is, whoever makes it.

    Attributes:
        name: of the encoder, unique in a run.
        dim: channels of the map.
        input_px: side of the square input the encoder is meant for.
        stride_px: input pixels per cell; a map has `input_px // stride_px` rows and columns.
        summary_dim: width of the one vector per image that comes with the map; None where there is none.
    """

    name: str
    dim: int
    input_px: int
    stride_px: int
    summary_dim: int | None = None

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the map at `input_px`."""
        cells = self.input_px // self.stride_px
        return cells, cells


class TeacherFeatures(NamedTuple):
    """What a teacher gives for a batch of images, in one pass: a dense map and, where it has one, a vector per image."""

    map: Float[Tensor, "batch dim h w"]
    summary: Float[Tensor, "batch summary_dim"] | None = None


class StudentFeatures(NamedTuple):
    """What a student gives for a batch of `H x W` images.

    `embedding` is what teachers are matched against and what a decoder reads; the other two are the backbone's own maps for
    decoders that want finer detail.
    """

    embedding: Float[Tensor, "batch embed h8 w8"]
    stride8: Float[Tensor, "batch dim8 h8 w8"]
    stride4: Float[Tensor, "batch dim4 h4 w4"]
