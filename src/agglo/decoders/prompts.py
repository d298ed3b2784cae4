"""SAM2's own prompt encoder and mask decoder, composed for boxes, points and earlier masks on a plain embedding.

`PromptDecoder.answer` is how a student is asked; the two older ways in are used to train and to test promptable teachers, and as
the yardstick of the one-pass decoder's speed. High-resolution features are left out (zero) unless they are given or made of the
student's own maps, the image's constant `no_memory_embedding` always; one mask per prompt is returned, never one of three.
"""

from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import Sam2MaskDecoderConfig, Sam2PromptEncoderConfig
from transformers.models.sam2.modeling_sam2 import Sam2MaskDecoder, Sam2PromptEncoder

from agglo.core.errors import ConfigError, FeatureMismatch
from agglo.core.shapes import StudentFeatures

OUTSIDE, INSIDE, TOP_LEFT, BOTTOM_RIGHT = 0, 1, 2, 3
"""What a point of a prompt says, in SAM2's numbers: where the object is not, where it is, and the corners of a box around it."""


class PromptAnswer(NamedTuple):
    """What is said of each prompt.

    Attributes:
        masks: logits, at a quarter of the embedding's stride.
        quality: how good the mask is thought to be: its intersection over union with the truth, in [0, 1].
        presence: logit of there being an object at all where the prompt points.
    """

    masks: Float[Tensor, "prompts h w"]
    quality: Float[Tensor, " prompts"]
    presence: Float[Tensor, " prompts"]


