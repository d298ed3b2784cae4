"""Our Dice, HD95 and NSD against MONAI's, and pooled HD95 against a reference written out by hand."""

import numpy as np
import pytest
from scipy.ndimage import binary_erosion, gaussian_filter

from agglo.evaluate import metrics

monai = pytest.importorskip("monai.metrics")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*always_return_as_numpy.*:FutureWarning"
)  # MONAI 1.6 warns of itself


def blobs(seed: int, size: int = 96) -> np.ndarray:
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(size, size)), 6)
    return noise > np.quantile(noise, 0.8)


PAIRS = {
    "blobs": (blobs(1), blobs(2)),
    "nearly the same": (blobs(3), np.roll(blobs(3), 2, axis=1)),
    "touching the edge": (blobs(4), ~blobs(5)),
    "a pixel": (blobs(6), np.eye(96, dtype=bool) & (np.arange(96) == 40)),
}
SPACINGS = [(1.0, 1.0), (0.4, 0.7)]


def as_batch(mask: np.ndarray) -> "torch.Tensor":
    return torch.from_numpy(mask)[None, None].float()


@pytest.mark.parametrize(("predicted", "reference"), PAIRS.values(), ids=PAIRS)
def test_dice(predicted, reference):
    expected = monai.compute_dice(as_batch(predicted), as_batch(reference)).item()
    assert metrics.dice(predicted, reference) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize(("predicted", "reference"), PAIRS.values(), ids=PAIRS)
def test_hd95_max(predicted, reference, spacing):
    expected = monai.compute_hausdorff_distance(
        as_batch(predicted), as_batch(reference), percentile=95, spacing=spacing
    ).item()
    assert metrics.hd95(predicted, reference, spacing=spacing, mode="max") == pytest.approx(
        expected, rel=1e-5
    )


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize(("predicted", "reference"), PAIRS.values(), ids=PAIRS)
def test_nsd(predicted, reference, spacing):
    expected = monai.compute_surface_dice(
        as_batch(predicted),
        as_batch(reference),
        class_thresholds=[2.05],
        include_background=True,
        spacing=spacing,
    ).item()
    found = metrics.nsd(predicted, reference, tolerance_mm=2.05, spacing=spacing)
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize(("predicted", "reference"), PAIRS.values(), ids=PAIRS)
def test_hd95_pooled_against_all_pairs_of_border_pixels(predicted, reference, spacing):
    borders = [
        np.argwhere(mask & ~binary_erosion(mask, border_value=0)) * np.array(spacing)
        for mask in (predicted, reference)
    ]
    distances = np.sqrt(((borders[0][:, None] - borders[1][None]) ** 2).sum(-1))
    expected = np.percentile(np.concatenate([distances.min(1), distances.min(0)]), 95)
    assert metrics.hd95(predicted, reference, spacing=spacing, mode="pooled") == pytest.approx(expected)
