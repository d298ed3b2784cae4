"""The one-pass structure decoder: K learned tokens ask the embedding for K masks at once, without prompts.

SAM2's two-way transformer (from `transformers`) on the student's grid; each structure's token then weighs the upscaled
features through one shared network, and, where asked for, says through another whether the structure is there at all. Promptable
decoding is in `prompts`; losses and thresholds are elsewhere.
"""

from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from transformers import Sam2MaskDecoderConfig
from transformers.models.sam2.modeling_sam2 import Sam2TwoWayTransformer

from agglo.core.errors import ConfigError
from agglo.core.shapes import EMBEDDING_STRIDE_PX, StudentFeatures
from agglo.decoders.positions import FourierPositions
from agglo.decoders.protocol import RARE_FOREGROUND_LOGIT, USUALLY_THERE_LOGIT, Decoder, StructureLogits

NUM_HEADS = 8
GRID_STRIDES_PX = (8, 16)


@final
class StructureDecoder(Decoder):
    """Logits of K structures at stride 2, in one pass over the student's embedding of stride 8.

    Attributes:
        num_structures: K.
        grid_stride: pixels per cell of the transformer's grid: 8 for accuracy, 16 for speed.
        tell_presence: the network that says whether a structure is there; None without one.
    """

    def __init__(
        self,
        *,
        num_structures: int,
        embed_dim: int = 256,
        grid_stride: int = 8,
        high_res_dims: tuple[int, int] | None = None,
        depth: int = 2,
        mlp_dim: int = 2048,
        presence: bool = False,
    ) -> None:
        """Build with random weights from torch's global generator: all others are the same with and without `presence`.

        Args:
            num_structures: K, at least 1.
            embed_dim: channels of the embedding, a multiple of 16.
            grid_stride: 8, or 16 to let the transformer read a pooled embedding.
            high_res_dims: channels of the student's own maps of strides 8 and 4, to let them refine the upscaling; None leaves
                them out, as the paper does.
            depth: two-way layers.
            mlp_dim: hidden width of the tokens' MLP.
            presence: whether it says of each structure if it is there, from its token, as SAM2's object score does.

        Raises:
            ConfigError: listing every argument that cannot be used.
        """
        super().__init__()
        _check_arguments(num_structures, embed_dim, grid_stride, depth)
        self.num_structures = num_structures
        self.grid_stride = grid_stride
        config = Sam2MaskDecoderConfig(
            hidden_size=embed_dim, num_hidden_layers=depth, num_attention_heads=NUM_HEADS, mlp_dim=mlp_dim
        )
        config._attn_implementation = "sdpa"
        self.tokens = nn.Parameter(torch.randn(num_structures, embed_dim))
        self.positions = FourierPositions(embed_dim)
        self.transformer = Sam2TwoWayTransformer(config)
        self.upscaling = Upscaling(embed_dim, high_res_dims)
        self.weigh = nn.Sequential(
            nn.Linear(embed_dim, embed_dim),
            nn.ReLU(),
            nn.Linear(embed_dim, embed_dim),
            nn.ReLU(),
            nn.Linear(embed_dim, embed_dim // 8),
        )
        self.bias = nn.Parameter(torch.full((num_structures,), RARE_FOREGROUND_LOGIT))
        self.tell_presence = _PresenceHead(num_structures, embed_dim) if presence else None

    def decode(self, features: StudentFeatures) -> StructureLogits:
        """Return one logit map per structure, and the logit of its being there where the decoder tells."""
        grid = features.embedding
        if self.grid_stride != EMBEDDING_STRIDE_PX:
            grid = F.avg_pool2d(grid, kernel_size=self.grid_stride // EMBEDDING_STRIDE_PX)
        batch, _, rows, cols = grid.shape
        tokens_BPKE = self.tokens.expand(batch, 1, -1, -1)
        positions = self.positions(rows, cols).to(grid.dtype).expand(batch, -1, -1, -1)
        tokens_BPKE, cells_BPNE = self.transformer(
            point_embeddings=tokens_BPKE,
            image_embeddings=grid,
            image_positional_embeddings=positions,
            attention_similarity=None,
        )
        decoded_BHWE = cells_BPNE.squeeze(1).unflatten(1, (rows, cols))
        if self.grid_stride != EMBEDDING_STRIDE_PX:
            decoded_BHWE = _join_finer(decoded_BHWE, features.embedding)
        tokens_BKE = tokens_BPKE.squeeze(1)
        presence = None if self.tell_presence is None else self.tell_presence(tokens_BKE)
        return StructureLogits(self._weighed(tokens_BKE, self.upscaling(decoded_BHWE, features)), presence)

    def _weighed(
        self,
        tokens_BKE: Float[Tensor, "batch structures embed"],
        fine_BHWYXC: Float[Tensor, "batch h4 w4 2 2 fine"],
    ) -> Float[Tensor, "batch structures 2*h4 2*w4"]:
        """Return the fine features as each structure's token weighs them, rows and columns put in order."""
        weights_BKC = self.weigh(tokens_BKE)
        logits_BKN = weights_BKC @ fine_BHWYXC.flatten(1, 4).transpose(1, 2) + self.bias.unsqueeze(1)
        logits_BKHWYX = logits_BKN.unflatten(2, fine_BHWYXC.shape[1:5])
        return logits_BKHWYX.transpose(3, 4).flatten(4, 5).flatten(2, 3)


@final
class _PresenceHead(nn.Module):
    """Whether each structure is there: one network for all tokens, and each structure's own usual frequency."""

    def __init__(self, num_structures: int, embed_dim: int) -> None:
        super().__init__()
        self.judge = nn.Sequential(nn.Linear(embed_dim, embed_dim), nn.ReLU(), nn.Linear(embed_dim, 1))
        self.bias = nn.Parameter(torch.full((num_structures,), USUALLY_THERE_LOGIT))

    def forward(self, tokens: Float[Tensor, "batch structures embed"]) -> Float[Tensor, "batch structures"]:
        return self.judge(tokens).squeeze(2) + self.bias


@final
class Upscaling(nn.Module):
    """Stride 8 to stride 2 by two doublings, as in SAM2; the student's own maps may be added on the way.

    A transposed convolution of kernel 2 and stride 2 is a linear map to four cells, so it is written as one: the transformer's
    cells are channels last already, and the last rearrangement can wait until only K channels are left.
    """

    def __init__(self, embed_dim: int, high_res_dims: tuple[int, int] | None) -> None:
        """Build for `embed_dim` channels in and `embed_dim / 8` out; see `StructureDecoder` for `high_res_dims`."""
        super().__init__()
        self.lateral8: nn.Module | None = None
        self.lateral4: nn.Module | None = None
        if high_res_dims is not None:
            self.lateral8 = nn.Linear(high_res_dims[0], embed_dim)
            self.lateral4 = nn.Linear(high_res_dims[1], embed_dim // 4)
        self.to_stride4 = nn.Linear(embed_dim, 4 * (embed_dim // 4))
        self.norm = nn.LayerNorm(embed_dim // 4)
        self.to_stride2 = nn.Linear(embed_dim // 4, 4 * (embed_dim // 8))

    def forward(
        self, decoded: Float[Tensor, "batch h8 w8 embed"], features: StudentFeatures
    ) -> Float[Tensor, "batch 2*h8 2*w8 2 2 embed//8"]:
        """Return fine features from which masks are weighed: cells of stride 4, each with 2 x 2 cells of stride 2."""
        if self.lateral8 is not None:
            decoded = decoded + self.lateral8(features.stride8.permute(0, 2, 3, 1))
        parts_BHWYXC = self.to_stride4(decoded).unflatten(3, (2, 2, -1))
        finer_BHWC = parts_BHWYXC.transpose(2, 3).flatten(3, 4).flatten(1, 2)
        if self.lateral4 is not None:
            finer_BHWC = finer_BHWC + self.lateral4(features.stride4.permute(0, 2, 3, 1))
        fine_BHWN = F.gelu(self.to_stride2(F.gelu(self.norm(finer_BHWC))))
        return fine_BHWN.reshape(*fine_BHWN.shape[:3], 2, 2, -1)


def _join_finer(
    coarse: Float[Tensor, "batch h16 w16 embed"], embedding: Float[Tensor, "batch embed h8 w8"]
) -> Float[Tensor, "batch h8 w8 embed"]:
    """Return coarse cells resampled to the embedding's grid, plus the embedding."""
    resampled = F.interpolate(coarse.permute(0, 3, 1, 2), size=embedding.shape[-2:], mode="bilinear")
    return (resampled + embedding).permute(0, 2, 3, 1)


def _check_arguments(num_structures: int, embed_dim: int, grid_stride: int, depth: int) -> None:
    problems = []
    if num_structures < 1:
        problems.append(f"num_structures must be at least 1, got {num_structures}")
    if embed_dim < 16 or embed_dim % 16:
        problems.append(f"embed_dim must be a positive multiple of 16, got {embed_dim}")
    if grid_stride not in GRID_STRIDES_PX:
        problems.append(f"grid_stride must be one of {GRID_STRIDES_PX}, got {grid_stride}")
    if depth < 1:
        problems.append(f"depth must be at least 1, got {depth}")
    if problems:
        raise ConfigError("structure decoder: " + "; ".join(problems) + ".")
