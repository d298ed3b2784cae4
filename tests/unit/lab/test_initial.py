"""Initial weights: patch filters whiten, positions are waves, and each family is reached."""

import numpy as np
import pytest
import torch
from torch import nn

from agglo.lab.initial import begin_encoder, waves
from agglo.lab.scenes import make_scene
from agglo.teachers.catalogue import CATALOGUE, TeacherEntry
from agglo.teachers.protocol import preprocess


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.stack([make_scene(4, index, size_px=128).image for index in range(6)])


@pytest.mark.parametrize("name", ["lab-sam", "lab-clip"])
def test_filters_answer_alike_to_faint_and_to_loud_directions(
    name: str, images: np.ndarray, tiny_entries: dict[str, TeacherEntry]
) -> None:
    encoder = begin_encoder(tiny_entries[name], images, seed=1)
    filters = next(module for module in encoder.modules() if isinstance(module, nn.Conv2d))
    pictures = preprocess(CATALOGUE[name], torch.from_numpy(images.astype(np.float32) / 255))
    with torch.no_grad():
        answers = filters(pictures)[..., 2:-2, 2:-2]  # away from the padding, which no patch has
    spread = answers.std((0, 2, 3))
    assert spread.min() > 0.3
    assert spread.max() < 2.0
    assert answers.mean((0, 2, 3)).abs().max() < 0.5


def test_positions_start_as_waves(images: np.ndarray, tiny_entries: dict[str, TeacherEntry]) -> None:
    hiera = begin_encoder(tiny_entries["lab-sam"], images, seed=1)
    swin = begin_encoder(tiny_entries["lab-clip"], images, seed=1)
    tables = [value for name, value in swin.named_parameters() if "relative_position_bias_table" in name]
    assert tables
    for table in (hiera.backbone.pos_embed_window, *tables):
        assert table.std() > 0.3


def test_waves_are_smooth_and_tell_cells_apart() -> None:
    torch.manual_seed(0)
    cells = waves(8, 32, (0.5, 1.0)).flatten(2)[0].T
    away = torch.cdist(cells, cells) + 1e3 * torch.eye(64)
    assert away.min() > 0.5
    grid = cells.reshape(8, 8, 32)
    assert (grid[1:] - grid[:-1]).square().mean() < (grid[4:] - grid[:-4]).square().mean()