@final
class PromptDecoder(nn.Module):
    """Masks for boxes or points, at a quarter of the embedding's stride.

    Attributes:
        image_size: side in pixels of the square image that prompts refer to.
        grid: rows and columns of the embedding it reads.
    """

    def __init__(
        self,
        *,
        embed_dim: int = 256,
        image_size: int = 1024,
        patch_size: int = 16,
        depth: int = 2,
        mlp_dim: int = 2048,
        high_res_dims: tuple[int, int] | None = None,
    ) -> None:
        """Build with random weights from torch's global generator; the defaults are SAM2's.

        Args:
            embed_dim: channels of the embedding, a multiple of 16.
            image_size: side in pixels of the square image that prompts refer to.
            patch_size: pixels per cell of the embedding.
            depth: two-way layers.
            mlp_dim: hidden width of the tokens' MLP.
            high_res_dims: channels of a student's own maps of strides 8 and 4, to let them take the place of SAM2's high-resolution
                features in `answer`; None leaves those out.

        Raises:
            ConfigError: if `patch_size` does not divide `image_size`, or `embed_dim` is no multiple of 16.
        """
        super().__init__()
        if image_size % patch_size or embed_dim % 16:
            raise ConfigError(
                f"prompt decoder: patch_size must divide image_size and 16 must divide embed_dim, got {patch_size}, "
                f"{image_size} and {embed_dim}."
            )
        self.image_size = image_size
        self.grid = (image_size // patch_size, image_size // patch_size)
        prompt_config = Sam2PromptEncoderConfig(
            hidden_size=embed_dim, image_size=image_size, patch_size=patch_size
        )
        decoder_config = Sam2MaskDecoderConfig(
            hidden_size=embed_dim,
            num_hidden_layers=depth,
            mlp_dim=mlp_dim,
            iou_head_hidden_dim=embed_dim,
            dynamic_multimask_via_stability=False,
        )
        decoder_config._attn_implementation = "sdpa"
        self.prompt_encoder = Sam2PromptEncoder(prompt_config)
        self.mask_decoder = Sam2MaskDecoder(decoder_config)
        self.has_own_maps = high_res_dims is not None
        if high_res_dims is not None:
            self.mask_decoder.conv_s1 = nn.Conv2d(high_res_dims[0], embed_dim // 4, kernel_size=1)
            self.mask_decoder.conv_s0 = nn.Conv2d(high_res_dims[1], embed_dim // 8, kernel_size=1)
        else:  # SAM2's own projections of what is left out here: nothing could be learned
            self.mask_decoder.conv_s1.requires_grad_(False)
            self.mask_decoder.conv_s0.requires_grad_(False)

    def answer(
        self,
        features: StudentFeatures,
        points: Float[Tensor, "prompts points 2"],
        labels: Int[Tensor, "prompts points"],
        masks: Float[Tensor, "prompts h4 w4"] | None = None,
    ) -> PromptAnswer:
        """Return one answer per row of `points`.

        Args:
            features: of as many images as there are prompts, or of one that all prompts are about.
            points: x, y in continuous pixels of the square image: pixel `i` covers `[i, i + 1)`.
            labels: what each point says: `INSIDE`, `OUTSIDE`, or a box's `TOP_LEFT` and `BOTTOM_RIGHT`.
            masks: logits of an earlier answer to the same prompts, to be made better.
        """
        given = None if masks is None else masks.unsqueeze(1)
        sparse, dense = self.prompt_encoder(
            input_points=(points - 0.5).unsqueeze(1),  # to which SAM2 adds the half pixel again
            input_labels=labels.unsqueeze(1),
            input_boxes=None,
            input_masks=given,
        )
        fine = self._own_maps(features) if self.has_own_maps else None
        embedding, *maps = (
            part.expand(len(points), -1, -1, -1) for part in (features.embedding, *(fine or ()))
        )
        found = self._decoded(embedding, sparse, dense, (maps[0], maps[1]) if maps else None)
        return PromptAnswer(found[0][:, 0, 0], found[1][:, 0, 0], found[3][:, 0, 0])

    def _own_maps(self, features: StudentFeatures) -> tuple[Tensor, Tensor]:
        """Return a student's maps of strides 4 and 8 as SAM2's high-resolution features, which lie on grids twice as fine.

        They are narrowed first and resampled then, which is the same and cheaper.
        """
        narrowed = self.mask_decoder.conv_s0(features.stride4), self.mask_decoder.conv_s1(features.stride8)
        fine, coarse = (F.interpolate(each, scale_factor=2.0, mode="bilinear") for each in narrowed)
        return fine, coarse

    def forward(
        self,
        embedding: Float[Tensor, "batch embed h w"],
        boxes: Float[Tensor, "batch prompts 4"],
        fine: tuple[Tensor, Tensor] | None = None,
    ) -> Float[Tensor, "batch prompts 4*h 4*w"]:
        """Return one logit map per box.

        Args:
            embedding: of an image of `image_size` px.
            boxes: left, top, right, bottom in pixels of that image; at least one per image.
            fine: high-resolution features `[batch, embed / 8, 4h, 4w]` and `[batch, embed / 4, 2h, 2w]`.
        """
        sparse, dense = self.prompt_encoder(
            input_points=None, input_labels=None, input_boxes=boxes, input_masks=None
        )
        return self._decode(embedding, sparse, dense, fine)

    def decode_points(
        self,
        embedding: Float[Tensor, "batch embed h w"],
        points: Float[Tensor, "batch prompts points 2"],
        labels: Int[Tensor, "batch prompts points"],
    ) -> Float[Tensor, "batch prompts 4*h 4*w"]:
        """Return one logit map per set of points.

        Args:
            embedding: of an image of `image_size` px.
            points: x, y in pixels of that image.
            labels: 1 inside the object, 0 outside, -1 for no point.
        """
        sparse, dense = self.prompt_encoder(
            input_points=points, input_labels=labels, input_boxes=None, input_masks=None
        )
        return self._decode(embedding, sparse, dense)

    def _decode(
        self,
        embedding: Float[Tensor, "batch embed h w"],
        sparse: Float[Tensor, "batch prompts tokens embed"],
        dense: Float[Tensor, "batch embed gridrows gridcols"],
        fine: tuple[Tensor, Tensor] | None = None,
    ) -> Float[Tensor, "batch prompts 4*h 4*w"]:
        return self._decoded(embedding, sparse, dense, fine)[0].squeeze(2)

    def _decoded(
        self,
        embedding: Float[Tensor, "batch embed h w"],
        sparse: Float[Tensor, "batch prompts tokens embed"],
        dense: Float[Tensor, "batch embed gridrows gridcols"],
        fine: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what SAM2's mask decoder does: masks, their quality, tokens, the object score."""
        batch, _, rows, cols = embedding.shape
        if (rows, cols) != self.grid:
            raise FeatureMismatch(
                f"prompt decoder for {self.image_size} px images needs an embedding of {self.grid[0]} x {self.grid[1]} cells, "
                f"got {rows} x {cols}; build it with the image's size and the encoder's stride."
            )
        absent = embedding.new_zeros(batch, 1, 1, 1)
        found: tuple[Tensor, Tensor, Tensor, Tensor] = self.mask_decoder(
            image_embeddings=embedding,
            image_positional_embeddings=self._cell_positions().to(embedding.dtype).repeat(batch, 1, 1, 1),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
            high_resolution_features=[absent, absent] if fine is None else list(fine),
        )
        return found

    def _cell_positions(self) -> Float[Tensor, "1 embed gridrows gridcols"]:
        """Return the encoding of the centres of the embedding's cells, by the prompts' own encoder."""
        rows, cols = self.grid
        device = self.prompt_encoder.no_mask_embed.weight.device
        down = (torch.arange(rows, device=device) + 0.5) / rows
        across = (torch.arange(cols, device=device) + 0.5) / cols
        centres = torch.stack(torch.meshgrid(down, across, indexing="ij")[::-1], dim=-1)
        return self.prompt_encoder.shared_embedding(centres).permute(2, 0, 1).unsqueeze(0)
