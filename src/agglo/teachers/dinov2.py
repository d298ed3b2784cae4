"""The DINOv2 family (DINOv2, RAD-DINO): a plain vision transformer; the map is its final patch tokens, the summary its class token.

Register tokens, where there are some, stand between the two and are left out. The layouts read are those of `transformers` with
new or old attention names and that of the original DINOv2 repository. At another size than that of training, positions are
interpolated as `transformers` does it: with registers that is the original's way, without them the original shifts the grid by a
tenth of a cell.
"""

from collections.abc import Mapping
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

from agglo.core.shapes import TeacherFeatures
from agglo.teachers.layout import Layout
from agglo.teachers.protocol import Family, Teacher, require_multiple, tokens_to_map

LAYOUT = Layout(
    renames=(
        # older names of transformers
        (r"^dinov2(_with_registers)?\.", ""),
        (r"\.attention\.attention\.(q)uery\.", r".attention.\1_proj."),
        (r"\.attention\.attention\.(k)ey\.", r".attention.\1_proj."),
        (r"\.attention\.attention\.(v)alue\.", r".attention.\1_proj."),
        (r"\.attention\.output\.dense\.", ".attention.o_proj."),
        (r"\.mlp\.weights_out\.", ".mlp.down_proj."),
        # names of the original repository
        (r"^(cls_token|mask_token|register_tokens)$", r"embeddings.\1"),
        (r"^pos_embed$", "embeddings.position_embeddings"),
        (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
        (r"^blocks\.", "encoder.layer."),
        (r"\.attn\.proj\.", ".attention.o_proj."),
        (r"\.ls([12])\.gamma$", r".layer_scale\1.lambda1"),
        (r"\.mlp\.w12\.", ".mlp.weights_in."),
        (r"\.mlp\.w3\.", ".mlp.down_proj."),
        (r"^norm\.", "layernorm."),
    ),
    splits={
        ".attn.qkv.": (".attention.q_proj.", ".attention.k_proj.", ".attention.v_proj."),
        ".mlp.weights_in.": (".mlp.gate_proj.", ".mlp.up_proj."),
    },
    dropped={"classifier.*": "the classifier, which is no part of a teacher"},
)


def build_encoder(architecture: Mapping[str, Any]) -> nn.Module:
    """Build the encoder with random weights.

    Args:
        architecture: keyword arguments of `Dinov2Config`, or of `Dinov2WithRegistersConfig` if it has `num_register_tokens`.
    """
    if "num_register_tokens" in architecture:
        config = Dinov2WithRegistersConfig(**architecture)
        config._attn_implementation = "sdpa"
        return Dinov2WithRegistersModel(config)
    config = Dinov2Config(**architecture)
    config._attn_implementation = "sdpa"
    return Dinov2Model(config)


@final
class Dinov2Teacher(Teacher):
    """Patch tokens after the final layer norm, and the class token; any sides that are multiples of the patch."""

    @torch.no_grad()
    def look(self, images: Float[Tensor, "batch 3 rows cols"]) -> TeacherFeatures:
        """Return the patch tokens as a map, one cell per patch, and the class token; positions are interpolated to the grid."""
        patch_px = self.spec.stride_px
        require_multiple(images, self.spec, patch_px)
        rows, cols = images.shape[-2] // patch_px, images.shape[-1] // patch_px
        tokens_BNF = self.encoder(images).last_hidden_state
        return TeacherFeatures(
            tokens_to_map(tokens_BNF[:, -rows * cols :], rows=rows, cols=cols), tokens_BNF[:, 0]
        )


FAMILY = Family(
    build_encoder=build_encoder, teacher=lambda encoder, spec, _: Dinov2Teacher(encoder, spec), layout=LAYOUT
)
