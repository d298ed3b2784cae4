"""Figures on the cards: right where the answer is known beforehand."""

import numpy as np
import pytest
import torch

from agglo.lab.measure import (
    effective_rank,
    pixel_maps,
    position_r2,
    probe_r2,
    read_out_answers,
    variance_shares,
)


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


RANK_CASES = {  # name: (maps, effective rank)
    "independent channels": (noise(20, 5, 16, 16), 5.0),
    "copies of one channel": (noise(20, 1, 16, 16).repeat(1, 5, 1, 1), 1.0),
    "constant": (torch.ones(2, 3, 4, 4), 1.0),
}


@pytest.mark.parametrize(("maps", "expected"), RANK_CASES.values(), ids=RANK_CASES)
def test_effective_rank(maps: torch.Tensor, expected: float) -> None:
    assert effective_rank(maps) == pytest.approx(expected, rel=0.01)


SHARE_CASES = {  # name: (maps, share constant per image, share fixed by position)
    "per image": (noise(50, 4, 1, 1).expand(-1, -1, 6, 6), 1.0, 0.0),
    "by position": (noise(1, 4, 6, 6).expand(50, -1, -1, -1), 0.0, 1.0),
    "neither": (noise(50, 4, 7, 7), 1 / 49, 1 / 50),
}


@pytest.mark.parametrize(("maps", "per_image", "by_position"), SHARE_CASES.values(), ids=SHARE_CASES)
def test_variance_shares(maps: torch.Tensor, per_image: float, by_position: float) -> None:
    shares = variance_shares(maps)
    assert shares["per_image"] == pytest.approx(per_image, abs=0.01)
    assert shares["by_position"] == pytest.approx(by_position, abs=0.01)


def test_a_probe_finds_what_is_there_and_nothing_else() -> None:
    masks = np.zeros((8, 3, 32, 32), dtype=bool)
    for index in range(8):
        masks[index, 0, index : index + 8, 4:20] = True
        masks[index, 1, 10:14, 2 * index : 2 * index + 6] = True
    coverage = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(masks.astype(np.float32)), 16)
    maps = torch.cat([2 * coverage[:, :1] + 1, noise(8, 2, 16, 16)], 1)
    found = probe_r2(maps, masks, np.arange(8) % 2 == 0)
    assert found[0] > 0.99
    assert found[1] < 0.2
    assert np.isnan(found[2])


def test_position_alone_knows_what_never_moves_and_nothing_else() -> None:
    masks = np.zeros((8, 2, 32, 32), dtype=bool)
    masks[:, 0, 4:20, 8:30] = True
    for index in range(8):
        masks[index, 1, :, 4 * index : 4 * index + 4] = True
    found = position_r2(masks, np.arange(8) % 2 == 0)
    assert found[0] == pytest.approx(1.0)
    assert found[1] < 0.0


def test_answers_are_read_out_where_they_are_and_only_there() -> None:
    is_left = noise(60) > 0.8  # few of them: each answer must weigh the same
    captions = [f"patient facing {'left' if left else 'right'}" for left in is_left]
    is_fitted = np.arange(60) % 2 == 0
    telling = is_left.float()[:, None] + 0.1 * noise(60, 3)
    assert read_out_answers(telling, captions, is_fitted) > 0.95
    assert read_out_answers(torch.ones(60, 2), captions, is_fitted) == pytest.approx(0.5)
    assert np.isnan(read_out_answers(telling, ["all the same"] * 60, is_fitted))


def test_pixel_maps_hold_every_pixel_once() -> None:
    image = np.arange(64 * 64, dtype=np.uint32).reshape(64, 64).astype(np.uint8)
    maps = pixel_maps(image[None], cells=4)
    assert maps.shape == (1, 256, 4, 4)
    assert maps[0, :, 1, 2].reshape(16, 16) == pytest.approx(
        torch.from_numpy(image[16:32, 32:48] / 255.0), abs=1e-5
    )
