"""The SAM2 family: Hiera trunk and feature pyramid of `transformers`; the map is the 256-channel level of stride 16.

At 1024 px this is the 256 x 64 x 64 embedding that SAM2's decoder reads, without the constant `no_memory_embedding` (it is the
same for every cell, and normalisation takes it out). Prompt encoder, mask decoder and memory are not part of a teacher.
"""

import re
from collections.abc import Mapping
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import Sam2HieraDetConfig, Sam2VisionConfig
from transformers.models.sam2.modeling_sam2 import Sam2VisionModel

from agglo.teachers.protocol import Family, State, Teacher, require_multiple

INPUT_MULTIPLE_PX = 32

# What a SAM2 file holds besides the image encoder, in Meta's layout and in that of transformers.
_OTHER_PARTS = (
    "memory_",
    "maskmem",
    "mask_downsample",
    "no_mem",
    "no_obj",
    "obj_ptr",
    "object_pointer_proj",
    "occlusion_spatial_embedding_parameter",
    "temporal_positional_encoding_projection_layer",
    "sam_prompt_encoder.",
    "sam_mask_decoder.",
    "prompt_encoder.",
    "mask_decoder.",
    "shared_image_embedding.",
)

# Meta's names -> those of transformers, in this order.
_RENAMES = (
    (r"^image_encoder\.trunk\.", "backbone."),
    (r"^image_encoder\.neck\.convs\.(\d+)\.conv\.", r"neck.convs.\1."),
    (r"\.patch_embed\.proj\.", ".patch_embed.projection."),
    (r"(blocks\.\d+)\.norm([12])\.", r"\1.layer_norm\2."),
    (r"\.mlp\.layers\.0\.", ".mlp.proj_in."),
    (r"\.mlp\.layers\.1\.", ".mlp.proj_out."),
    (r"^vision_encoder\.", ""),
)


def build_encoder(architecture: Mapping[str, Any]) -> Sam2VisionModel:
    """Build the vision encoder with random weights.

    Args:
        architecture: keyword arguments of `Sam2HieraDetConfig`.
    """
    backbone = Sam2HieraDetConfig(**architecture)
    widths = list(reversed(backbone.embed_dim_per_stage))
    config = Sam2VisionConfig(backbone_config=backbone, backbone_channel_list=widths)
    config._attn_implementation = "sdpa"
    return Sam2VisionModel(config)


@final
class Sam2Teacher(Teacher):
    """The stride-16 level of SAM2's feature pyramid; any sides that are multiples of 32 px."""

    @torch.no_grad()
    def feature_map(self, images: Float[Tensor, "batch 3 rows cols"]) -> Float[Tensor, "batch dim h w"]:
        """Return the stride-16 level, `rows / 16` x `cols / 16` cells."""
        require_multiple(images, self.spec, INPUT_MULTIPLE_PX)
        return self.encoder(images).fpn_hidden_states[-1]


def adapt(state: State) -> State:
    """Give an image encoder's state in the layout of `transformers`, from any layout SAM2 weights are published in.

    Read are Meta's files, files whose keys carry the prefix `sam2_model.`, files of `Sam2Model` and `Sam2VideoModel`, and the
    bare vision encoder; every other part of SAM2 is left out.
    """
    adapted = {}
    for key, value in state.items():
        name = key.removeprefix("sam2_model.")
        if name.startswith(_OTHER_PARTS):
            continue
        for pattern, replacement in _RENAMES:
            name = re.sub(pattern, replacement, name)
        adapted[name] = value
    return adapted


FAMILY = Family(build_encoder=build_encoder, teacher=Sam2Teacher, adapt=adapt)
