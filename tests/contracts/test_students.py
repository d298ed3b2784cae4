"""What every student of the catalogue promises, with every neck."""

from dataclasses import replace

import pytest
import torch

from agglo.students import (
    CATALOGUE,
    NECKS,
    Neck,
    build_student,
    calibrate_norms,
    count_macs,
    count_parameters,
)
from agglo.students.encoders import Encoder
from contracts.narrow import NARROW, narrow

SIZES = [(64, 64), (64, 96), (160, 32), (32, 32)]
BOTH = [(name, neck) for name in CATALOGUE for neck in NECKS]


@pytest.fixture(params=CATALOGUE, scope="module")
def student(request):
    torch.manual_seed(0)
    return build_student(request.param, embed_dim=32).eval()


def noise(rows, cols, batch=2):
    return torch.randn(batch, 3, rows, cols, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("name", "neck"), BOTH)
@torch.no_grad()
def test_maps_have_the_promised_shapes_at_any_size(name, neck):
    student = narrow(name, neck).eval()
    for rows, cols in SIZES:
        features = student(noise(rows, cols))
        assert features.embedding.shape == (2, 16, rows // 8, cols // 8)
        assert features.stride8.shape == (2, student.stride8_dim, rows // 8, cols // 8)
        assert features.stride4.shape == (2, student.stride4_dim, rows // 4, cols // 4)
        assert all(part.isfinite().all() for part in features)


@torch.no_grad()
def test_eval_is_a_pure_function_of_each_image(student):
    images = noise(64, 64, batch=3)
    together = student(images).embedding
    torch.testing.assert_close(student(images[1:2]).embedding, together[1:2], rtol=1e-3, atol=1e-4)
    assert torch.equal(student(images).embedding, together)


@pytest.mark.parametrize(("name", "neck"), BOTH)
def test_gradients_reach_every_parameter(name, neck):
    """Some scales start at zero, and what lies behind them learns from the second step on: they are moved first."""
    student = narrow(name, neck).train()
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    features = student(noise(64, 96))
    (features.embedding.square().sum() + features.stride4.sum()).backward()
    assert [key for key, value in student.named_parameters() if value.grad is None] == []
    still = [key for key, value in student.named_parameters() if not value.grad.abs().sum() > 0]
    assert still == []


@torch.no_grad()
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
def test_other_weights_give_another_answer_at_once(name):
    """Nothing that was computed from earlier weights is kept, neither in eval mode nor under a moving average."""
    student = narrow(name).eval()
    other = {
        key: value + 0.1 * torch.rand_like(value) if value.is_floating_point() else value
        for key, value in student.state_dict().items()
    }
    images = noise(64, 64)
    with torch.inference_mode():
        student(images)
    student.load_state_dict(other)
    fresh = narrow(name).eval()
    fresh.load_state_dict(other)
    assert torch.equal(student(images).embedding, fresh(images).embedding)


@pytest.mark.parametrize(("name", "neck"), BOTH)
def test_no_value_decides_what_is_computed(name, neck):
    """Tensors without values run through."""
    with torch.device("meta"):
        assert narrow(name, neck)(torch.zeros(1, 3, 64, 96)).embedding.shape == (1, 16, 8, 12)


@pytest.mark.parametrize(
    ("name", "neck"), [("repvit", "mobilesam"), ("tinyvit", "efficientsam3"), ("efficientvit", "samneck")]
)
@torch.no_grad()
def test_the_graph_of_one_image_answers_for_another(name, neck):
    """So it can be exported."""
    student = narrow(name, neck).eval()
    images = noise(64, 96)
    graph = torch.export.export(student, (images[:1],), strict=False).module()
    for own, found in zip(student(images[1:]), graph(images[1:]), strict=True):
        torch.testing.assert_close(found, own)


@pytest.mark.parametrize("name", CATALOGUE)
@torch.no_grad()
def test_an_untrained_encoder_can_be_calibrated(name):
    """Random weights with calibrated norms, a baseline: every cell of the embedding says something of its image."""
    student = narrow(name)
    images = noise(64, 64, batch=8)
    calibrate_norms(student, [images[:4], images[4:]])
    embedding = student.eval()(images).embedding
    assert embedding.isfinite().all()
    assert embedding.std(dim=0).mean() > 0.05


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
        for dim, stride in zip(dims, (4, 8, 16, neck.last_stride_px), strict=True)
    ]
    assert isinstance(neck, Neck)
    assert neck(maps).shape == (2, 16, 8, 12)


@pytest.mark.parametrize("last_stride_px", [16, 32])
@pytest.mark.parametrize("name", CATALOGUE)
@torch.no_grad()
def test_backbones_give_the_four_strides(name, last_stride_px):
    encoder = Encoder(replace(CATALOGUE[name], backbone_options=NARROW[name]), last_stride_px=last_stride_px)
    maps = encoder.eval()(noise(64, 64, batch=1))
    assert encoder.strides_px == (4, 8, 16, last_stride_px)
    assert [tuple(part.shape[1:]) for part in maps] == [
        (dim, 64 // stride, 64 // stride)
        for dim, stride in zip(encoder.dims, encoder.strides_px, strict=True)
    ]
