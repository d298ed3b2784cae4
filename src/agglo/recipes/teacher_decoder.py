"""A SAM 2 teacher's own decoder, for its features or for those of a student in its place."""

from pathlib import Path
from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from agglo.decoders import PromptDecoder
from agglo.teachers.sam2_decoder import read_decoder
from agglo.teachers.weights import load_strict

MAP_STRIDE_PX = 16
MAP_WITH_CONSTANT = "fpn-no-mem"


@final
class TeacherDecoder(nn.Module):
    """SAM 2's prompt encoder and mask decoder on the map of stride 16, frozen.

    The finer maps that SAM 2 has besides are left out (zero): a student in the teacher's place does not give them, and both are
    to be decoded alike.
    """

    constant: Tensor

    def __init__(self, decoder: PromptDecoder, constant: Float[Tensor, " dim"]) -> None:
        """Take the decoder and what is added to every cell before it."""
        super().__init__()
        self.decoder = decoder
        self.register_buffer("constant", constant)
        self.requires_grad_(False).eval()

    def forward(
        self, features: Float[Tensor, "batch dim h w"], boxes: Float[Tensor, "batch prompts 4"]
    ) -> Float[Tensor, "batch prompts 4*h 4*w"]:
        """Return one logit map per box (left, top, right, bottom, in pixels of the teacher's input)."""
        found: Tensor = self.decoder(features + self.constant[:, None, None], boxes)
        return found


def sam2_decoder(weights: Path, *, input_px: int, map_name: str = "fpn") -> TeacherDecoder:
    """Return the decoder of the SAM 2 in the file `weights`: the very file that the teacher was built from.

    Args:
        weights: Meta's or `transformers`' file, or a folder with one.
        input_px: side of the teacher's input: the map has `input_px / 16` rows and columns, and boxes are in its pixels.
        map_name: which map of the teacher's entry the features are; `fpn-no-mem` has SAM 2's constant in it already.

    Raises:
        WeightsError: the file holds no decoder, or one that is not SAM 2's.
    """
    found = read_decoder(weights)
    decoder = PromptDecoder(image_size=input_px, patch_size=MAP_STRIDE_PX)
    load_strict(decoder, found.state, where=str(weights))
    has_it = map_name == MAP_WITH_CONSTANT
    return TeacherDecoder(decoder, found.constant * (0.0 if has_it else 1.0))
