"""A model folder as a training would leave it, small and untrained, for tests that only need one that loads."""

from pathlib import Path

import torch

from agglo.decoders import StructureDecoder
from agglo.predict import ModelConfig, save_model
from agglo.students import build_student


def write_small_model(folder: Path) -> Path:
    """Write the folder of a small model with random weights, the same ones each time; return the folder."""
    torch.manual_seed(0)
    student = build_student("repvit", embed_dim=16)
    options = {"num_structures": 2, "embed_dim": 16, "mlp_dim": 16}
    config = ModelConfig(
        name="untrained",
        student={"name": "repvit", "neck": "fusing", "embed_dim": 16},
        decoder=options,
        structures=("bolus", "pharynx"),
        input_px=64,
        mean=student.entry.mean,
        std=student.entry.std,
    )
    return save_model(folder, student, StructureDecoder(**options), config)
