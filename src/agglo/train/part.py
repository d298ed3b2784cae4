"""What of a step's batch a forward pass is about, where a batch is shared out over processes and cut into parts.

What is drawn by chance for a batch or for an image must not depend on that: torch's own generator is each process's own (dropout),
and what is drawn here is the same whoever holds the image.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from agglo.core.share import Share


@dataclass(frozen=True)
class Part:
    """Some samples of a step's batch.

    Attributes:
        places: in the whole batch, of this process's samples.
        batch_size: samples of the whole batch.
        number: of the part, from 0, and of all processes' samples in it, `num_samples`.
        seed: of what all processes and parts of the step draw alike.
    """

    places: tuple[int, ...]
    batch_size: int
    number: int
    num_samples: int
    seed: int

    @property
    def of_batch(self) -> float:
        """The share of the whole batch that this process's samples are."""
        return len(self.places) / self.batch_size


def places_of(share: Share, batch_size: int, *, parts: int) -> list[tuple[int, ...]]:
    """Return the places of a process's samples, part by part: as many in each as can be, the first ones one more."""
    own = range(share.rank, batch_size, share.world)
    size, more = divmod(len(own), parts)
    ends = [0]
    for number in range(parts):
        ends.append(ends[-1] + size + (number < more))
    return [tuple(own[first:end]) for first, end in pairwise(ends)]


def parts_of(share: Share, batch_size: int, *, parts: int, seed: int) -> list[Part]:
    """Return the parts of a batch, as far as they are this process's."""
    everyone = [places_of(Share(rank, share.world), batch_size, parts=parts) for rank in range(share.world)]
    return [
        Part(own, batch_size, number, sum(len(places[number]) for places in everyone), seed)
        for number, own in enumerate(everyone[share.rank])
    ]


def cut(batch: Any, parts: Sequence[Part]) -> list[Any]:
    """Return a collated batch (tensors in dicts) in as many pieces as there are parts; of one part, as it is."""
    if len(parts) == 1:
        return [batch]
    if isinstance(batch, Tensor):
        return list(torch.split(batch, [len(part.places) for part in parts]))
    pieces = {name: cut(value, parts) for name, value in batch.items()}
    return [{name: piece[number] for name, piece in pieces.items()} for number in range(len(parts))]


_under_way: ContextVar[Part | None] = ContextVar("part", default=None)


@contextmanager
def under_way(part: Part) -> Iterator[None]:
    """Let what is computed in the body know of what part it is."""
    token = _under_way.set(part)
    try:
        yield
    finally:
        _under_way.reset(token)


def current_part() -> Part | None:
    """Return the part that is computed on; None outside of a training."""
    return _under_way.get()


def normals_of_batch(count: int, device: torch.device) -> Float[Tensor, " count"]:
    """Draw standard normals for the whole batch; outside of a training, from torch's own generator."""
    part = current_part()
    if part is None:
        return torch.randn(count, device=device)
    return torch.randn(count, generator=_generator(part)).to(device, non_blocking=True)


def uniforms_of_images(images: int, count: int, device: torch.device) -> Float[Tensor, "images count"]:
    """Draw numbers in [0, 1) for each image; outside of a training, from torch's own generator."""
    part = current_part()
    if part is None:
        return torch.rand(images, count, device=device)
    drawn = torch.rand(part.batch_size, count, generator=_generator(part))
    return drawn[list(part.places)].to(device, non_blocking=True)


def _generator(part: Part) -> torch.Generator:
    return torch.Generator().manual_seed(part.seed)
