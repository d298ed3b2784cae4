"""A moving average of weights, kept beside the model and used for everything that is measured or saved."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class MovingAverage:
    """Exponential moving average of a module's floating parameters and buffers.

    Early on the decay is `(1 + step) / (10 + step)`, so that the average does not hang on to the initial weights. Integer
    buffers (BatchNorm's counters) are copied.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Move towards the weights of `module` after `step` steps."""
        decay = min(self.decay, (1 + step) / (10 + step))
        state = module.state_dict()
        floats = [name for name, tensor in state.items() if tensor.is_floating_point()]
        torch._foreach_lerp_(
            [self.values[name] for name in floats], [state[name] for name in floats], 1 - decay
        )
        for name in state.keys() - floats:
            self.values[name].copy_(state[name])

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Take over a saved average."""
        for name, tensor in values.items():
            self.values[name].copy_(tensor)

    @contextmanager
    def swapped_into(self, module: nn.Module) -> Iterator[None]:
        """Lend the average to `module`; its own weights come back, bit for bit, at the end."""
        own = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
        module.load_state_dict(self.values)
        try:
            yield
        finally:
            module.load_state_dict(own)
