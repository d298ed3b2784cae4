"""Teachers of a recipe: what decides what they see, and what they may restrict."""

import textwrap
from pathlib import Path

import pytest

from agglo.config.load import load_recipe
from agglo.config.schema import Recipe, TeacherConfig
from agglo.core.errors import ConfigError
from agglo.recipes import build
from agglo.recipes.teachers import (
    missing_weights,
    own_identity,
    teacher_entry,
    warn_of_restrictions,
    weights_sha256,
)
from agglo.teachers import CATALOGUE

ROOT = Path(__file__).parents[3]


def recipe_of(teachers: str) -> Recipe:
    return load_recipe(ROOT / "recipes" / "phantom-quick.yaml", [f"teachers={teachers}"])


def test_what_may_bind_a_student_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_restrictions(recipe_of("[{name: lab-sam}, {name: rad-dino}, {name: medclip, label: clip}]"))
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("teacher clip may restrict its student: its authors give no licence file")
    assert "(licence: no licence file (setup.py says BSD))" in told


def test_restrictive_teachers_are_known() -> None:
    restrictive = {name for name, entry in CATALOGUE.items() if entry.is_restrictive}
    assert restrictive == {"medsam2", "medclip", "medclip-resnet50", "dfn-clip-h-378"}


def test_a_map_that_is_not_asked_for_leaves_no_trace() -> None:
    usual = TeacherConfig(name="medclip")
    assert "map" not in usual.model_dump(mode="json")
    assert own_identity(teacher_entry(usual)) == {}
    assert own_identity(teacher_entry(TeacherConfig(name="medclip", map="last"))) == {}
    finer = TeacherConfig(name="medclip", map="stage3")
    assert TeacherConfig.model_validate(finer.model_dump(mode="json")) == finer
    entry = teacher_entry(finer)
    assert (entry.dim, entry.stride_px) == (384, 16)
    assert own_identity(entry) == {"map": "stage3"}


def test_a_map_that_there_is_not_is_told_with_all_else_that_is_unknown() -> None:
    recipe = recipe_of("[{name: lab-sam, map: stage3}, {name: sam9}]")
    with pytest.raises(ConfigError) as caught:
        build.check_names(recipe)
    assert "2 problems" in str(caught.value)
    assert "map of teacher lab-sam must be one of fpn, got stage3" in str(caught.value)


def test_a_network_without_a_file_is_known_by_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = """
        import torch
        from torch import nn

        from agglo.teachers import OwnTeacher


        def teacher(weights):
            torch.manual_seed(SEED)
            return OwnTeacher(nn.Conv2d(3, 4, 8, stride=8), dim=4, stride_px=8, input_px=32)
    """
    for name, seed in (("first_own", 0), ("second_own", 1)):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(module).replace("SEED", str(seed)))
    monkeypatch.syspath_prepend(tmp_path)
    configs = [TeacherConfig(name=f"python:{name}:teacher") for name in ("first_own", "second_own")]
    assert [missing_weights(config) for config in configs] == [None, None]
    hashes = [weights_sha256(config) for config in configs]
    assert hashes == [weights_sha256(config) for config in configs]
    assert hashes[0] != hashes[1]
    codes = [own_identity(teacher_entry(config))["architecture"] for config in configs]
    assert codes[0] != codes[1]
