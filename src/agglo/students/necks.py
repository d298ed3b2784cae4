"""Necks: what makes one embedding of stride 8 of a backbone's four maps.

Every neck keeps the same promise at any size, so that backbones and necks combine freely: 512 px in give 64 x 64 cells out. The
published necks were made for one grid of 64 x 64; here that grid is `H/8 x W/8`, whatever H and W are. Projection onto a
teacher's width is not done here; that is a head's business during distillation.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal, final

import torch.nn.functional as F
from jaxtyping import Float
from timm.layers import LayerNorm2d
from torch import Tensor, nn

SAM_DEPTH = 4


class Neck(nn.Module, ABC):
    """Abstract: concrete necks are built from `(dims, embed_dim)`, implement `forward`, and are `@final`.

    Attributes:
        last_stride_px: the stride at which a neck wants the backbone's last map: 32, or 16 with the last stride removed.
    """

    last_stride_px: ClassVar[Literal[16, 32]] = 32

    def __init__(self, dims: Sequence[int], embed_dim: int) -> None:
        """Build for a backbone whose four maps have `dims` channels, finest first."""
        super().__init__()

    @abstractmethod
    def forward(self, maps: Sequence[Tensor]) -> Float[Tensor, "batch embed h8 w8"]:
        """Make one embedding of stride 8 of maps of strides 4, 8, 16 and `last_stride_px`, finest first."""


@final
class FusingNeck(Neck):
    """Coarse maps are fused at stride 16, refined by a 3x3 convolution, doubled, and joined by the map of stride 8.

    After EdgeSAM's fusing neck (1x1 convolutions of strides 16 and 32, sum, 3x3 convolution, layer norm), with the map of
    stride 8 added for thin structures. The 3x3 convolution runs at stride 16, where it costs a quarter.
    """

    def __init__(self, dims: Sequence[int], embed_dim: int) -> None:
        """Build for a backbone whose maps of strides 4, 8, 16 and 32 have `dims` channels."""
        super().__init__(dims, embed_dim)
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


@final
class MobileSamNeck(Neck):
    """The last map alone, at stride 16: 1x1 convolution, layer norm, 3x3 convolution, layer norm; then doubled.

    MobileSAM's layout (arXiv 2306.14289), and SAM's neck: the backbone's last stride is removed. At its 1024 px that gives
    64 x 64 cells; doubling (bilinear) keeps the promise of stride 8 at any size. Finer maps are not used.
    """

    last_stride_px: ClassVar[Literal[16, 32]] = 16

    def __init__(self, dims: Sequence[int], embed_dim: int) -> None:
        """Build for a backbone whose last map has `dims[-1]` channels."""
        super().__init__(dims, embed_dim)
        self.layers = nn.Sequential(
            nn.Conv2d(dims[-1], embed_dim, kernel_size=1, bias=False),
            LayerNorm2d(embed_dim),
            nn.Conv2d(embed_dim, embed_dim, kernel_size=3, padding=1, bias=False),
            LayerNorm2d(embed_dim),
        )

    def forward(self, maps: Sequence[Tensor]) -> Float[Tensor, "batch embed h8 w8"]:
        """Use the last of four maps, of stride 16."""
        return _double(self.layers(maps[-1]))


@final
class EfficientSam3Neck(Neck):
    """The last map alone, at stride 32: 1x1 convolution, batch norm, GELU, 3x3 convolution; then four times as fine.

    The layout of efficientsam3's first stage: the backbone keeps its strides, and a bilinear resampling reaches the teacher's
    grid. The cheapest of all, and the blurriest: nothing finer than stride 32 takes part.
    """

    def __init__(self, dims: Sequence[int], embed_dim: int) -> None:
        """Build for a backbone whose last map has `dims[-1]` channels."""
        super().__init__(dims, embed_dim)
        self.layers = nn.Sequential(
            nn.Conv2d(dims[-1], embed_dim, kernel_size=1, bias=False),
            nn.BatchNorm2d(embed_dim),
            nn.GELU(),
            nn.Conv2d(embed_dim, embed_dim, kernel_size=3, padding=1),
        )

    def forward(self, maps: Sequence[Tensor]) -> Float[Tensor, "batch embed h8 w8"]:
        """Use the last of four maps, of stride 32."""
        return F.interpolate(self.layers(maps[-1]), scale_factor=4.0, mode="bilinear", align_corners=False)


@final
class SamNeck(Neck):
    """Maps of strides 8, 16 and 32 are brought to stride 8 (bicubic), summed, and refined there by four residual blocks.

    The neck of EfficientViT-SAM (arXiv 2402.05008), whose fixed grid of 64 x 64 cells (512 px) is `H/8 x W/8` here. Refining at
    stride 8 is what it costs: more than its backbone at small inputs.
    """

    def __init__(self, dims: Sequence[int], embed_dim: int) -> None:
        """Build for a backbone whose maps of strides 4, 8, 16 and 32 have `dims` channels."""
        super().__init__(dims, embed_dim)
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.Conv2d(dim, embed_dim, kernel_size=1, bias=False), nn.BatchNorm2d(embed_dim))
            for dim in dims[1:]
        )
        self.blocks = nn.ModuleList(_refining_block(embed_dim) for _ in range(SAM_DEPTH))
        self.project = nn.Conv2d(embed_dim, embed_dim, kernel_size=1)
        self.norm = LayerNorm2d(embed_dim)

    def forward(self, maps: Sequence[Tensor]) -> Float[Tensor, "batch embed h8 w8"]:
        """Fuse maps of strides 4, 8, 16 and 32, finest first; the map of stride 4 is not used."""
        fused, *coarser = [lateral(part) for lateral, part in zip(self.laterals, maps[1:], strict=True)]
        for part in coarser:
            fused = fused + F.interpolate(part, size=fused.shape[-2:], mode="bicubic", align_corners=False)
        for block in self.blocks:
            fused = fused + block(fused)
        return self.norm(self.project(fused))


def _refining_block(embed_dim: int) -> nn.Sequential:
    """Return a fused inverted bottleneck that does not expand: 3x3 convolution, GELU, 1x1 convolution, batch norms."""
    return nn.Sequential(
        nn.Conv2d(embed_dim, embed_dim, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(embed_dim),
        nn.GELU(),
        nn.Conv2d(embed_dim, embed_dim, kernel_size=1, bias=False),
        nn.BatchNorm2d(embed_dim),
    )


def _double(coarse: Float[Tensor, "batch dim h w"]) -> Float[Tensor, "batch dim 2*h 2*w"]:
    return F.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)


NECKS: dict[str, type[Neck]] = {
    "fusing": FusingNeck,
    "mobilesam": MobileSamNeck,
    "samneck": SamNeck,
    "efficientsam3": EfficientSam3Neck,
}
