"""Grey pictures as the three channels that networks of colour pictures ask for."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def grey_to_channels(
    grey: Float[Tensor, "batch rows cols"], mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "batch 3 rows cols"]:
    """Return `grey` once for each channel, minus its mean and divided by its standard deviation.

    The numbers go to the device with the operations. As tensors they would have to be copied there, and whoever copies waits for
    all that a GPU has yet to do.
    """
    return torch.stack([(grey - low) / spread for low, spread in zip(mean, std, strict=True)], dim=1)
