"""The CLIP family: a vision transformer whose class token was trained against captions; the map is its patch tokens.

`tokens` are those of the last block, as `transformers` gives them; CLIP applies its final norm to the class token only, and
`normed` applies it to the patches too. The summary is the class token after that norm, before the projection to the text's space.
The layouts read are those of `transformers` (with or without the text tower) and that of OpenAI and open_clip (keys `visual.*`).
"""

from collections.abc import Mapping
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from agglo.core.shapes import FeatureSpec, TeacherFeatures
from agglo.teachers.layout import Layout
from agglo.teachers.protocol import Family, Teacher, require_multiple, tokens_to_map

_TEXT = "the text tower, which is no part of an image encoder"
_PROJECTION = "the projection to the space shared with text"

LAYOUT = Layout(
    renames=(
        (r"^vision_model\.", ""),
        # names of OpenAI and open_clip
        (r"^visual\.conv1\.", "embeddings.patch_embedding."),
        (r"^visual\.class_embedding$", "embeddings.class_embedding"),
        (r"^visual\.positional_embedding$", "embeddings.position_embedding.weight"),
        (r"^visual\.ln_pre\.", "pre_layrnorm."),
        (r"^visual\.ln_post\.", "post_layernorm."),
        (r"^visual\.transformer\.resblocks\.", "encoder.layers."),
        (r"^(encoder\.layers\.\d+)\.ln_([12])\.", r"\1.layer_norm\2."),
        (r"\.attn\.in_proj_(weight|bias)$", r".attn.in_proj.\1"),
        (r"\.attn\.out_proj\.", ".self_attn.out_proj."),
        (r"\.mlp\.c_fc\.", ".mlp.fc1."),
        (r"\.mlp\.c_proj\.", ".mlp.fc2."),
    ),
    splits={".attn.in_proj.": (".self_attn.q_proj.", ".self_attn.k_proj.", ".self_attn.v_proj.")},
    dropped={
        "text_model.*": _TEXT,
        "text_projection*": _TEXT,
        "token_embedding.*": _TEXT,
        "positional_embedding": _TEXT,
        "transformer.*": _TEXT,
        "ln_final.*": _TEXT,
        "attn_mask": _TEXT,
        "context_length": _TEXT,
        "vocab_size": _TEXT,
        "visual_projection.*": _PROJECTION,
        "visual.proj": _PROJECTION,
        "logit_scale": "the temperature of the contrast with text",
        "input_resolution": "a number, no weight",
        "embeddings.position_ids": "a buffer that is made anew",
    },
)


def build_encoder(architecture: Mapping[str, Any]) -> nn.Module:
    """Build the encoder with random weights.

    Args:
        architecture: keyword arguments of `CLIPVisionConfig`.
    """
    config = CLIPVisionConfig(**architecture)
    config._attn_implementation = "sdpa"
    return CLIPVisionModel(config)


@final
class ClipTeacher(Teacher):
    """Patch tokens of the last block, and the class token after the final norm; any sides that are multiples of the patch."""

    def __init__(self, encoder: nn.Module, spec: FeatureSpec, *, is_normed: bool) -> None:
        """Keep whether patch tokens pass the final norm."""
        super().__init__(encoder, spec)
        self.is_normed = is_normed

    def _final_norm(self, tokens: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        encoder: Any = self.encoder
        return encoder.post_layernorm(tokens)

    @torch.no_grad()
    def look(self, images: Float[Tensor, "batch 3 rows cols"]) -> TeacherFeatures:
        """Return the patch tokens as a map, one cell per patch, and the class token; positions are interpolated to the grid."""
        patch_px = self.spec.stride_px
        require_multiple(images, self.spec, patch_px)
        rows, cols = images.shape[-2] // patch_px, images.shape[-1] // patch_px
        seen = self.encoder(images, interpolate_pos_encoding=True)
        tokens_BNF = seen.last_hidden_state[:, 1:]
        if self.is_normed:
            tokens_BNF = self._final_norm(tokens_BNF)
        return TeacherFeatures(tokens_to_map(tokens_BNF, rows=rows, cols=cols), seen.pooler_output)


FAMILY = Family(
    build_encoder=build_encoder,
    teacher=lambda encoder, spec, map_name: ClipTeacher(encoder, spec, is_normed=map_name == "normed"),
    layout=LAYOUT,
)
