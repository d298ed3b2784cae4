"""A SAM 2 teacher's own decoder, for its features or for those of a student in its place."""

from pathlib import Path
from typing import final

from jaxtyping import Float, Int
from torch import Tensor, nn

from agglo.config.schema import Recipe, TeacherConfig
from agglo.core.errors import ConfigError
from agglo.decoders import PromptDecoder
from agglo.distill import Drawing, ThroughDecoder
from agglo.recipes.teachers import teacher_entry, weights_file
from agglo.teachers import spec_of
from agglo.teachers.finding import locate
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

    def decode_points(
        self,
        features: Float[Tensor, "batch dim h w"],
        points: Float[Tensor, "batch prompts clicks 2"],
        labels: Int[Tensor, "batch prompts clicks"],
    ) -> Float[Tensor, "batch prompts 4*h 4*w"]:
        """Return one logit map per set of clicks (x, y in pixels of the teacher's input; label 1 inside, 0 outside)."""
        return self.decoder.decode_points(features + self.constant[:, None, None], points, labels)


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


def drawing_of(recipe: Recipe) -> Drawing | None:
    """Return the masks through a teacher's decoder that a recipe's stage 1 asks for, if it does.

    Raises:
        ConfigError: it names no teacher of the recipe, one without such a decoder, or a normalisation that cannot be undone.
        WeightsError: the teacher's file holds no decoder.
    """
    config = recipe.distill.through_decoder
    if config is None:
        return None
    chosen = check_drawing(recipe)
    entry = teacher_entry(chosen)
    input_px = spec_of(entry, input_px=chosen.input_px).input_px
    file = locate(
        entry, chosen.weights
    )  # who has extracted has it; who found the features made fetches it now
    assert file is not None  # a SAM 2 needs one
    decoder = sam2_decoder(file, input_px=input_px, map_name=entry.map)
    loss = ThroughDecoder(decoder, input_px=input_px, prompts=config.prompts, clicks=config.clicks)
    return Drawing(config.teacher, loss, config.weight)


def check_decoder_on_hand(recipe: Recipe) -> None:
    """Look whether `drawing_of` will find what it needs, as far as that is here: a file that extraction is to fetch is not.

    Raises:
        ConfigError, WeightsError: see `drawing_of`.
    """
    if recipe.distill.through_decoder is not None and weights_file(check_drawing(recipe)).exists():
        drawing_of(recipe)


def check_drawing(recipe: Recipe) -> TeacherConfig:
    """Return the teacher whose decoder `distill.through_decoder` names.

    Raises:
        ConfigError: see `drawing_of`.
    """
    config = recipe.distill.through_decoder
    assert config is not None
    teachers = {teacher.key: teacher for teacher in recipe.teachers}
    if config.teacher not in teachers:
        raise ConfigError(
            f"distill.through_decoder.teacher must be one of the recipe's {sorted(teachers)}, got {config.teacher!r}"
        )
    family = teacher_entry(teachers[config.teacher]).family
    if family != "sam2":
        raise ConfigError(
            f"distill.through_decoder.teacher must be a SAM 2, which has a decoder of prompts, but {config.teacher} is of family "
            f"{family}"
        )
    if recipe.distill.normalise == "l2":
        raise ConfigError(
            "distill.through_decoder needs features in the teacher's own space, which `distill.normalise: l2` forgets; choose "
            "another"
        )
    return teachers[config.teacher]
