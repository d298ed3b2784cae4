"""Principal components as stable pictures; effective rank; centred cosine."""

import numpy as np
import pytest

from agglo.core.seeds import generator
from agglo.evaluate.projections import centred_cosine, effective_rank, principal_components, shared_pca

RANDOM = generator("test", "projections")
MAPS = RANDOM.normal(size=(2, 16, 6, 8)) * np.linspace(4, 0.1, 16)[None, :, None, None]


def test_pictures_have_the_maps_grid_and_fill_the_range():
    pictures = shared_pca({"student": MAPS, "small": MAPS[:, :, ::2, ::2]})
    assert pictures["student"].shape == (2, 6, 8, 3)
    assert pictures["small"].shape == (2, 3, 4, 3)
    assert pictures["student"].min() == 0
    assert pictures["student"].max() == 255


def test_pictures_do_not_flip_when_channels_do():
    order = RANDOM.permutation(16)
    flipped = MAPS[:, order] * np.where(np.arange(16) % 2, 1.0, -1.0)[None, :, None, None] + 3.0
    first, second = shared_pca({"a": MAPS, "b": flipped}).values()
    assert np.abs(first.astype(int) - second.astype(int)).max() <= 1


@pytest.mark.parametrize(
    "maps", [np.full((1, 5, 4, 4), 2.0), np.zeros((1, 1, 4, 4))], ids=["constant", "one channel"]
)
def test_without_variance_the_picture_is_mid_grey(maps):
    assert np.unique(shared_pca({"x": maps})["x"]).tolist() == [128]


def test_components_are_those_of_svd():
    tokens = MAPS.transpose(0, 2, 3, 1).reshape(-1, 16)
    left, singular, _ = np.linalg.svd(tokens - tokens.mean(0), full_matrices=False)
    found = principal_components(tokens, 3)
    assert np.abs(found) == pytest.approx(np.abs(left[:, :3] * singular[:3]))


RANK_CASES = {  # name: (tokens, expected)
    "constant": (np.ones((20, 4)), 0.0),
    "one direction": (np.outer(np.arange(20.0), np.ones(4)), 1.0),
    "four equal directions": (np.vstack([np.eye(4), -np.eye(4)]), 4.0),
}


@pytest.mark.parametrize(("tokens", "expected"), RANK_CASES.values(), ids=RANK_CASES)
def test_effective_rank(tokens, expected):
    assert effective_rank(tokens) == pytest.approx(expected, abs=1e-4)


def test_centred_cosine_is_blind_to_a_shared_constant():
    tokens = RANDOM.normal(size=(50, 8))
    assert centred_cosine(tokens, 2 * tokens + 100.0) == pytest.approx(1.0)
    assert centred_cosine(tokens, -tokens) == pytest.approx(-1.0)
    others = centred_cosine(tokens + 100.0, RANDOM.normal(size=(50, 8)) + 100.0)
    assert abs(others.mean()) < 0.2
