"""Necks: what fuses a backbone's maps of strides 4, 8, 16 and 32 into one embedding of stride 8.

Every neck keeps the same promise, so that backbones and necks combine freely. Projection onto a teacher's width is not done
here; that is a head's business during distillation.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import final

import torch.nn.functional as F
from jaxtyping import Float
from timm.layers import LayerNorm2d
from torch import Tensor, nn


class Neck(nn.Module, ABC):
    """Abstract: concrete necks implement `forward`, are `@final`, and override nothing else."""

    @abstractmethod
    def forward(self, maps: Sequence[Tensor]) -> Float[Tensor, "batch embed h8 w8"]:
        """Fuse maps of strides 4, 8, 16 and 32, finest first, into one embedding of stride 8."""


@final
class FusingNeck(Neck):
    """Coarse maps are fused at stride 16, refined by a 3x3 convolution, doubled, and joined by the map of stride 8.

    After EdgeSAM's fusing neck (1x1 convolutions of strides 16 and 32, sum, 3x3 convolution, layer norm), with the map of
    stride 8 added for thin structures. The 3x3 convolution runs at stride 16, where it costs a quarter.
    """

    def __init__(self, dims: Sequence[int], embed_dim: int) -> None:
        """Build for a backbone whose maps of strides 4, 8, 16 and 32 have `dims` channels."""
        super().__init__()
        _, dim8, dim16, dim32 = dims
        self.lateral8 = nn.Conv2d(dim8, embed_dim, kernel_size=1, bias=False)
        self.lateral16 = nn.Conv2d(dim16, embed_dim, kernel_size=1, bias=False)
        self.lateral32 = nn.Conv2d(dim32, embed_dim, kernel_size=1, bias=False)
        self.refine = nn.Conv2d(embed_dim, embed_dim, kernel_size=3, padding=1, bias=False)
        self.norm = LayerNorm2d(embed_dim)

    def forward(self, maps: Sequence[Tensor]) -> Float[Tensor, "batch embed h8 w8"]:
        """Fuse maps of strides 4, 8, 16 and 32, finest first; the map of stride 4 is not used."""
        _, stride8, stride16, stride32 = maps
        coarse = self.refine(self.lateral16(stride16) + _double(self.lateral32(stride32)))
        return self.norm(self.lateral8(stride8) + _double(coarse))


def _double(coarse: Float[Tensor, "batch dim h w"]) -> Float[Tensor, "batch dim 2*h 2*w"]:
    return F.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)


NECKS: dict[str, Callable[[Sequence[int], int], Neck]] = {"fusing": FusingNeck}
