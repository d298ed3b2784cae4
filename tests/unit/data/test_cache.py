"""The bounded memory of arrays."""

import pickle

import numpy as np
import pytest

from agglo.data.cache import ArrayCache


def _make(calls: list[int], number: int) -> np.ndarray:
    calls.append(number)
    return np.full(100, number, np.uint8)


def test_what_was_used_last_stays() -> None:
    cache, calls = ArrayCache(250), []
    for number in (1, 2, 1, 3, 1, 2):  # 3 drives out 2, which is then made again
        assert cache.get(number, lambda number=number: _make(calls, number))[0] == number
    assert calls == [1, 2, 3, 2]
    assert cache.held_bytes == 200


def test_what_is_too_large_is_given_but_not_held() -> None:
    cache, calls = ArrayCache(50), []
    for _ in range(2):
        cache.get(0, lambda: _make(calls, 7))
    assert calls == [7, 7]
    assert cache.held_bytes == 0


def test_arrays_are_read_only() -> None:
    array = ArrayCache(1000).get(0, lambda: np.zeros(3))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_a_pickled_cache_starts_empty() -> None:
    cache = ArrayCache(1000)
    cache.get(0, lambda: np.zeros(3))
    copy = pickle.loads(pickle.dumps(cache))
    assert (copy.limit_bytes, copy.held_bytes) == (1000, 0)
    assert copy.get(0, lambda: np.ones(3))[0] == 1
