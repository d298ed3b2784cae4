"""Extraction takes no more memory for more views: ten times as many, and pixels and features would have needed hundreds of MB."""

import pytest

from agglo.bench import bench
from agglo.bench.memory import bench_memory
from agglo.core.errors import ConfigError


@pytest.mark.slow
def test_memory_is_flat() -> None:
    found = bench_memory(counts=(1_000, 10_000))
    assert found["greatest_over_least"] < 1.15


def test_views_are_for_extraction() -> None:
    with pytest.raises(ConfigError, match="`--views` is for `agglo bench extract`, got it with 'store'"):
        bench("store", rounds=1, views=(10,))
