"""A distilled student stands in for its teachers: the same embedding, and whatever every teacher keeps."""

from pathlib import Path

import pytest
import torch

from agglo.core.errors import WeightsError
from agglo.recipes.distill import save_student
from agglo.students import build_student
from agglo.teachers import build_teacher, entry_of

NAME = "python:agglo.recipes.proxy:repvit"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("proxy") / "student.safetensors"
    torch.manual_seed(5)
    save_student(build_student("repvit"), path)
    return path


def test_a_proxy_gives_the_embedding_of_the_student_it_is(file: Path) -> None:
    teacher = build_teacher(NAME, weights=file, input_px=64)
    student = build_student("repvit", init=file).eval()
    images = torch.rand(2, 3, 64, 64)
    assert torch.equal(teacher(images), student(images).embedding)
    assert (teacher.spec.dim, teacher.spec.grid, teacher.spec.summary_dim) == (256, (8, 8), None)


def test_without_a_file_it_is_the_same_untrained_network_each_time_and_draws_no_number() -> None:
    torch.manual_seed(3)
    before = torch.rand(1)
    torch.manual_seed(3)
    first, second = (build_teacher(NAME, input_px=64).state_dict() for _ in range(2))
    assert torch.equal(torch.rand(1), before)
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert "none but those that its own teachers have seen" in entry_of(NAME).labels_seen


def test_a_file_of_another_student_is_refused(file: Path) -> None:
    with pytest.raises(WeightsError, match="weights"):
        build_teacher("python:agglo.recipes.proxy:tinyvit", weights=file)
