"""Moments: what a block keeps, merged, is what all tokens together would give."""

import numpy as np
import pytest

from agglo.core.seeds import generator
from agglo.features.moments import Moments, reduce_in_order


def test_merged_blocks_equal_the_whole() -> None:
    tokens = generator(0, "tokens").standard_normal((101, 5)).astype(np.float32) * 3 + 7
    parts = [Moments.of(tokens[start:stop]) for start, stop in ((0, 40), (40, 40), (40, 41), (41, 101))]
    merged = reduce_in_order(parts, 5)
    assert merged.count == 101
    np.testing.assert_allclose(merged.mean, tokens.astype(np.float64).mean(0), rtol=1e-12)
    np.testing.assert_allclose(merged.covariance, np.cov(tokens.astype(np.float64).T), rtol=1e-10)


def test_moments_come_back_from_disk_bit_for_bit(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "moments.npz"
    moments = Moments.of(generator(1).standard_normal((9, 4)).astype(np.float32))
    moments.save(path)
    loaded = Moments.load(path)
    assert loaded.count == moments.count
    assert (loaded.mean == moments.mean).all()
    assert (loaded.scatter == moments.scatter).all()


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_tokens_have_no_covariance(count: int) -> None:
    assert (Moments.of(np.ones((count, 3), np.float32)).covariance == 0).all()
