"""Frozen batch norms stay frozen; calibrated ones hold the plain average over all batches."""

import pytest
import torch

from agglo.core.errors import ConfigError
from agglo.students import CATALOGUE, calibrate_norms, freeze_norms
from agglo.students.norms import find_norms
from contracts.narrow import narrow


@pytest.fixture(params=CATALOGUE)
def student(request):
    return narrow(request.param)


def batches(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 3, 64, 64, generator=generator) for _ in range(count)]


def first_layers(student):
    convolution = next(part for part in student.encoder.modules() if isinstance(part, torch.nn.Conv2d))
    return convolution, find_norms(student.encoder)[0]


def test_training_moves_statistics_unless_frozen(student):
    norms = find_norms(student)
    before = [norm.running_mean.clone() for norm in norms]
    freeze_norms(student)
    student.train()
    assert student.encoder.training
    student(batches(1)[0])
    assert all(torch.equal(norm.running_mean, old) for norm, old in zip(norms, before, strict=True))
    student.are_norms_frozen = False
    student.train()
    student(batches(1)[0])
    assert not torch.equal(norms[0].running_mean, before[0])


def test_frozen_norms_still_learn_scale_and_shift(student):
    freeze_norms(student)
    student.train()(batches(1)[0]).embedding.sum().backward()
    assert find_norms(student)[0].weight.grad is not None


def test_calibration_is_the_average_over_batches(student):
    seen = batches(3)
    convolution, norm = first_layers(student)
    stem_maps = [convolution(images) for images in seen]
    assert calibrate_norms(student, seen) == 3
    means = torch.stack([stem_map.mean(dim=(0, 2, 3)) for stem_map in stem_maps]).mean(dim=0)
    variances = torch.stack([stem_map.var(dim=(0, 2, 3)) for stem_map in stem_maps]).mean(dim=0)
    torch.testing.assert_close(norm.running_mean, means)
    torch.testing.assert_close(norm.running_var, variances)


def test_calibration_makes_eval_agree_with_training(student):
    images = torch.cat(batches(4))
    calibrate_norms(student, [images])
    calibrated = student.eval()(images).embedding
    trained = student.train()(images).embedding
    assert (calibrated - trained).square().mean() / trained.square().mean() < 1e-2


def test_calibration_leaves_mode_momentum_and_weights_alone(student):
    weights = [parameter.clone() for parameter in student.parameters()]
    momenta = [norm.momentum for norm in find_norms(student)]
    student.eval()
    calibrate_norms(student, batches(1))
    assert not any(module.training for module in student.modules())
    assert [norm.momentum for norm in find_norms(student)] == momenta
    assert all(torch.equal(new, old) for new, old in zip(student.parameters(), weights, strict=True))


def test_calibration_without_images_is_refused(student):
    with pytest.raises(ConfigError, match="at least one batch of images to be calibrated, got none"):
        calibrate_norms(student, [])
    assert all(norm.momentum is not None for norm in find_norms(student))
