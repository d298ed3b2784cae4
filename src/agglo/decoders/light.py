"""The light decoder: a few convolutions from a student's maps to K masks, made to say what the one-pass decoder says.

It has no tokens and no attention, and so no idea of its own of what lies where: it leans on an embedding in which the one-pass
decoder has already found its structures. Made for machines on which that decoder costs more than the student. How it is taught is
elsewhere.
"""

from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from agglo.core.errors import ConfigError
from agglo.core.shapes import StudentFeatures
from agglo.decoders.protocol import RARE_FOREGROUND_LOGIT, USUALLY_THERE_LOGIT, Decoder, StructureLogits

KERNEL = 5
WIDER = 2
"""Channels inside of a block, in widths of the decoder."""


@final
class LightDecoder(Decoder):
    """Logits of K structures at stride 2 by convolutions at strides 8 and 4.

    Attributes:
        num_structures: K.
    """

    def __init__(
        self,
        *,
        num_structures: int,
        embed_dim: int = 256,
        high_res_dims: tuple[int, int] | None = None,
        width: int = 64,
        presence: bool = False,
    ) -> None:
        """Build with random weights from torch's global generator.

        Args:
            num_structures: K, at least 1.
            embed_dim: channels of the embedding.
            high_res_dims: channels of the student's own maps of strides 8 and 4; None leaves them out.
            width: channels in between.
            presence: whether it says of each structure if it is there.

        Raises:
            ConfigError: `num_structures` or `width` is under 1.
        """
        super().__init__()
        if min(num_structures, width) < 1:
            raise ConfigError(
                f"light decoder: num_structures and width must be at least 1, got {num_structures} and {width}."
            )
        self.num_structures = num_structures
        self.narrow = nn.Conv2d(embed_dim, width, kernel_size=1)
        self.lateral8 = None if high_res_dims is None else nn.Conv2d(high_res_dims[0], width, kernel_size=1)
        self.lateral4 = None if high_res_dims is None else nn.Conv2d(high_res_dims[1], width, kernel_size=1)
        self.coarse = nn.Sequential(_Block(width), _Block(width))
        self.fine = _Block(width)
        self.to_masks = nn.Conv2d(width, 4 * num_structures, kernel_size=1)
        nn.init.constant_(self.to_masks.bias, RARE_FOREGROUND_LOGIT)  # type: ignore[arg-type]
        self.tell_presence = nn.Linear(2 * width, num_structures) if presence else None
        if self.tell_presence is not None:
            nn.init.constant_(self.tell_presence.bias, USUALLY_THERE_LOGIT)

    def decode(self, features: StudentFeatures) -> StructureLogits:
        """Return one logit map per structure, and the logit of its being there where the decoder tells."""
        cells = self.narrow(features.embedding)
        if self.lateral8 is not None:
            cells = cells + self.lateral8(features.stride8)
        cells = self.coarse(cells)
        finer = F.interpolate(cells, scale_factor=2.0, mode="bilinear")
        if self.lateral4 is not None:
            finer = finer + self.lateral4(features.stride4)
        masks = F.pixel_shuffle(self.to_masks(self.fine(finer)), 2)
        return StructureLogits(masks, self._presence(cells))

    def _presence(self, cells: Float[Tensor, "batch width h w"]) -> Float[Tensor, "batch structures"] | None:
        """Return the logits of presence, from what the cells show on the whole and at their strongest."""
        if self.tell_presence is None:
            return None
        whole = torch.cat([cells.mean(dim=(2, 3)), cells.amax(dim=(2, 3))], dim=1)
        logits: Tensor = self.tell_presence(whole)
        return logits


@final
class _Block(nn.Module):
    """A residual block: neighbours channel by channel, then channels cell by cell."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.neighbours = nn.Conv2d(width, width, KERNEL, padding=KERNEL // 2, groups=width)
        self.norm = nn.GroupNorm(1, width)
        self.widen = nn.Conv2d(width, WIDER * width, kernel_size=1)
        self.narrow = nn.Conv2d(WIDER * width, width, kernel_size=1)

    def forward(self, cells: Float[Tensor, "batch width h w"]) -> Float[Tensor, "batch width h w"]:
        mixed: Tensor = self.narrow(F.gelu(self.widen(self.norm(self.neighbours(cells)))))
        return cells + mixed
