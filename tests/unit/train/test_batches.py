"""Batches prepared one ahead are the same batches, in the same order; what goes wrong in the thread is raised here."""

import threading
from collections.abc import Iterator

import pytest

from agglo.train.batches import one_ahead


def test_the_same_batches_in_the_same_order() -> None:
    assert list(one_ahead(iter([[number] for number in range(7)]))) == [[number] for number in range(7)]


def test_no_batches() -> None:
    assert list(one_ahead(iter([]))) == []


def test_the_next_one_is_prepared_while_this_one_is_used() -> None:
    begun = [threading.Event() for _ in range(3)]

    def source() -> Iterator[int]:
        for number, event in enumerate(begun):
            event.set()
            yield number

    batches = one_ahead(source())
    assert next(batches) == 0
    assert begun[1].wait(timeout=30), "batch 1 must be under way while batch 0 is used"
    assert not begun[2].is_set(), "no further ahead than one"


def test_an_error_comes_after_the_batches_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    batches = one_ahead(source())
    assert next(batches) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(batches)


def test_no_thread_is_left_behind_when_stopped_early() -> None:
    batches = one_ahead(iter(range(100)))
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]
