"""The MedCLIP family: a Swin transformer; the map is its last stage after the final layer norm, before pooling.

MedCLIP's training signal is one vector per image, so its tokens are weakly localised: expect what is shown rather than where.
The text tower, the projection heads and the logit scale of a MedCLIP file are not part of a teacher.
"""

import re
from collections.abc import Mapping
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import SwinConfig, SwinModel
from transformers.models.swin.modeling_swin import SwinLayer

from agglo.core.errors import FeatureMismatch
from agglo.core.shapes import FeatureSpec
from agglo.teachers.protocol import Family, State, Teacher, require_multiple

INPUT_MULTIPLE_PX = 32

_OTHER_PARTS = ("text_model.", "vision_model.projection_head.", "logit_scale")
_INDEX_BUFFER = ".relative_position_index"

# Older names of transformers -> today's, in this order.
_RENAMES = (
    (r"^vision_model\.model\.", ""),
    (r"\.attention\.self\.(query|key|value)\.", lambda found: f".attention.{found[1][0]}_proj."),
    (
        r"\.attention\.self\.relative_position_bias_table$",
        ".attention.relative_position_bias.relative_position_bias_table",
    ),
    (r"\.attention\.output\.dense\.", ".attention.o_proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
)


def build_encoder(architecture: Mapping[str, Any]) -> SwinModel:
    """Build the encoder with random weights.

    Args:
        architecture: keyword arguments of `SwinConfig`.
    """
    config = SwinConfig(**architecture)
    config._attn_implementation = "sdpa"
    return SwinModel(config)


@final
class MedclipTeacher(Teacher):
    """The last stage of a Swin transformer; sides that are multiples of 32 px and at least one window at stride 32."""

    def __init__(self, encoder: nn.Module, spec: FeatureSpec) -> None:
        """Remember each layer's window and shift: the library overwrites them once an input is small."""
        super().__init__(encoder, spec)
        self._windows = [
            (layer, layer.window_size, layer.shift_size)
            for layer in encoder.modules()
            if isinstance(layer, SwinLayer)
        ]

    @torch.no_grad()
    def feature_map(self, images: Float[Tensor, "batch 3 rows cols"]) -> Float[Tensor, "batch dim h w"]:
        """Return the last stage as a map, `rows / 32` x `cols / 32` cells."""
        require_multiple(images, self.spec, INPUT_MULTIPLE_PX)
        smallest = INPUT_MULTIPLE_PX * self._windows[0][1]
        rows, cols = images.shape[-2:]
        if min(rows, cols) < smallest:
            raise FeatureMismatch(
                f"teacher {self.spec.name} needs at least {smallest} px a side (one attention window at stride 32), "
                f"got {rows} x {cols}; render its views at {self.spec.input_px} px."
            )
        for layer, window_size, shift_size in self._windows:
            layer.window_size, layer.shift_size = window_size, shift_size
        tokens_BNF = self.encoder(images).last_hidden_state
        cells = (rows // INPUT_MULTIPLE_PX, cols // INPUT_MULTIPLE_PX)
        return tokens_BNF.unflatten(1, cells).permute(0, 3, 1, 2)


def adapt(state: State) -> State:
    """Give the vision tower's state in today's layout of `transformers`, from a MedCLIP file or a Swin file."""
    adapted = {}
    for key, value in state.items():
        if key.startswith(_OTHER_PARTS) or key.endswith(_INDEX_BUFFER):
            continue
        name = key
        for pattern, replacement in _RENAMES:
            name = re.sub(pattern, replacement, name)
        adapted[name] = value
    return adapted


FAMILY = Family(build_encoder=build_encoder, teacher=MedclipTeacher, adapt=adapt)
