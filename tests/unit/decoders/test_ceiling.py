"""The best Dice a grid allows."""

import pytest
import torch

from agglo.decoders import ceiling_dice


def mask(rows, cols, top, bottom, left, right):
    full = torch.zeros(rows, cols, dtype=torch.bool)
    full[top:bottom, left:right] = True
    return full


CASES = {  # name: (mask, stride, expected)
    "every pixel": (mask(16, 16, 3, 9, 2, 5), 1, 1.0),
    "everything": (mask(16, 16, 0, 16, 0, 16), 8, 1.0),
    "thinner than half a cell": (mask(32, 32, 8, 10, 0, 32), 8, 0.0),
    "sides that are no multiple": (mask(17, 19, 0, 17, 0, 19), 1, 1.0),
}


@pytest.mark.parametrize(("truth", "stride_px", "expected"), CASES.values(), ids=CASES)
def test_known_ceilings(truth, stride_px, expected):
    assert ceiling_dice(truth[None], stride_px=stride_px).item() == pytest.approx(expected)


def test_finer_grids_allow_more():
    rows, cols = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    disc = ((rows - 31) ** 2 + (cols - 30) ** 2 < 12**2)[None]
    scores = [ceiling_dice(disc, stride_px=stride).item() for stride in (2, 4, 8, 16)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.97


def test_empty_masks_give_nan_and_no_structure_gives_none():
    scores = ceiling_dice(torch.stack([mask(8, 8, 0, 0, 0, 0), mask(8, 8, 0, 8, 0, 8)]), stride_px=2)
    assert scores.isnan().tolist() == [True, False]
    assert ceiling_dice(torch.zeros(0, 8, 8, dtype=torch.bool), stride_px=2).shape == (0,)
