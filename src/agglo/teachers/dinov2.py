"""The DINOv2 family (RAD-DINO): a plain vision transformer; the map is its final patch tokens, without the class token.

The layouts read are those of `transformers` with new or old attention names and that of the original DINOv2 repository; the
projection head of self-supervised training is not part of a teacher.
"""

import re
from collections.abc import Mapping
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import Dinov2Config, Dinov2Model

from agglo.teachers.protocol import Family, State, Teacher, require_multiple

# Older names of transformers -> today's.
_OLD_NAMES = (
    (r"^dinov2\.", ""),
    (r"\.attention\.attention\.(query|key|value)\.", lambda found: f".attention.{found[1][0]}_proj."),
    (r"\.attention\.output\.dense\.", ".attention.o_proj."),
)

# Names of the original repository -> those of transformers.
_ORIGINAL_NAMES = (
    (r"^(cls_token|mask_token)$", r"embeddings.\1"),
    (r"^pos_embed$", "embeddings.position_embeddings"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
    (r"^blocks\.", "encoder.layer."),
    (r"\.attn\.proj\.", ".attention.o_proj."),
    (r"\.ls([12])\.gamma$", r".layer_scale\1.lambda1"),
    (r"^norm\.", "layernorm."),
)


def build_encoder(architecture: Mapping[str, Any]) -> Dinov2Model:
    """Build the encoder with random weights.

    Args:
        architecture: keyword arguments of `Dinov2Config`.
    """
    config = Dinov2Config(**architecture)
    config._attn_implementation = "sdpa"
    return Dinov2Model(config)


@final
class Dinov2Teacher(Teacher):
    """Patch tokens after the final layer norm; any sides that are multiples of the patch."""

    @torch.no_grad()
    def feature_map(self, images: Float[Tensor, "batch 3 rows cols"]) -> Float[Tensor, "batch dim h w"]:
        """Return the patch tokens as a map, one cell per patch; positions are interpolated to the grid."""
        patch_px = self.spec.stride_px
        require_multiple(images, self.spec, patch_px)
        rows, cols = images.shape[-2] // patch_px, images.shape[-1] // patch_px
        tokens_BNF = self.encoder(images).last_hidden_state[:, 1:]
        return tokens_BNF.unflatten(1, (rows, cols)).permute(0, 3, 1, 2)


def adapt(state: State) -> State:
    """Give the state in today's layout of `transformers`, from any layout DINOv2 weights are published in."""
    is_original = "pos_embed" in state
    renames = _ORIGINAL_NAMES if is_original else _OLD_NAMES
    adapted = {}
    for key, value in state.items():
        name = key
        for pattern, replacement in renames:
            name = re.sub(pattern, replacement, name)
        if is_original and ".attn.qkv." in name:
            for letter, part in zip("qkv", value.chunk(3), strict=True):
                adapted[name.replace(".attn.qkv.", f".attention.{letter}_proj.")] = part
        else:
            adapted[name] = value
    return adapted


FAMILY = Family(build_encoder=build_encoder, teacher=Dinov2Teacher, adapt=adapt)
