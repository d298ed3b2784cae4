"""The U-Net: any size that halves, logits at the input's size, the same objective as every other arm, and it learns."""

import pytest
import torch

from agglo.ablate.unet import UNet, UNetTask


@pytest.mark.parametrize("size_px", [64, 128])
def test_logits_have_the_size_of_the_input(size_px: int) -> None:
    net = UNet(num_structures=3, size_px=size_px, width=4)
    assert net(torch.rand(2, 1, size_px, size_px)).shape == (2, 3, size_px, size_px)
    assert size_px // 2 ** len(net.down) == 8


def test_it_learns_and_what_is_not_known_has_no_influence() -> None:
    torch.manual_seed(0)
    task = UNetTask(UNet(num_structures=2, size_px=32, width=8), dice_weight=1.0)
    grey = 0.2 * torch.rand(2, 32, 32)
    grey[:, 8:24, 4:20] += 0.6
    coverage = torch.stack([grey > 0.5, grey <= 0.5], dim=1).float()
    known, inside = torch.tensor([[True, False]] * 2), torch.ones(2, 32, 32)
    batch = {"grey": grey, "coverage": coverage, "inside": inside, "known": known}
    other = {**batch, "coverage": torch.stack([coverage[:, 0], 1 - coverage[:, 1]], dim=1)}
    assert torch.equal(task(batch, 0).total, task(other, 0).total)
    optimizer = torch.optim.Adam(task.parameters(), 1e-2)
    first = float(task(batch, 0).total.detach())
    for step in range(60):
        optimizer.zero_grad()
        task(batch, step).total.backward()
        optimizer.step()
    assert float(task(batch, 0).total.detach()) < 0.3 * first


def test_what_it_says_of_padding_has_no_influence() -> None:
    torch.manual_seed(0)
    task = UNetTask(UNet(num_structures=1, size_px=16, width=4), dice_weight=1.0).eval()
    inside = torch.ones(1, 16, 16)
    inside[:, :, :5] = 0
    coverage = (torch.rand(1, 1, 16, 16) > 0.5).float()
    batch = {
        "grey": torch.rand(1, 16, 16),
        "coverage": coverage,
        "inside": inside,
        "known": torch.ones(1, 1) > 0,
    }
    other = {**batch, "coverage": coverage.clone()}
    other["coverage"][..., :5] = 1 - coverage[..., :5]
    assert torch.equal(task(batch, 0).total, task(other, 0).total)
    other["coverage"][..., 5:] = 1 - coverage[..., 5:]
    assert not torch.equal(task(batch, 0).total, task(other, 0).total)


def test_brightness_and_contrast_of_a_picture_do_not_matter() -> None:
    torch.manual_seed(0)
    task = UNetTask(UNet(num_structures=1, size_px=16, width=4), dice_weight=1.0).eval()
    grey = torch.rand(1, 16, 16)
    plain, changed = (task.logits(each, is_tuned=False).masks for each in (grey, 0.3 * grey + 0.2))
    assert torch.allclose(plain, changed, atol=1e-4)
