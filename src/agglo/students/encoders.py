"""Backbones from timm behind one face: images in, four maps of strides 4, 8, 16 and 32 out.

How the maps are fused is the necks' business, where weights come from that of `weights`.
"""

from typing import Any, Literal, final

import timm
import torch
from jaxtyping import Float
from timm.models.tiny_vit import Attention
from torch import Tensor, nn

from agglo.core.errors import FeatureMismatch
from agglo.students.catalogue import StudentEntry

STRIDES_PX = (4, 8, 16, 32)


@final
class Encoder(nn.Module):
    """A timm backbone that gives its maps of strides 4, 8, 16 and 32; or of 4, 8, 16 and 16.

    Attributes:
        dims: channels of the four maps, finest first.
        strides_px: their strides.
    """

    def __init__(self, entry: StudentEntry, *, last_stride_px: Literal[16, 32] = 32) -> None:
        """Build the backbone of `entry` with random weights from torch's global generator.

        Args:
            entry: of the catalogue.
            last_stride_px: 16 removes the stride of the last stage, as MobileSAM does: four times as many cells there, the same
                weights.
        """
        super().__init__()
        backbone: Any = timm.create_model(
            entry.backbone, pretrained=False, features_only=True, **entry.backbone_options
        )
        strides = tuple(backbone.feature_info.reduction())
        if strides != STRIDES_PX:
            raise FeatureMismatch(
                f"a student's backbone must give maps of strides {STRIDES_PX}, but {entry.backbone} gives {strides}; "
                "choose another backbone for this entry of the catalogue."
            )
        if last_stride_px != STRIDES_PX[-1]:
            backbone.get_submodule(entry.last_downsampling).stride = (1, 1)
        _keep_no_caches(backbone)
        _scale_channels(backbone)
        self.backbone = backbone
        self.dims: tuple[int, ...] = tuple(backbone.feature_info.channels())
        self.strides_px = (*STRIDES_PX[:-1], last_stride_px)

    def forward(self, images: Float[Tensor, "batch 3 rows cols"]) -> list[Tensor]:
        """Return the four maps, finest first."""
        return list(self.backbone(images))


@final
class _UncachedAttention(Attention):  # type: ignore[misc]  # timm has no types
    """TinyViT's attention, which looks up its position biases each time.

    timm's keeps them from the first call in eval mode on, and goes on using them after other weights were loaded.
    """

    def get_attention_biases(self, device: torch.device) -> Tensor:
        """Return the bias of each head for each pair of positions in a window; `device` is where they are anyway."""
        biases: Tensor = self.attention_biases[:, self.attention_bias_idxs]
        return biases


def _keep_no_caches(backbone: nn.Module) -> None:
    for part in backbone.modules():
        if type(part) is Attention:
            part.__class__ = _UncachedAttention


@final
class _ChannelScale(nn.Conv2d):
    """A depthwise convolution of one pixel, which is a factor for each channel.

    torch takes one channel after the other through it on a single thread of a CPU, which is half of a step of RepViT; there this
    multiplies instead.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the maps with each channel scaled and shifted."""
        if input.device.type != "cpu" or torch.get_num_threads() > 1:
            return super().forward(input)
        scaled = input * self.weight.view(1, -1, 1, 1)
        return scaled if self.bias is None else scaled + self.bias.view(1, -1, 1, 1)


def _scale_channels(backbone: nn.Module) -> None:
    for part in backbone.modules():
        if (
            type(part) is nn.Conv2d
            and part.kernel_size == (1, 1)
            and part.groups == part.in_channels == part.out_channels
        ):
            part.__class__ = _ChannelScale
