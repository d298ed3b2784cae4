"""The part of a SAM 2 file that is no teacher: its prompt encoder and mask decoder, by the names that `transformers` gives them.

What is built of them is elsewhere (`decoders.PromptDecoder`); here is only how files are read. The other part of a file is `sam2`.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from agglo.core.errors import WeightsError
from agglo.teachers.layout import Layout
from agglo.teachers.reading import find_weights_file, read_state

PARTS = ("prompt_encoder.", "mask_decoder.")
CONSTANT = "no_memory_embedding"
POSITIONS, SHARED_POSITIONS = (
    "prompt_encoder.shared_embedding.positional_embedding",
    "shared_image_embedding.positional_embedding",
)
POINTS = "prompt_encoder.point_embed.weight"
NUM_POINT_KINDS = 4

_THREE_LAYERS = (
    r"^sam_mask_decoder\.(output_hypernetworks_mlps\.\d+|iou_prediction_head|pred_obj_score_head)\.layers"
)
_IN_TRANSFORMER = r"^(mask_decoder\.transformer\..*)"
LAYOUT = Layout(
    renames=(
        (r"^sam2_model\.", ""),
        (rf"{_THREE_LAYERS}\.0\.", r"mask_decoder.\1.proj_in."),
        (rf"{_THREE_LAYERS}\.1\.", r"mask_decoder.\1.layers.0."),
        (rf"{_THREE_LAYERS}\.2\.", r"mask_decoder.\1.proj_out."),
        (r"^sam_mask_decoder\.", "mask_decoder."),
        (r"^sam_prompt_encoder\.", "prompt_encoder."),
        (r"\.pe_layer\.positional_encoding_gaussian_matrix$", ".shared_embedding.positional_embedding"),
        (r"\.mask_downscaling\.0\.", ".mask_embed.conv1."),
        (r"\.mask_downscaling\.1\.", ".mask_embed.layer_norm1."),
        (r"\.mask_downscaling\.3\.", ".mask_embed.conv2."),
        (r"\.mask_downscaling\.4\.", ".mask_embed.layer_norm2."),
        (r"\.mask_downscaling\.6\.", ".mask_embed.conv3."),
        (r"^mask_decoder\.output_upscaling\.0\.", "mask_decoder.upscale_conv1."),
        (r"^mask_decoder\.output_upscaling\.1\.", "mask_decoder.upscale_layer_norm."),
        (r"^mask_decoder\.output_upscaling\.3\.", "mask_decoder.upscale_conv2."),
        (rf"{_IN_TRANSFORMER}\.out_proj\.", r"\1.o_proj."),
        (rf"{_IN_TRANSFORMER}\.norm(\d)\.", r"\1.layer_norm\2."),
        (r"^mask_decoder\.transformer\.norm_final_attn\.", "mask_decoder.transformer.layer_norm_final_attn."),
        (rf"{_IN_TRANSFORMER}\.mlp\.layers\.0\.", r"\1.mlp.proj_in."),
        (rf"{_IN_TRANSFORMER}\.mlp\.layers\.1\.", r"\1.mlp.proj_out."),
        (r"^no_mem_embed$", CONSTANT),
    ),
)
"""Meta's files, those whose keys carry the prefix `sam2_model.`, files of `Sam2Model`."""


class DecoderWeights(NamedTuple):
    """What a file holds for decoding.

    Attributes:
        state: of prompt encoder and mask decoder, keys beginning with `PARTS`.
        constant: what SAM 2 adds to the map of a single image before it decodes.
    """

    state: dict[str, Tensor]
    constant: Float[Tensor, " dim"]


def read_decoder(path: Path) -> DecoderWeights:
    """Return the weights of the decoder in a SAM 2 file, or in a folder with one.

    Raises:
        WeightsError: there is no such file, it cannot be read, or it holds an encoder alone.
    """
    file = find_weights_file(path)
    found = LAYOUT.read(read_state(file))
    if SHARED_POSITIONS in found:
        found.setdefault(POSITIONS, found[SHARED_POSITIONS])
    kinds = [
        found.pop(f"prompt_encoder.point_embeddings.{kind}.weight", None) for kind in range(NUM_POINT_KINDS)
    ]
    rows = [kind for kind in kinds if kind is not None]
    if rows:
        found[POINTS] = torch.cat(rows)
    state = {name: value for name, value in found.items() if name.startswith(PARTS)}
    if CONSTANT not in found or not state:
        raise WeightsError(
            f"weights must be a whole SAM 2 with its prompt encoder and mask decoder, but {file} holds no decoder; give the "
            "published file, not that of an encoder alone (the lab teachers' files are such)."
        )
    return DecoderWeights(state, found[CONSTANT].flatten())
