"""What a stage gives to the loop: modules, and one loss per batch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from torch import Tensor, nn


class Outcome(NamedTuple):
    """What one step gives.

    Attributes:
        total: scalar to minimise.
        scalars: detached figures for the log; `a/b/c` becomes nested objects there.
        on_demand: figures for the log that cost something, so that they are made at logged steps only, by calling them.
    """

    total: Tensor
    scalars: dict[str, Tensor]
    on_demand: Mapping[str, Callable[[], Tensor]] = MappingProxyType({})


class Task(nn.Module, ABC):
    """Abstract: holds everything that is trained, and says how good it is on a batch."""

    @abstractmethod
    def forward(self, batch: Any, step: int) -> Outcome:
        """Return the loss of `batch` at `step`; must be a pure function of weights, batch and torch's seeded generator."""

    def learning_rate_scales(self) -> Mapping[str, float]:
        """Return factors on the learning rate by prefix of parameter name; the longest prefix that fits wins, else 1."""
        return {}

    def undecayed(self) -> tuple[str, ...]:
        """Return prefixes of parameter names that get no weight decay, besides all 1-D parameters."""
        return ()
