"""From grey images in [0, 1] to a teacher's input."""

import pytest
import torch

from agglo.teachers import CATALOGUE, preprocess


def test_as_is_repeats_grey_and_normalises_each_channel():
    entry = CATALOGUE["medsam2"]
    images = preprocess(entry, torch.full((2, 4, 4), 0.6))
    assert images.shape == (2, 3, 4, 4)
    for channel, (mean, deviation) in enumerate(zip(entry.mean, entry.std, strict=True)):
        torch.testing.assert_close(images[:, channel], torch.full((2, 4, 4), (0.6 - mean) / deviation))


def test_minmax_stretches_each_image_by_itself():
    entry = CATALOGUE["rad-dino"]
    dark = torch.linspace(0.1, 0.2, 16).reshape(1, 4, 4)
    bright = torch.linspace(0.3, 0.9, 16).reshape(1, 4, 4)
    images = preprocess(entry, torch.cat([dark, bright]))
    torch.testing.assert_close(images[0], images[1])
    assert images.amin().item() == pytest.approx((0 - 0.5307) / 0.2583, rel=1e-5)
    assert images.amax().item() == pytest.approx((1 - 0.5307) / 0.2583, rel=1e-5)


def test_minmax_of_a_constant_image_is_finite():
    entry = CATALOGUE["rad-dino"]
    images = preprocess(entry, torch.full((1, 4, 4), 0.7))
    torch.testing.assert_close(images, torch.full((1, 3, 4, 4), (0 - 0.5307) / 0.2583))
