"""What a model costs: its own parameters and multiply-adds, counted, never quoted."""

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(module: nn.Module) -> int:
    """Return the number of parameters; buffers are not counted."""
    return sum(parameter.numel() for parameter in module.parameters())


@torch.no_grad()
def count_macs(model: nn.Module, *, input_px: int) -> int:
    """Return the multiply-adds (MACs) of `model` for one image of `input_px` x `input_px`, three channels.

    Convolutions, matrix products and attention are counted by torch's flop counter, halved; norms, activations and resampling
    are not. Much of the literature calls this number FLOPs.
    """
    parameter = next(model.parameters())
    images = torch.zeros(1, 3, input_px, input_px, device=parameter.device, dtype=parameter.dtype)
    was_training = model.training
    counter: Any = FlopCounterMode(display=False)
    model.eval()
    try:
        with counter:
            model(images)
    finally:
        model.train(was_training)
    return int(counter.get_total_flops()) // 2
