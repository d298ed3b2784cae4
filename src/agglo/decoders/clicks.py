"""Where the next click falls: in the picture, and where a mask is wrong, as in SAM and EdgeSAM (arXiv 2312.06660, section 3.3).

What chance has a say in comes as numbers in [0, 1), so that a click is a pure function of masks and numbers.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Cells = Float[Tensor, "batch h w"]
Centres = Float[Tensor, "batch 2"]
Draws = Float[Tensor, " batch"]


def correction(
    logits: Cells, truth: Cells, inside: Cells, draws: Draws
) -> tuple[Centres, Int[Tensor, " batch"]]:
    """Return a click where a mask is wrong, in cells (x, y of a cell's centre), and what it says: 1 inside of the object, else 0.

    Cells that are mostly padding are never wrong. Where nothing is, the click is anywhere in the picture, and says what is true
    there. `draws` choose among the cells.
    """
    is_there = truth >= 0.5
    in_picture = inside >= 0.5
    wrong = ((logits > 0) != is_there) & in_picture
    place = _place(torch.where(wrong.flatten(1).any(dim=1)[:, None, None], wrong, in_picture), draws)
    return _centre(place, truth.shape[-1]), is_there.flatten(1).gather(1, place).squeeze(1).long()


def anywhere(inside: Cells, draws: Draws) -> Centres:
    """Return a click in the picture, in cells: not on those that are mostly padding; `draws` choose."""
    return _centre(_place(inside >= 0.5, draws), inside.shape[-1])


def _place(pool: Bool[Tensor, "batch h w"], draws: Draws) -> Int[Tensor, "batch 1"]:
    """Return the running number of one cell of each pool; of an empty one, any."""
    counted = pool.flatten(1).cumsum(dim=1)
    rank = (draws * counted[:, -1]).floor() + 1
    place = torch.searchsorted(counted, rank.to(counted.dtype)[:, None])
    return place.clamp_max(counted.shape[1] - 1)


def _centre(place: Int[Tensor, "batch 1"], cols: int) -> Centres:
    return torch.cat([place % cols, place // cols], dim=1) + 0.5
