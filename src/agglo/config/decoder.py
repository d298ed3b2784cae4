"""Settings of the decoders: what they read and what they say beside masks."""

from collections.abc import Callable
from typing import Literal

from pydantic import Field, model_serializer

from agglo.config.section import Section

SINCE_THE_FIRST = ("grid_stride", "high_res")
"""Settings that have always been there; the others leave no trace where they are off."""


class DecoderConfig(Section):
    """The one-pass structure decoder."""

    grid_stride: Literal[8, 16] = 8
    high_res: bool = Field(
        True, description="feed the student's own stride-4 and stride-8 maps to the upscaling"
    )
    presence: bool = Field(
        False,
        description="say of each structure whether it is there; where it is not, its mask is empty (docs/predict.md)",
    )

    @model_serializer(mode="wrap")
    def _without_what_is_off(self, dump: Callable[[object], dict[str, object]]) -> dict[str, object]:
        """Leave out what is off: what was made before there was a choice stays valid."""
        return {name: value for name, value in dump(self).items() if name in SINCE_THE_FIRST or value}
