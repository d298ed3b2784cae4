"""Students are built by name, give an embedding of stride 8 at any size that fits, and say what is wrong otherwise."""

import pytest
import torch
from safetensors.torch import save_file

from agglo.core.errors import ConfigError, FeatureMismatch, WeightsError
from agglo.students import CATALOGUE, build_student, describe

WRONG_ARGUMENTS = {
    "name": (
        {"name": "resnet"},
        r"a student must be one of \['repvit'.*\], got 'resnet'; see `agglo students`",
    ),
    "neck": ({"name": "repvit", "neck": "giraffe"}, r"a neck must be one of \['fusing'.*\], got 'giraffe'"),
    "width": ({"name": "repvit", "embed_dim": 0}, r"embed_dim must be at least 1, got 0"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG_ARGUMENTS.values(), ids=WRONG_ARGUMENTS)
def test_wrong_arguments_are_one_sentence(arguments, message):
    with pytest.raises(ConfigError, match=message):
        build_student(**arguments)


def test_sides_that_are_no_multiple_of_32_are_refused():
    student = build_student("repvit", embed_dim=8)
    with pytest.raises(FeatureMismatch, match=r"multiples of 32 px, got 64 x 80; choose another `input_px`"):
        student(torch.zeros(1, 3, 64, 80))


def test_same_seed_same_weights():
    states = []
    for _ in range(2):
        torch.manual_seed(7)
        states.append(build_student("repvit", embed_dim=8).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_building_with_a_path_loads_a_whole_student(tmp_path):
    saved = build_student("repvit", embed_dim=8)
    save_file(saved.state_dict(), tmp_path / "student.safetensors")
    loaded = build_student("repvit", embed_dim=8, init=tmp_path / "student.safetensors")
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in saved.state_dict().items())
    with pytest.raises(
        WeightsError, match=r"must fit student repvit key by key.*size mismatch for neck\.lateral8"
    ):
        build_student("repvit", embed_dim=16, init=tmp_path / "student.safetensors")


def test_a_file_that_is_no_student_is_refused(tmp_path):
    (tmp_path / "student.safetensors").write_bytes(b"nothing")
    for path in (tmp_path / "student.safetensors", tmp_path / "absent.safetensors"):
        with pytest.raises(WeightsError, match="init must be the safetensors file of a student, but"):
            build_student("repvit", embed_dim=8, init=path)


def test_imagenet_weights_without_network_say_what_to_do(monkeypatch):
    def refuse(*arguments, pretrained, **options):
        raise OSError("no route to the hub")

    monkeypatch.setattr("timm.create_model", refuse)
    with pytest.raises(
        WeightsError, match=r"timm's weights of repvit_m0_9.*no route to the hub.*init: random"
    ):
        build_student("repvit", init="imagenet")


def test_grey_images_become_input():
    student = build_student("repvit", embed_dim=8)
    images = student.preprocess(torch.full((2, 32, 64), 0.5))
    assert images.shape == (2, 3, 32, 64)
    expected = [
        (0.5 - mean) / deviation
        for mean, deviation in zip(student.entry.mean, student.entry.std, strict=True)
    ]
    torch.testing.assert_close(images[1, :, 3, 5], torch.tensor(expected))


def test_rows_describe_the_catalogue():
    rows = describe()
    assert [row["name"] for row in rows] == list(CATALOGUE)
    assert rows[0]["parameters"] == 5_480_160
    assert rows[0]["macs"] == pytest.approx(5.045e9, rel=1e-3)
