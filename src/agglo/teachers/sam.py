"""The SAM family: a vision transformer with windows; the map is its last block (`pre-neck`) or what SAM's decoder reads (`neck`).

AM-RADIO (arXiv 2312.06709, table 8) matches the features before the neck, 768 to 1280 channels wide, and never a summary: there is
none. The layouts read are Meta's and that of `transformers`. At another size than 1024 px, absolute positions are interpolated
bicubically and relative ones linearly.
"""

from collections.abc import Mapping
from typing import Any, final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from transformers import SamVisionConfig
from transformers.models.sam.modeling_sam import SamVisionEncoder

from agglo.core.shapes import FeatureSpec, TeacherFeatures
from agglo.teachers.layout import Layout
from agglo.teachers.protocol import Family, Teacher, require_multiple

INPUT_MULTIPLE_PX = 16
INITIAL_DEVIATION = 0.02  # of random weights; the library's own 1e-10 gives maps of almost nothing

_DECODER = "SAM's prompt encoder and mask decoder, which are no part of an image encoder"

LAYOUT = Layout(
    renames=(
        (r"^(image_encoder|vision_encoder)\.", ""),
        # Meta's names
        (r"^patch_embed\.proj\.", "patch_embed.projection."),
        (r"^blocks\.(\d+)\.norm([12])\.", r"layers.\1.layer_norm\2."),
        (r"^blocks\.", "layers."),
        (r"^neck\.0\.", "neck.conv1."),
        (r"^neck\.1\.", "neck.layer_norm1."),
        (r"^neck\.2\.", "neck.conv2."),
        (r"^neck\.3\.", "neck.layer_norm2."),
    ),
    dropped={"prompt_encoder.*": _DECODER, "mask_decoder.*": _DECODER, "shared_image_embedding.*": _DECODER},
)


def build_encoder(architecture: Mapping[str, Any]) -> nn.Module:
    """Build the encoder with random weights.

    Args:
        architecture: keyword arguments of `SamVisionConfig`.
    """
    config = SamVisionConfig(initializer_range=INITIAL_DEVIATION, **architecture)
    config._attn_implementation = "sdpa"
    return SamVisionEncoder(config)


@final
class SamTeacher(Teacher):
    """The last block of SAM's encoder, before or after the neck; any sides that are multiples of 16 px."""

    def __init__(self, encoder: nn.Module, spec: FeatureSpec, *, has_neck: bool) -> None:
        """Keep whether the map passes the neck."""
        super().__init__(encoder, spec)
        self.has_neck = has_neck

    @torch.no_grad()
    def look(self, images: Float[Tensor, "batch 3 rows cols"]) -> TeacherFeatures:
        """Return the last block as a map, `rows / 16` x `cols / 16` cells; there is no summary."""
        require_multiple(images, self.spec, INPUT_MULTIPLE_PX)
        encoder: Any = self.encoder
        cells_BHWF = encoder.patch_embed.projection(images).permute(0, 2, 3, 1)
        cells_BHWF = cells_BHWF + _positions(encoder.pos_embed, cells_BHWF.shape[1:3])
        for layer in encoder.layers:
            cells_BHWF = layer(cells_BHWF)
        if self.has_neck:
            return TeacherFeatures(encoder.neck(cells_BHWF))
        return TeacherFeatures(cells_BHWF.permute(0, 3, 1, 2))


def _positions(trained: Float[Tensor, "1 h0 w0 dim"], grid: torch.Size) -> Float[Tensor, "1 h w dim"]:
    """Return the positions of the cells of a grid; of the grid of training, they are as they are."""
    if trained.shape[1:3] == grid:
        return trained
    resized = F.interpolate(trained.permute(0, 3, 1, 2), size=tuple(grid), mode="bicubic", antialias=True)
    return resized.permute(0, 2, 3, 1)


FAMILY = Family(
    build_encoder=build_encoder,
    teacher=lambda encoder, spec, map_name: SamTeacher(encoder, spec, has_neck=map_name == "neck"),
    layout=LAYOUT,
)
