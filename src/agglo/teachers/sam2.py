"""The SAM2 family: Hiera trunk and feature pyramid of `transformers`; the map is the 256-channel level of stride 16.

At 1024 px this is the 256 x 64 x 64 embedding that SAM2's decoder reads, without the constant `no_memory_embedding` (it is the
same for every cell, and normalisation takes it out) unless map `fpn-no-mem` is asked for. Prompt encoder, mask decoder and
memory are not part of a teacher.
"""

from collections.abc import Mapping
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import Sam2HieraDetConfig, Sam2VisionConfig
from transformers.models.sam2.modeling_sam2 import Sam2VisionModel

from agglo.core.shapes import TeacherFeatures
from agglo.teachers.layout import Layout
from agglo.teachers.protocol import Family, Teacher, require_multiple

INPUT_MULTIPLE_PX = 32
MAP_DIM = 256

_MEMORY = "SAM 2's memory, which is no part of an image encoder"
_DECODER = "SAM 2's prompt encoder and mask decoder, which are no part of an image encoder"

LAYOUT = Layout(
    renames=(
        (r"^sam2_model\.", ""),
        (r"^image_encoder\.trunk\.", "backbone."),
        (r"^image_encoder\.neck\.convs\.(\d+)\.conv\.", r"neck.convs.\1."),
        (r"\.patch_embed\.proj\.", ".patch_embed.projection."),
        (r"(blocks\.\d+)\.norm([12])\.", r"\1.layer_norm\2."),
        (r"(blocks\.\d+\.mlp)\.layers\.0\.", r"\1.proj_in."),
        (r"(blocks\.\d+\.mlp)\.layers\.1\.", r"\1.proj_out."),
        (r"^vision_encoder\.", ""),
        (r"^no_mem_embed$", "no_memory_embedding"),
    ),
    dropped={
        "no_memory_embedding": "the constant that SAM 2 adds before decoding: `map: fpn-no-mem` adds it",
        "memory_*": _MEMORY,
        "maskmem*": _MEMORY,
        "mask_downsample*": _MEMORY,
        "no_mem*": _MEMORY,
        "no_obj*": _MEMORY,
        "obj_ptr*": _MEMORY,
        "object_pointer_proj*": _MEMORY,
        "occlusion_spatial_embedding_parameter": _MEMORY,
        "temporal_positional_encoding_projection_layer*": _MEMORY,
        "sam_prompt_encoder.*": _DECODER,
        "sam_mask_decoder.*": _DECODER,
        "prompt_encoder.*": _DECODER,
        "mask_decoder.*": _DECODER,
        "shared_image_embedding.*": _DECODER,
    },
)
"""Meta's files, those whose keys carry the prefix `sam2_model.`, files of `Sam2Model` and `Sam2VideoModel`, the bare encoder."""


def build_encoder(architecture: Mapping[str, Any]) -> Sam2VisionModel:
    """Build the vision encoder with random weights.

    Args:
        architecture: keyword arguments of `Sam2HieraDetConfig`; with `has_no_mem_embed` also the constant that SAM 2 adds to
            the map of a single image.
    """
    sizes = {key: value for key, value in architecture.items() if key != "has_no_mem_embed"}
    backbone = Sam2HieraDetConfig(**sizes)
    widths = list(reversed(backbone.embed_dim_per_stage))
    config = Sam2VisionConfig(backbone_config=backbone, backbone_channel_list=widths)
    config._attn_implementation = "sdpa"
    encoder = Sam2VisionModel(config)
    if architecture.get("has_no_mem_embed"):
        encoder.register_parameter("no_memory_embedding", nn.Parameter(torch.zeros(1, 1, MAP_DIM)))
    return encoder


@final
class Sam2Teacher(Teacher):
    """The stride-16 level of SAM2's feature pyramid; any sides that are multiples of 32 px."""

    @torch.no_grad()
    def look(self, images: Float[Tensor, "batch 3 rows cols"]) -> TeacherFeatures:
        """Return the stride-16 level, `rows / 16` x `cols / 16` cells; there is no summary."""
        require_multiple(images, self.spec, INPUT_MULTIPLE_PX)
        level = self.encoder(images).fpn_hidden_states[-1]
        constant = getattr(self.encoder, "no_memory_embedding", None)
        return TeacherFeatures(level if constant is None else level + constant.view(1, -1, 1, 1))


FAMILY = Family(
    build_encoder=build_encoder, teacher=lambda encoder, spec, _: Sam2Teacher(encoder, spec), layout=LAYOUT
)
