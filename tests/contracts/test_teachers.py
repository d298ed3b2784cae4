"""What every teacher of the catalogue promises, checked on the same architecture in a tiny size."""

import copy
from dataclasses import replace

import pytest
import torch

from agglo.core.shapes import FeatureSpec
from agglo.teachers import CATALOGUE, Teacher, build_from_entry, preprocess

TINY = {  # family: (architecture, dim, rows and cols of an oblong input)
    "sam2": (
        {
            "hidden_size": 8,
            "blocks_per_stage": [1, 1, 2, 1],
            "embed_dim_per_stage": [8, 16, 24, 32],
            "num_attention_heads_per_stage": [1, 2, 2, 4],
            "window_size_per_stage": [8, 4, 4, 2],
            "global_attention_blocks": [3],
        },
        256,
        (64, 96),
    ),
    "dinov2": (
        {
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 56,
            "patch_size": 14,
        },
        16,
        (42, 70),
    ),
    "medclip": (
        {"embed_dim": 8, "depths": (2, 2, 2, 2), "num_heads": (1, 2, 2, 4), "window_size": 2},
        64,
        (64, 96),
    ),
}


@pytest.fixture(params=CATALOGUE)
def teacher(request):
    torch.manual_seed(0)
    entry = CATALOGUE[request.param]
    architecture, dim, _ = TINY[entry.family]
    return build_from_entry(replace(entry, architecture=architecture, dim=dim), weights="random")


@pytest.fixture
def images(teacher):
    entry = CATALOGUE[teacher.spec.name]
    rows, cols = TINY[entry.family][2]
    grey = torch.rand(2, max(rows, cols), max(rows, cols), generator=torch.Generator().manual_seed(1))
    return preprocess(entry, grey)[..., :rows, :cols]


def test_spec_is_the_entrys(teacher):
    entry = CATALOGUE[teacher.spec.name]
    assert isinstance(teacher, Teacher)
    assert teacher.spec == FeatureSpec(entry.name, TINY[entry.family][1], entry.input_px, entry.stride_px)


def test_map_has_the_promised_shape(teacher, images):
    rows, cols = (side // teacher.spec.stride_px for side in images.shape[-2:])
    features = teacher.feature_map(images)
    assert features.shape == (2, teacher.spec.dim, rows, cols)
    assert features.isfinite().all()


def test_is_frozen_and_stays_in_eval(teacher, images):
    teacher.train()
    assert not any(module.training for module in teacher.modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert not teacher(images.requires_grad_()).requires_grad


def test_is_a_pure_function_of_each_image(teacher, images):
    together = teacher.feature_map(images)
    torch.testing.assert_close(teacher.feature_map(images), together, rtol=0, atol=0)
    torch.testing.assert_close(teacher.feature_map(images[1:]), together[1:], rtol=1e-4, atol=1e-5)


def test_rows_and_cols_are_not_swapped(teacher, images):
    """What changes in the image's last columns must change the map's last columns most."""
    changed = images.clone()
    changed[..., -teacher.spec.stride_px :] += 2.0
    difference = (teacher.feature_map(changed) - teacher.feature_map(images)).square().mean(dim=(0, 1))
    assert difference.mean(dim=0).argmax() == difference.shape[1] - 1


def test_runs_under_autocast(teacher, images):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = teacher.feature_map(images)
    full = teacher.feature_map(images)
    assert torch.nn.functional.cosine_similarity(half.float().flatten(), full.flatten(), dim=0) > 0.99


def test_can_be_copied(teacher, images):
    duplicate = copy.deepcopy(teacher)
    torch.testing.assert_close(duplicate.feature_map(images), teacher.feature_map(images))
