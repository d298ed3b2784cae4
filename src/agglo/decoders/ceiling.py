"""How good a decoder's grid allows a mask to be: the truth sent to the grid and back, against itself."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def ceiling_dice(
    masks: Bool[Tensor, "structures rows cols"], *, stride_px: int
) -> Float[Tensor, " structures"]:
    """Return, per structure, the Dice of a mask that went to a grid of `stride_px` and came back.

    Coverage of each cell (mean over its pixels), then bilinear resampling to pixels, then 0.5: what a decoder that were right
    in every cell would score. Empty masks give NaN; rows or cols that are no multiple of the stride are padded with background.

    Args:
        masks: any number of structures; they may overlap.
        stride_px: pixels per cell of the decoder's grid, at least 1.
    """
    rows, cols = masks.shape[-2:]
    padded = F.pad(masks.float(), (0, -cols % stride_px, 0, -rows % stride_px)).unsqueeze(1)
    coverage = F.avg_pool2d(padded, kernel_size=stride_px)
    returned = F.interpolate(coverage, size=padded.shape[-2:], mode="bilinear", align_corners=False)
    returned_masks = returned[:, 0, :rows, :cols] >= 0.5
    overlap = (returned_masks & masks).sum(dim=(1, 2)).float()
    sizes = returned_masks.sum(dim=(1, 2)) + masks.sum(dim=(1, 2))
    dice = 2 * overlap / sizes
    return torch.where(masks.any(dim=2).any(dim=1), dice, torch.full_like(dice, torch.nan))
