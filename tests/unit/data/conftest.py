"""Tiny datasets on disk."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agglo.data import Dataset, DatasetWriter, FrameInfo, State, open_dataset

STRUCTURES = ("bolus", "pharynx", "C1")
MakeDataset = Callable[..., Dataset]


def draw_frame(number: int, num_structures: int = len(STRUCTURES)) -> tuple[np.ndarray, np.ndarray]:
    """Return an image and overlapping masks of 20 x 24 that depend on `number`."""
    rng = np.random.default_rng(number)
    image = rng.integers(0, 256, (20, 24), dtype=np.uint8)
    masks = np.zeros((num_structures, 20, 24), np.bool_)
    for k in range(num_structures):
        row, col = rng.integers(0, 12, 2)
        masks[k, row : row + 6, col : col + 8] = True
    return image, masks


@pytest.fixture
def tiny_frame() -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    """Return the function that draws the pixels of the tiny datasets."""
    return draw_frame


@pytest.fixture
def make_dataset(tmp_path: Path) -> MakeDataset:
    """Return a function that writes a dataset of some patients and frames, and opens it."""

    def make(
        *, patients: int = 4, frames: int = 3, encoding: str = "bitfield", name: str = "tiny"
    ) -> Dataset:
        groups = {"moving": ("bolus", "pharynx"), "static": ("C1",)}
        writer = DatasetWriter(
            tmp_path / name, name=name, structures=STRUCTURES, groups=groups, mask_encoding=encoding
        )
        for patient in range(patients):
            for index in range(frames):
                image, masks = draw_frame(patient * 100 + index)
                info = FrameInfo(
                    id=f"p{patient}_f{index}",
                    patient=f"p{patient}",
                    video="v0",
                    index=index,
                    spacing_mm=(0.5, 0.4),
                    spacing_source="phantom",
                    facts={"phase": "oral"},
                )
                writer.add(info, image, masks, (State.PRESENT,) * 3)
        writer.finish()
        return open_dataset(tmp_path / name)

    return make
