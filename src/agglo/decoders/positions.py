"""Where a cell is, as a vector: the random Fourier features that SAM and SAM2 give their decoders, for a grid of any size."""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn


@final
class FourierPositions(nn.Module):
    """Sines and cosines of random directions over the unit square; the directions are drawn once and kept as a buffer.

    Source: Tancik et al., arXiv 2006.10739; the same as `Sam2PositionalEmbedding` on cell centres.
    """

    directions: Tensor

    def __init__(self, dim: int) -> None:
        """Draw `dim / 2` directions from torch's global generator."""
        super().__init__()
        self.register_buffer("directions", torch.randn(2, dim // 2))

    def forward(self, rows: int, cols: int) -> Float[Tensor, "1 dim {rows} {cols}"]:
        """Return the encoding of the centres of `rows` x `cols` cells that fill the unit square.

        `sin` and `cos` of a sum are made from those of its terms, so that only rows + cols angles are evaluated.
        """
        directions = self.directions
        down = _angles(rows, directions[1]).unsqueeze(1)
        across = _angles(cols, directions[0]).unsqueeze(0)
        sines = down.sin() * across.cos() + down.cos() * across.sin()
        cosines = down.cos() * across.cos() - down.sin() * across.sin()
        return torch.cat([sines, cosines], dim=-1).permute(2, 0, 1).unsqueeze(0)


def _angles(cells: int, direction: Float[Tensor, " half"]) -> Float[Tensor, "{cells} half"]:
    centres = (torch.arange(cells, device=direction.device, dtype=direction.dtype) + 0.5) / cells
    return 2 * math.pi * (2 * centres - 1).unsqueeze(1) * direction
