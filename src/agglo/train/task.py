"""What a stage gives to the loop: modules, and one loss per batch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from torch import Tensor, nn


class Outcome(NamedTuple):
    """What one step gives.

    Attributes:
        total: scalar to minimise, a mean over the samples: a batch may be shared out over processes and cut into parts.
        scalars: detached figures for the log, means likewise; `a/b/c` becomes nested objects there.
        on_demand: figures for the log that cost something, so that they are made at logged steps only, by calling them; of this
            process's first part of the batch.
    """

    total: Tensor
    scalars: dict[str, Tensor]
    on_demand: Mapping[str, Callable[[], Tensor]] = MappingProxyType({})


class Task(nn.Module, ABC):
    """Abstract: holds everything that is trained, and says how good it is on a batch."""

    @abstractmethod
    def forward(self, batch: Any, step: int) -> Outcome:
        """Return the loss of `batch` at `step`; must be a pure function of weights, batch and torch's seeded generator."""

    def weighed(self, batch: Any) -> Any:
        """Return `batch` with what the loss of a part of it must know of the whole (of all processes); by default nothing.

        Called once a step with all samples of this process, on the device, before they are cut into parts.
        """
        return batch

    def learning_rate_scales(self) -> Mapping[str, float]:
        """Return factors on the learning rate by prefix of parameter name; the longest prefix that fits wins, else 1."""
        return {}

    def undecayed(self) -> tuple[str, ...]:
        """Return prefixes of parameter names that get no weight decay, besides all 1-D parameters."""
        return ()
