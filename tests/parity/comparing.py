"""How a network of ours is held against another implementation: random weights, saved as published, read by our path."""

import re

import torch

from agglo.teachers import build_from_entry

TOLERANCE = 1e-5


def apart(found, expected):
    """Return the largest difference as a share of the largest expected value."""
    assert found.shape == expected.shape
    return ((found - expected).abs().max() / expected.abs().max()).item()


def randomise(module):
    """Give every weight and statistic a value of its own, also those that start at 0 or 1."""
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith("running_var"):
                value.copy_(0.5 + torch.rand_like(value))
            elif value.is_floating_point():
                value.copy_(0.2 * torch.randn_like(value))
    return module.eval()


def teacher_of(entry, state, folder):
    """Save a state as a published file and load it as a user would."""
    torch.save(state, folder / "weights.pt")
    return build_from_entry(entry, weights=folder / "weights.pt")


def rename(state, renames):
    found = {}
    for key, value in state.items():
        for pattern, replacement in renames:
            key = re.sub(pattern, replacement, key)
        found[key] = value
    return found


def images_of(*size):
    return torch.randn(2, 3, *size)
