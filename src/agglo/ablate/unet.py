"""A 2-D U-Net as another baseline: nnU-Net's plan (arXiv 1809.10486) at one input size, without its self-configuration.

Two 3x3 convolutions a level with instance norm and leaky ReLU, strided convolutions down, transposed ones up, twice the channels a
level up to 16 times the first, down to at most 8 cells. No deep supervision and no ensemble.
"""

from itertools import pairwise
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from agglo.align import known_loss, weighed
from agglo.decoders import StructureLogits
from agglo.train import Outcome, Task

MOST_CHANNELS = 16
"""Channels of the deepest level, in widths of the first."""
LEAST_CELLS = 8
RARE_FOREGROUND_LOGIT = (
    -3.0
)  # sigmoid 0.05, as in the structure decoder: a structure covers a few per cent of a frame


@final
class UNet(nn.Module):
    """Logits of K structures at the size of the input."""

    def __init__(self, *, num_structures: int, size_px: int, width: int) -> None:
        """Build with random weights from torch's global generator; `width` is the channels of the first level."""
        super().__init__()
        dims = [width]
        while size_px // 2 ** len(dims) >= LEAST_CELLS:
            dims.append(min(2 * dims[-1], MOST_CHANNELS * width))
        steps = list(pairwise(dims))
        self.first = _level(1, dims[0], stride=1)
        self.down = nn.ModuleList(_level(fine, coarse, stride=2) for fine, coarse in steps)
        self.up = nn.ModuleList(nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in steps)
        self.join = nn.ModuleList(_level(2 * fine, fine, stride=1) for fine, _ in steps)
        self.last = nn.Conv2d(width, num_structures, kernel_size=1)
        nn.init.constant_(self.last.bias, RARE_FOREGROUND_LOGIT)  # type: ignore[arg-type]

    def forward(
        self, images: Float[Tensor, "batch 1 rows cols"]
    ) -> Float[Tensor, "batch structures rows cols"]:
        """Return logits."""
        maps = [self.first(images)]
        for level in self.down:
            maps.append(level(maps[-1]))
        decoded = maps.pop()
        for up, join in zip(reversed(self.up), reversed(self.join), strict=True):
            decoded = join(torch.cat([up(decoded), maps.pop()], dim=1))
        return self.last(decoded)


def _level(dim_in: int, dim_out: int, *, stride: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for first, second, step in ((dim_in, dim_out, stride), (dim_out, dim_out, 1)):
        parts += [
            nn.Conv2d(first, second, kernel_size=3, stride=step, padding=1),
            nn.InstanceNorm2d(second, affine=True),
            nn.LeakyReLU(0.01, inplace=True),
        ]
    return nn.Sequential(*parts)


@final
class UNetTask(Task):
    """A U-Net that learns masks under the same objective as every other arm."""

    def __init__(self, net: UNet, *, dice_weight: float) -> None:
        """Take a ready-made net."""
        super().__init__()
        self.net, self.dice_weight = net, dice_weight

    def logits(self, grey: Float[Tensor, "batch size size"], *, is_tuned: bool) -> StructureLogits:
        """Return mask logits of unit `grey` images, each normalised by its own mean and deviation; it tells no presence."""
        mean, deviation = grey.mean(dim=(1, 2), keepdim=True), grey.std(dim=(1, 2), keepdim=True)
        with torch.set_grad_enabled(is_tuned and torch.is_grad_enabled()):
            return StructureLogits(self.net(((grey - mean) / deviation.clamp_min(1e-4))[:, None]))

    def weighed(self, batch: Any) -> Any:
        """Return `batch` with what each known structure weighs."""
        return weighed(batch)

    def forward(self, batch: Any, step: int) -> Outcome:
        """Return the loss of `{"grey": [B,S,S], "coverage": [B,K,S,S], "inside": [B,S,S], "known": [B,K]}`."""
        logits = self.logits(batch["grey"], is_tuned=True)
        return known_loss(logits, batch, dice_weight=self.dice_weight)
