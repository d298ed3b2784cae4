"""What every decoder of structures promises, over grids, structure counts and sizes."""

import pytest
import torch

from agglo.core.shapes import StudentFeatures
from agglo.decoders import build_decoder
from agglo.students import CATALOGUE, build_student

VARIANTS = {
    "accurate": {"grid_stride": 8},
    "accurate, fine maps": {"grid_stride": 8, "high_res_dims": (6, 4)},
    "fast": {"grid_stride": 16},
    "fast, fine maps": {"grid_stride": 16, "high_res_dims": (6, 4)},
    "one layer": {"depth": 1, "mlp_dim": 32},
    "telling presence": {"presence": True},
    "light": {"kind": "light", "width": 8},
    "light, fine maps, telling presence": {
        "kind": "light",
        "width": 8,
        "high_res_dims": (6, 4),
        "presence": True,
    },
}


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS)
def options(request):
    torch.manual_seed(0)
    return request.param


def features(rows, cols, batch=2):
    generator = torch.Generator().manual_seed(1)
    shapes = ((batch, 16, rows, cols), (batch, 6, rows, cols), (batch, 4, 2 * rows, 2 * cols))
    return StudentFeatures(*(torch.randn(shape, generator=generator) for shape in shapes))


@pytest.mark.parametrize("num_structures", [1, 12, 50])
def test_logits_are_at_stride_2_for_any_number_of_structures(options, num_structures):
    decoder = build_decoder(num_structures=num_structures, embed_dim=16, **options)
    logits = decoder(features(4, 8))
    assert logits.shape == (2, num_structures, 16, 32)
    assert logits.isfinite().all()


def test_presence_is_one_logit_per_structure_or_nothing(options):
    decoder = build_decoder(num_structures=5, embed_dim=16, **options)
    masks, presence = decoder.decode(features(4, 4))
    assert masks.shape[:2] == (2, 5)
    assert (presence is not None) == options.get("presence", False)
    assert presence is None or (presence.shape == (2, 5) and presence.isfinite().all())


def test_gradients_reach_every_parameter(options):
    decoder = build_decoder(num_structures=3, embed_dim=16, **options)
    answer = decoder.decode(features(4, 4))
    sum(part.square().sum() for part in answer if part is not None).backward()
    assert [name for name, parameter in decoder.named_parameters() if parameter.grad is None] == []


def test_images_do_not_see_each_other(options):
    decoder = build_decoder(num_structures=3, embed_dim=16, **options).eval()
    given = features(4, 4)
    alone = StudentFeatures(*(part[1:] for part in given))
    for one, both in zip(decoder.decode(alone), decoder.decode(given), strict=True):
        if one is not None:
            torch.testing.assert_close(one, both[1:], rtol=1e-4, atol=1e-5)


def test_runs_under_autocast(options):
    decoder = build_decoder(num_structures=3, embed_dim=16, **options).eval()
    given = features(4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = decoder(given)
    torch.testing.assert_close(half.float(), decoder(given), rtol=0.1, atol=0.1)


@pytest.mark.parametrize("name", CATALOGUE)
def test_reads_every_student(options, name):
    student = build_student(name, embed_dim=16).eval()
    if "high_res_dims" in options:
        options = {**options, "high_res_dims": (student.stride8_dim, student.stride4_dim)}
    decoder = build_decoder(num_structures=2, embed_dim=16, **options)
    assert decoder(student(torch.zeros(1, 3, 64, 96))).shape == (1, 2, 32, 48)
