"""Students are built by name, give an embedding of stride 8 at any size that fits, and say what is wrong otherwise."""

import pytest
import torch

from agglo.core.errors import ConfigError, FeatureMismatch
from agglo.students import CATALOGUE, NECKS, build_student, describe

WRONG_ARGUMENTS = {
    "name": (
        {"name": "resnet"},
        r"a student must be one of \['efficientvit', 'repvit', 'tinyvit'\], got 'resnet'; see `agglo students`",
    ),
    "neck": (
        {"name": "repvit", "neck": "giraffe"},
        r"a neck of student repvit must be one of \['efficientsam3', 'fusing', 'mobilesam', 'samneck'\], got 'giraffe'",
    ),
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


def test_grey_images_become_input():
    student = build_student("repvit", embed_dim=8)
    images = student.preprocess(torch.full((2, 32, 64), 0.5))
    assert images.shape == (2, 3, 32, 64)
    expected = [
        (0.5 - mean) / deviation
        for mean, deviation in zip(student.entry.mean, student.entry.std, strict=True)
    ]
    torch.testing.assert_close(images[1, :, 3, 5], torch.tensor(expected))


def test_a_student_knows_how_to_be_built_again():
    with torch.device("meta"):
        assert build_student("efficientvit").neck_name == "samneck"
        assert build_student("tinyvit").neck_name == "fusing"
        student = build_student("tinyvit", neck="mobilesam", embed_dim=16)
        again = build_student(**student.arguments)
    assert student.arguments == {"name": "tinyvit", "neck": "mobilesam", "embed_dim": 16}
    assert {key: value.shape for key, value in again.state_dict().items()} == {
        key: value.shape for key, value in student.state_dict().items()
    }


def test_rows_describe_the_catalogue():
    rows = describe()
    assert [row["name"] for row in rows] == list(CATALOGUE) == ["repvit", "tinyvit", "efficientvit"]
    assert rows[0]["parameters"] == 5_480_160
    assert rows[0]["macs"] == pytest.approx(5.045e9, rel=1e-3)
    assert {row["neck"] for row in rows} <= NECKS.keys()


def test_one_thread_and_two_give_the_same_maps_and_gradients():
    student = build_student("repvit", embed_dim=8).eval()
    images = torch.rand(1, 3, 64, 64)
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            student.zero_grad()
            embedding = student(images).embedding
            embedding.square().mean().backward()
            found.append([embedding.detach(), *(each.grad.clone() for each in student.encoder.parameters())])
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-5)
