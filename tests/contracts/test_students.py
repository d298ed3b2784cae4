"""What every student of the catalogue and every neck promise."""

import pytest
import torch

from agglo.students import CATALOGUE, NECKS, Neck, build_student, count_macs, count_parameters
from agglo.students.encoders import Encoder

SIZES = {"square": (64, 64), "oblong": (64, 96), "smallest": (32, 32)}


@pytest.fixture(params=CATALOGUE, scope="module")
def student(request):
    torch.manual_seed(0)
    return build_student(request.param, embed_dim=32).eval()


def noise(rows, cols, batch=2):
    return torch.randn(batch, 3, rows, cols, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_maps_have_the_promised_shapes(student, size):
    rows, cols = size
    features = student(noise(rows, cols))
    assert features.embedding.shape == (2, 32, rows // 8, cols // 8)
    assert features.stride8.shape == (2, student.stride8_dim, rows // 8, cols // 8)
    assert features.stride4.shape == (2, student.stride4_dim, rows // 4, cols // 4)
    assert all(part.isfinite().all() for part in features)


def test_eval_is_a_pure_function_of_each_image(student):
    images = noise(64, 64, batch=3)
    together = student(images).embedding
    torch.testing.assert_close(student(images[1:2]).embedding, together[1:2], rtol=1e-3, atol=1e-4)


def test_gradients_reach_every_parameter(student):
    student.train()
    features = student(noise(64, 64))
    (features.embedding.square().sum() + features.stride4.sum()).backward()
    without = [name for name, parameter in student.named_parameters() if parameter.grad is None]
    student.zero_grad(set_to_none=True)
    student.eval()
    assert without == []


def test_runs_channels_last_and_under_autocast(student):
    images = noise(64, 64)
    plain = student(images).embedding
    torch.testing.assert_close(
        student(images.to(memory_format=torch.channels_last)).embedding, plain, rtol=1e-3, atol=1e-4
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = student(images).embedding
    assert torch.nn.functional.cosine_similarity(half.float().flatten(), plain.flatten(), dim=0) > 0.98


@pytest.mark.parametrize("name", CATALOGUE)
def test_figures_of_the_catalogue_are_counted(name):
    entry = CATALOGUE[name]
    with torch.device("meta"):
        student = build_student(name)
    assert count_parameters(student) == entry.num_parameters
    assert count_macs(student, input_px=entry.input_px) == entry.num_macs


@pytest.mark.parametrize("name", NECKS)
def test_every_neck_fuses_to_stride_8(name):
    dims = (4, 6, 8, 10)
    neck = NECKS[name](dims, 16)
    maps = [
        torch.randn(2, dim, 64 // stride, 96 // stride)
        for dim, stride in zip(dims, (4, 8, 16, 32), strict=True)
    ]
    assert isinstance(neck, Neck)
    assert neck(maps).shape == (2, 16, 8, 12)


@pytest.mark.parametrize("name", CATALOGUE)
def test_backbones_give_the_four_strides(name):
    encoder = Encoder(CATALOGUE[name], has_imagenet_weights=False).eval()
    maps = encoder(noise(64, 64, batch=1))
    assert [tuple(part.shape[1:]) for part in maps] == [
        (dim, 64 // stride, 64 // stride) for dim, stride in zip(encoder.dims, (4, 8, 16, 32), strict=True)
    ]
