"""What every teacher of the catalogue promises, checked on the same architecture in a tiny size."""

import copy

import pytest
import torch

from agglo.core.errors import FeatureMismatch
from agglo.core.shapes import FeatureSpec
from agglo.teachers import CATALOGUE, Teacher, build_from_entry, lacks_of, preprocess
from tiny_teachers import INPUT_PX, kind_of, oblong, shrunk

EVERY_MAP = [(name, chosen) for name, entry in CATALOGUE.items() for chosen in entry.maps]


@pytest.fixture(params=EVERY_MAP, ids="-".join)
def entry(request):
    name, chosen = request.param
    return shrunk(CATALOGUE[name]).with_map(chosen)


@pytest.fixture
def teacher(entry):
    torch.manual_seed(0)
    return build_from_entry(entry, weights="random")


@pytest.fixture
def images(entry):
    rows, cols = oblong(entry)
    grey = torch.rand(2, max(rows, cols), max(rows, cols), generator=torch.Generator().manual_seed(1))
    return preprocess(entry, grey)[..., :rows, :cols]


def test_spec_is_the_entrys(teacher, entry):
    assert isinstance(teacher, Teacher)
    choice = entry.maps[entry.map]
    expected = FeatureSpec(entry.name, choice.dim, entry.input_px, choice.stride_px, entry.summary_dim)
    assert teacher.spec == expected


def test_lacks_nothing_that_is_asked_of_teachers_of_your_own(entry):
    torch.manual_seed(0)
    assert lacks_of(build_from_entry(entry, weights="random", input_px=INPUT_PX[kind_of(entry)])) == []


def test_a_summary_comes_with_the_map_or_not_at_all(teacher, images):
    seen = teacher.look(images)
    torch.testing.assert_close(seen.map, teacher.feature_map(images), rtol=0, atol=0)
    if teacher.spec.summary_dim is None:
        assert seen.summary is None
        with pytest.raises(
            FeatureMismatch, match="must have a summary vector to give one, but has only a map"
        ):
            teacher.summary(images)
        return
    assert seen.summary.shape == (2, teacher.spec.summary_dim)
    assert seen.summary.isfinite().all()
    assert not torch.equal(seen.summary[0], seen.summary[1])
    torch.testing.assert_close(teacher.summary(images), seen.summary, rtol=0, atol=0)


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
