"""The MedCLIP family: a Swin transformer; the map is its last stage after the final layer norm, or the third one as it leaves.

MedCLIP's training signal is one vector per image, so its tokens are weakly localised: expect what is shown rather than where.
The text tower, the projection heads and the logit scale of a MedCLIP file are not part of a teacher.
"""

from collections.abc import Mapping
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import SwinConfig, SwinModel
from transformers.models.swin.modeling_swin import SwinLayer

from agglo.core.errors import FeatureMismatch
from agglo.core.shapes import FeatureSpec, TeacherFeatures
from agglo.teachers.layout import Layout
from agglo.teachers.protocol import Family, Teacher, require_multiple, tokens_to_map

INPUT_MULTIPLE_PX = 32
THIRD_STAGE = (
    3  # among the hidden states before patches are merged, of which the first is the patch embedding
)

LAYOUT = Layout(
    renames=(  # older names of transformers -> today's, in this order
        (r"^vision_model\.model\.", ""),
        (r"\.attention\.self\.(q)uery\.", r".attention.\1_proj."),
        (r"\.attention\.self\.(k)ey\.", r".attention.\1_proj."),
        (r"\.attention\.self\.(v)alue\.", r".attention.\1_proj."),
        (
            r"\.attention\.self\.relative_position_bias_table$",
            ".attention.relative_position_bias.relative_position_bias_table",
        ),
        (r"\.attention\.output\.dense\.", ".attention.o_proj."),
        (r"\.intermediate\.dense\.", ".mlp.fc1."),
        (r"\.output\.dense\.", ".mlp.fc2."),
    ),
    dropped={
        "text_model.*": "the text tower, which is no part of an image encoder",
        "vision_model.projection_head.*": "the projection to the space shared with text",
        "logit_scale": "the temperature of the contrast with text",
        "*.relative_position_index": "a buffer that is made anew",
    },
)
"""A MedCLIP file, or a bare Swin file with old or new names."""


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
    """The last or the third stage of a Swin transformer; sides of multiples of 32 px, at least one window at stride 32."""

    def __init__(self, encoder: nn.Module, spec: FeatureSpec, *, is_third: bool = False) -> None:
        """Remember each layer's window and shift: the library overwrites them once an input is small."""
        super().__init__(encoder, spec)
        self.is_third = is_third
        self._windows = [
            (layer, layer.window_size, layer.shift_size)
            for layer in encoder.modules()
            if isinstance(layer, SwinLayer)
        ]

    @torch.no_grad()
    def look(self, images: Float[Tensor, "batch 3 rows cols"]) -> TeacherFeatures:
        """Return the chosen stage as a map, and the mean of the last one's tokens."""
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
        seen = self.encoder(
            images, output_hidden_states=self.is_third, output_hidden_states_before_downsampling=self.is_third
        )
        if self.is_third:
            return TeacherFeatures(seen.reshaped_hidden_states[THIRD_STAGE], seen.pooler_output)
        cells = {"rows": rows // INPUT_MULTIPLE_PX, "cols": cols // INPUT_MULTIPLE_PX}
        return TeacherFeatures(tokens_to_map(seen.last_hidden_state, **cells), seen.pooler_output)


FAMILY = Family(
    build_encoder=build_encoder,
    teacher=lambda encoder, spec, map_name: MedclipTeacher(encoder, spec, is_third=map_name == "stage3"),
    layout=LAYOUT,
)
