"""Tiny forms of the lab teachers: the same architectures at a size of seconds."""

import dataclasses
from typing import Any

import pytest

from agglo.lab import initial
from agglo.teachers.catalogue import CATALOGUE, TeacherEntry

TINY: dict[str, dict[str, Any]] = {
    "lab-sam": {
        "architecture": {
            "hidden_size": 8,
            "num_attention_heads": 1,
            "blocks_per_stage": [1, 1, 2, 1],
            "embed_dim_per_stage": [8, 16, 32, 48],
            "num_attention_heads_per_stage": [1, 1, 2, 2],
            "window_size_per_stage": [4, 4, 4, 2],
            "global_attention_blocks": [3],
            "window_positional_embedding_background_size": [2, 2],
        },
    },
    "lab-dino": {
        "architecture": {
            "hidden_size": 32,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "mlp_ratio": 2,
            "image_size": 112,
            "patch_size": 14,
        },
        "dim": 32,
        "input_px": 112,
    },
    "lab-clip": {
        "architecture": {
            "patch_size": 8,
            "embed_dim": 8,
            "depths": (1, 1, 2),
            "num_heads": (1, 1, 2),
            "window_size": 3,
            "drop_path_rate": 0.0,
        },
        "dim": 32,
        "input_px": 96,
    },
}


@pytest.fixture
def tiny_entries(monkeypatch: pytest.MonkeyPatch) -> dict[str, TeacherEntry]:
    """Put the tiny forms into the catalogue for one test, and return them by name; few patches are whitened."""
    monkeypatch.setattr(initial, "NUM_PATCHES", 500)
    entries = {
        name: dataclasses.replace(entry, **TINY[lesson])
        for name, entry in CATALOGUE.items()
        for lesson in TINY
        if name.startswith(lesson)
    }
    for name, entry in entries.items():
        monkeypatch.setitem(CATALOGUE, name, entry)  # type: ignore[arg-type]
    return entries
