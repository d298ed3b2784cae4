"""Batches as a pure function of (seed, step): sample i of step s is the same whoever asks, in whatever order.

A `SampleSource` turns a position (a running number over all epochs) into one sample; here positions are dealt out to steps and
processes and collated. No worker holds random state, so a resumed run sees exactly what it would have seen.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import torch
from torch.utils.data import DataLoader, Dataset

from agglo.core.errors import ConfigError
from agglo.core.seeds import epoch_order
from agglo.core.share import Share


@runtime_checkable
class SampleSource(Protocol):
    """Samples by index; `turn` is how often the index has been visited before (the epoch)."""

    def __len__(self) -> int: ...

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        """Return a dict of tensors and numbers, a pure function of `(index, turn)`."""
        ...


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> list[int]:
    return [int(index) for index in epoch_order(seed, epoch, count)]


class _Positions(Dataset[dict[str, Any]]):
    def __init__(self, source: SampleSource, seed: int) -> None:
        self.source, self.seed = source, seed

    def __getitem__(self, position: int) -> dict[str, Any]:
        turn, place = divmod(position, len(self.source))
        return self.source.sample(_order(self.seed, turn, len(self.source))[place], turn)


class _Steps:
    """Positions of this process for every step."""

    def __init__(self, steps: range, batch_size: int, share: Share) -> None:
        self.steps, self.batch_size, self.share = steps, batch_size, share

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[int]]:
        for step in self.steps:
            first = step * self.batch_size
            yield list(range(first + self.share.rank, first + self.batch_size, self.share.world))


def make_batches(
    source: SampleSource,
    *,
    seed: int,
    batch_size: int,
    steps: range,
    share: Share | None = None,
    workers: int = 0,
) -> Iterator[Any]:
    """Yield one collated batch per step of `steps`; a process gets its `share` of it, some one sample more than others.

    Raises:
        ValueError: the source is empty.
    """
    if len(source) == 0:
        raise ValueError("a training needs at least one sample; the source is empty")
    share = share or Share()
    loader = DataLoader(
        _Positions(source, seed),
        batch_sampler=_Steps(steps, batch_size, share),
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
    )
    return iter(loader)


def require_samples_for_all(batch_size: int, share: Share, *, parts: int) -> None:
    """Look whether every process has a sample in every part of a batch.

    Raises:
        ConfigError: one has none.
    """
    if batch_size < share.world * parts:
        raise ConfigError(
            f"`batch_size` is that of all processes and parts together, so that it must be at least processes x `accumulate` "
            f"({share.world} x {parts}), got {batch_size}; start fewer processes, or lower `accumulate`"
        )


def one_ahead(batches: Iterator[Any]) -> Iterator[Any]:
    """Yield the same batches in the same order, each prepared by a thread while the one before it is being used.

    On a CPU the forward pass spends its time outside of Python, so reading and rendering fit beside it; on a GPU they would
    otherwise make it wait. Closing the iterator early waits for the batch under way.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as thread:
        coming = thread.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, batches, None)
            yield batch
