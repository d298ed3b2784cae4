"""Tiny entries: the architectures of the catalogue's teachers in sizes that build in milliseconds."""

from dataclasses import replace

import pytest

from agglo.teachers import CATALOGUE

TINY = {
    "sam2": {
        "hidden_size": 8,
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 24, 32],
        "num_attention_heads_per_stage": [1, 2, 2, 4],
        "window_size_per_stage": [8, 4, 4, 2],
        "global_attention_blocks": [3],
    },
    "dinov2": {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 56,
        "patch_size": 14,
    },
    "medclip": {"embed_dim": 8, "depths": (2, 2, 2, 2), "num_heads": (1, 2, 2, 4), "window_size": 2},
}
SOURCES = {"sam2": "medsam2", "dinov2": "rad-dino", "medclip": "medclip"}
DIMS = {"sam2": 256, "dinov2": 16, "medclip": 64}


def tiny_entry(family):
    """A small teacher of `family`, not in the catalogue, whose weights are not pinned."""
    return replace(
        CATALOGUE[SOURCES[family]], name=f"tiny-{family}", architecture=TINY[family], dim=DIMS[family]
    )


@pytest.fixture(params=sorted(TINY))
def tiny(request):
    return tiny_entry(request.param)


@pytest.fixture
def make_tiny():
    return tiny_entry
