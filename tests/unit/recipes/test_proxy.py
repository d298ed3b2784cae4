"""A distilled student stands in for its teachers: the same embedding, and whatever every teacher keeps."""

from pathlib import Path

import pytest
import torch

from agglo.config.load import load_recipe
from agglo.config.schema import Recipe, TeacherConfig
from agglo.core.errors import WeightsError
from agglo.distill.distilled import save_student, teachers_of
from agglo.recipes.distill import taught_by
from agglo.recipes.teachers import own_identity, teacher_entry, terms_of, warn_of_restrictions
from agglo.students import build_student
from agglo.teachers import build_teacher, entry_of

ROOT = Path(__file__).parents[3]
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
    assert entry_of(NAME).restriction is None


def test_a_file_of_another_student_is_refused(file: Path) -> None:
    with pytest.raises(WeightsError, match="weights"):
        build_teacher("python:agglo.recipes.proxy:tinyvit", weights=file)


def saved(path: Path, teachers: str) -> TeacherConfig:
    """Write a student of some teachers, as a distillation leaves it; return it as a teacher of another recipe."""
    save_student(build_student("repvit"), path, taught_by(recipe_with(teachers)))
    return TeacherConfig(name=NAME, weights=path)


def recipe_with(teachers: str) -> Recipe:
    return load_recipe(ROOT / "recipes" / "phantom-quick.yaml", [f"teachers={teachers}"])


def test_what_binds_a_students_teachers_binds_what_it_teaches(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = saved(tmp_path / "student.safetensors", "[{name: lab-sam}, {name: medclip, label: clip}]")
    terms = terms_of(config)
    assert terms["restriction"].startswith("it was distilled from clip: its authors give no licence file")
    assert "lab-sam (" in terms["licence"]
    assert "clip (no licence file (setup.py says BSD))" in terms["licence"]
    assert "clip (reports and finding labels" in terms["labels_seen"]
    warn_of_restrictions(recipe_with(f"[{{name: '{NAME}', weights: {config.weights}}}]"))
    assert "may restrict its student: it was distilled from clip" in caplog.text
    second = tmp_path / "second.safetensors"
    again = saved(second, f"[{{name: '{NAME}', label: proxy, weights: {config.weights}}}]")
    assert terms_of(again)["restriction"].startswith(
        "it was distilled from proxy: it was distilled from clip:"
    )
    assert own_identity(teacher_entry(again)) == own_identity(teacher_entry(TeacherConfig(name=NAME)))


def test_a_student_of_free_teachers_is_bound_by_nothing(tmp_path: Path) -> None:
    config = saved(tmp_path / "student.safetensors", "[{name: lab-sam}, {name: lab-dino}]")
    assert terms_of(config)["restriction"] is None
    saved(tmp_path / "student.safetensors", "[{name: medclip}]")
    assert "distilled from medclip" in str(terms_of(config)["restriction"])


def test_a_student_whose_teachers_nobody_knows_is_told(file: Path) -> None:
    assert teachers_of(file) is None
    restriction = terms_of(TeacherConfig(name=NAME, weights=file))["restriction"]
    assert str(restriction).startswith("unknown: student.safetensors does not say which teachers")
