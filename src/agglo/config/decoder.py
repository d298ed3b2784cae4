"""Settings of the decoders: what they read and what they say beside masks."""

from typing import Literal

from pydantic import Field

from agglo.config.section import Section


class DecoderConfig(Section):
    """The one-pass structure decoder."""

    grid_stride: Literal[8, 16] = 8
    high_res: bool = Field(
        True, description="feed the student's own stride-4 and stride-8 maps to the upscaling"
    )
    presence: bool = Field(
        False,
        description="say of each structure whether it is there; where it is not, its mask is empty (docs/predict.md)",
        exclude_if=lambda value: not value,  # what was made before there was a choice stays valid
    )
