"""How lab teachers start: weights from which a transformer learns at once, where the libraries' own begin with a long plateau.

Three things, measured to matter more than any loss (docs/log.md): patch filters that whiten X-ray patches, so that faint edges
are as loud as the brightness they ride on; positions that are waves from the start, so that attention can tell neighbours apart
(zeros for Hiera and Swin otherwise); and weights scaled by their fan-in, because 0.02 is next to nothing for narrow layers.
Architectures stay as the catalogue has them. What these weights know without any training is what a card calls `untrained`.
"""

import math

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from transformers.models.swin.modeling_swin import SwinLayer

from agglo.core.seeds import generator
from agglo.teachers.build import build_encoder
from agglo.teachers.catalogue import TeacherEntry

GAIN = 0.7
NUM_PATCHES = 20_000
NOISE = (
    2.0 / 255
)  # standard deviation of an image's noise: directions weaker than that are not amplified any further
WINDOW_WAVES, FIELD_WAVES = (0.5, 1.0, 1.5), (0.25, 0.5, 1.0)  # cycles across a window, across the image


def begin_encoder(entry: TeacherEntry, images: UInt8[np.ndarray, "images rows cols"], seed: int) -> nn.Module:
    """Build the network of `entry` with the initial weights of this module; random numbers from torch's global generator.

    Args:
        entry: of the catalogue.
        images: training pictures, of which patches are whitened; at least as large as a patch.
        seed: of the choice of patches.
    """
    encoder = build_encoder(entry)
    with torch.no_grad():
        for module in encoder.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.trunc_normal_(module.weight, std=GAIN * module.weight[0].numel() ** -0.5)
            if isinstance(module, SwinLayer):
                _wave_biases(module)
        for name, value in encoder.named_parameters():
            if name.endswith("pos_embed_window"):
                value.copy_(waves(value.shape[-1], value.shape[1], WINDOW_WAVES))
            elif name.endswith("pos_embed"):
                value.copy_(0.5 * waves(value.shape[-1], value.shape[1], FIELD_WAVES))
        _whiten(_patch_filters(encoder), entry, images, seed)
    return encoder


def waves(cells: int, dim: int, cycles: tuple[float, ...]) -> Float[Tensor, "1 {dim} {cells} {cells}"]:
    """Return random mixtures of sines and cosines along rows and columns, each channel with variance near 1."""
    along = 2 * math.pi * (torch.arange(cells) + 0.5) / cells
    rows = torch.stack([wave(count * along) for count in cycles for wave in (torch.sin, torch.cos)])
    basis = torch.cat([rows[:, :, None].expand(-1, cells, cells), rows[:, None, :].expand(-1, cells, cells)])
    mixture = torch.randn(dim, len(basis)) * math.sqrt(2 / len(basis))
    return torch.einsum("dk,kxy->dxy", mixture, basis).unsqueeze(0)


def _wave_biases(layer: SwinLayer) -> None:
    """Let each attention head of a Swin layer prefer offsets of its own."""
    table = layer.attention.relative_position_bias.relative_position_bias_table
    side = math.isqrt(len(table))
    table.copy_(waves(side, table.shape[1], FIELD_WAVES)[0].flatten(1).T)


def _patch_filters(encoder: nn.Module) -> nn.Conv2d:
    """Return the first convolution: in all three families that which reads the picture's patches."""
    return next(module for module in encoder.modules() if isinstance(module, nn.Conv2d))


def _whiten(
    filters: nn.Conv2d, entry: TeacherEntry, images: UInt8[np.ndarray, "images rows cols"], seed: int
) -> None:
    """Set filters to the principal directions of patches, each scaled to unit variance, half of them with either sign."""
    side = filters.kernel_size[0]
    patches = _patches(images, side, seed)
    mean = patches.mean(0)
    variances, directions = np.linalg.eigh(np.cov((patches - mean).T))
    num_pairs = min(filters.out_channels // 2, side * side)
    strongest = slice(None, -num_pairs - 1, -1)
    whitening = (directions[:, strongest] / np.sqrt(variances[strongest].clip(0) + NOISE**2)).T
    both = torch.from_numpy(np.concatenate([whitening, -whitening])).float()
    chosen = both[torch.arange(filters.out_channels) % len(both)]
    planes = chosen.reshape(-1, 1, side, side) / 3
    filters.weight.copy_(planes * torch.tensor(entry.std).reshape(1, 3, 1, 1))
    assert filters.bias is not None
    brightness = float(np.mean(entry.mean)) - torch.from_numpy(mean).float()
    filters.bias.copy_(chosen @ brightness)


def _patches(
    images: UInt8[np.ndarray, "images rows cols"], side: int, seed: int
) -> Float[np.ndarray, "patches pixels"]:
    """Return patches at random places of random images, flat, in `[0, 1]`."""
    stream = generator(seed, "patches to whiten")
    picked = stream.integers(len(images), size=NUM_PATCHES)
    tops = stream.integers(images.shape[1] - side + 1, size=NUM_PATCHES)
    lefts = stream.integers(images.shape[2] - side + 1, size=NUM_PATCHES)
    rows, columns = tops[:, None] + np.arange(side), lefts[:, None] + np.arange(side)
    return (
        images[picked[:, None, None], rows[:, :, None], columns[:, None, :]]
        .reshape(NUM_PATCHES, -1)
        .astype(np.float64)
        / 255
    )
