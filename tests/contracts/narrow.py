"""Students with few channels and blocks: the same code, for tests that need no real widths."""

from dataclasses import replace

import torch

from agglo.students import CATALOGUE, compose

NARROW = {
    "repvit": {"embed_dim": (8, 8, 16, 16), "depth": (1, 1, 2, 1)},
    "tinyvit": {"embed_dims": (16, 32, 32, 64), "num_heads": (1, 1, 1, 2), "depths": (1, 1, 2, 1)},
    "efficientvit": {"widths": (8, 8, 16, 16, 32), "depths": (1, 1, 1, 2, 1), "head_dim": 8},
}
"""Options of timm's models, by student."""


def narrow_entry(name):
    """Return the row of the catalogue for the narrow student."""
    return replace(CATALOGUE[name], backbone_options=NARROW[name])


def narrow(name, neck=None):
    """Return a student of the catalogue that is narrow and shallow, with the same random weights each time."""
    entry = narrow_entry(name)
    torch.manual_seed(0)
    return compose(entry, neck or entry.neck, embed_dim=16)
