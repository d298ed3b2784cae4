"""Moments: what a block keeps, merged, is what all tokens together would give."""

from pathlib import Path

import numpy as np
import pytest

from agglo.core.seeds import generator
from agglo.features.moments import Moments, reduce_in_order


def test_merged_blocks_equal_the_whole() -> None:
    tokens = generator(0, "tokens").standard_normal((101, 5)).astype(np.float32) * 3 + 7
    parts = [Moments.of(tokens[start:stop]) for start, stop in ((0, 40), (40, 40), (40, 41), (41, 101))]
    merged = reduce_in_order(parts, 5)
    assert merged.count == 101
    np.testing.assert_allclose(merged.mean, tokens.astype(np.float64).mean(0), rtol=1e-7)
    np.testing.assert_allclose(merged.covariance, np.cov(tokens.astype(np.float64).T), atol=1e-6 * 9)


def test_moments_come_back_from_disk_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "moments.npz"
    moments = Moments.of(generator(1).standard_normal((9, 4)).astype(np.float32))
    moments.save(path)
    loaded = Moments.load(path)
    assert loaded.count == moments.count
    assert (loaded.mean == moments.mean).all()
    assert (loaded.scatter == moments.scatter).all()


def test_the_whole_matrix_of_older_files_is_read(tmp_path: Path) -> None:
    moments = Moments.of(generator(1).standard_normal((9, 4)).astype(np.float32))
    path = tmp_path / "old.npz"
    np.savez(path, count=np.int64(9), mean=moments.mean, scatter=moments.scatter)
    assert (Moments.load(path).scatter == moments.scatter).all()


ACCURACY = {  # name: (tokens, dim, mean, largest over smallest deviation)
    "one piece": (3000, 16, 0.0, 1.0),
    "several pieces": (20_000, 24, 3.0, 100.0),
    "a mean far from 0": (9000, 24, 1000.0, 10.0),
}


@pytest.mark.parametrize(("count", "dim", "mean", "spread"), ACCURACY.values(), ids=ACCURACY)
def test_float32_products_are_as_good_as_float64(count: int, dim: int, mean: float, spread: float) -> None:
    deviations = np.geomspace(1, spread, dim)
    tokens = (generator(2).standard_normal((count, dim)) * deviations + mean).astype(np.float32)
    moments, exact = Moments.of(tokens), tokens.astype(np.float64)
    np.testing.assert_allclose(moments.mean, exact.mean(0), rtol=1e-6, atol=1e-6)
    scale = np.outer(deviations, deviations)
    np.testing.assert_allclose(moments.covariance / scale, np.cov(exact.T) / scale, atol=1e-5)
    assert (moments.scatter == moments.scatter.T).all()


def test_the_same_tokens_cut_otherwise_give_nearly_the_same(tmp_path: Path) -> None:
    tokens = generator(5).standard_normal((10_000, 8)).astype(np.float32)
    whole = Moments.of(tokens)
    for cut in (1, 4096, 5000):
        parts = reduce_in_order([Moments.of(tokens[:cut]), Moments.of(tokens[cut:])], 8)
        np.testing.assert_allclose(parts.covariance, whole.covariance, atol=1e-6)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_tokens_have_no_covariance(count: int) -> None:
    assert (Moments.of(np.ones((count, 3), np.float32)).covariance == 0).all()
