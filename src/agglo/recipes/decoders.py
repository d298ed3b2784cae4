"""From a recipe to decoders: their arguments, as a model folder keeps them, and the decoders themselves."""

import torch

from agglo.config.schema import Recipe
from agglo.core.seeds import seed_of
from agglo.core.shapes import EMBEDDING_STRIDE_PX
from agglo.decoders import PromptDecoder, StructureDecoder
from agglo.students import EMBED_DIM, Student


def decoder_options(recipe: Recipe, of: Student, num_structures: int) -> dict[str, object]:
    """Return the keyword arguments of the decoder, as the model folder keeps them."""
    high_res = (of.stride8_dim, of.stride4_dim) if recipe.decoder.high_res else None
    return {
        "num_structures": num_structures,
        "embed_dim": EMBED_DIM,
        "grid_stride": recipe.decoder.grid_stride,
        "high_res_dims": high_res,
        "presence": recipe.decoder.presence,
    }


def decoder(recipe: Recipe, of: Student, num_structures: int, *, stream: str) -> StructureDecoder:
    """Build the decoder; `stream` is a word of the seed of its random weights: of one seed and word they are the same."""
    torch.manual_seed(seed_of(recipe.seed, "decoder", stream))
    return StructureDecoder(**decoder_options(recipe, of, num_structures))  # type: ignore[arg-type]


def prompt_options(recipe: Recipe, of: Student) -> dict[str, object] | None:
    """Return the keyword arguments of the prompt decoder, as the model folder keeps them; None where there is to be none."""
    if not recipe.align.prompts:
        return None
    high_res = (of.stride8_dim, of.stride4_dim) if recipe.decoder.high_res else None
    return {
        "embed_dim": EMBED_DIM,
        "image_size": recipe.student.input_px,
        "patch_size": EMBEDDING_STRIDE_PX,
        "high_res_dims": high_res,
    }


def prompt_decoder(recipe: Recipe, of: Student) -> PromptDecoder | None:
    """Build the prompt decoder if the recipe wants one; its random weights depend on the seed alone."""
    options = prompt_options(recipe, of)
    if options is None:
        return None
    torch.manual_seed(seed_of(recipe.seed, "prompt decoder"))
    return PromptDecoder(**options)  # type: ignore[arg-type]
