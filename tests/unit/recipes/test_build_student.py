"""From a recipe to its student: any of the catalogue, by default with its usual neck; what it started from counts."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from agglo.config.schema import Recipe
from agglo.core.errors import ConfigError
from agglo.recipes import build
from agglo.recipes.catalogue import student_rows
from agglo.recipes.dry_run import explain
from agglo.students import CATALOGUE


def recipe(**student: object) -> Recipe:
    training = {"steps": 1, "batch_size": 2}
    return Recipe.model_validate(
        {
            "name": "test",
            "out": "out",
            "data": {"phantom": {"patients": 1}},
            "teachers": [{"name": "lab-sam"}],
            "student": {"input_px": 64, **student},
            "distill": training,
            "align": training,
        }
    )


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_student_learns_from_masks(name: str) -> None:
    task = build.supervised_task(recipe(name=name), 2)
    assert task.student.neck_name == CATALOGUE[name].neck
    generator = torch.Generator().manual_seed(0)
    batch = {
        "grey": torch.rand(2, 64, 64, generator=generator),
        "coverage": torch.rand(2, 2, 32, 32, generator=generator),
        "inside": torch.ones(2, 32, 32),
        "known": torch.ones(2, 2, dtype=torch.bool),
    }
    loss = task.train()(batch, 0).total
    loss.backward()
    assert loss.isfinite()
    assert all(parameter.grad is not None for parameter in task.student.parameters())


def backbone_file(folder: Path, neck: str) -> str:
    save_file(
        build.student(recipe(neck=neck), stream="a").encoder.backbone.state_dict(), folder / "of.safetensors"
    )
    return str(folder / "of.safetensors")


def student_file(folder: Path, neck: str) -> str:
    save_file(build.student(recipe(neck=neck), stream="a").state_dict(), folder / "of.safetensors")
    return str(folder / "of.safetensors")


UNTRAINED = {  # name: (neck, its init, the parts whose norms nobody has trained)
    "random": ("fusing", lambda *_: "random", "encoder"),
    "random all over": ("samneck", lambda *_: "random", "encoder and neck"),
    "imagenet below norms": ("samneck", lambda *_: "imagenet", "neck"),
    "imagenet below one norm": ("efficientsam3", lambda *_: "imagenet", "neck"),
    "imagenet below none": ("fusing", lambda *_: "imagenet", None),
    "a backbone below norms": ("samneck", backbone_file, "neck"),
    "a backbone below none": ("mobilesam", backbone_file, None),
    "a whole student": ("samneck", student_file, None),
    "no file at all": ("samneck", lambda *_: "absent.safetensors", None),  # that is told elsewhere
}


@pytest.mark.parametrize(("neck", "init_of", "parts"), UNTRAINED.values(), ids=UNTRAINED)
def test_norms_that_nobody_has_trained_are_not_frozen(
    neck: str, init_of: Callable[[Path, str], str], parts: str | None, tmp_path: Path
) -> None:
    plain = recipe(neck=neck, init=init_of(tmp_path, neck))
    build.check_names(plain)
    config = plain.model_copy(update={"distill": plain.distill.model_copy(update={"norm": "frozen"})})
    if parts is None:
        build.check_names(config)
        return
    with pytest.raises(ConfigError) as caught:
        build.check_names(config)
    assert "distill.norm: frozen needs a student whose norms are trained, but with `student.init: " in str(
        caught.value
    )
    assert f"` those of its {parts} are not; take the file of a whole student" in str(caught.value)


def test_the_usual_neck_is_the_same_stage_as_its_name() -> None:
    usual = build.student_settings(recipe(name="efficientvit"))
    assert usual == build.student_settings(recipe(name="efficientvit", neck="samneck"))
    assert usual != build.student_settings(recipe(name="efficientvit", neck="fusing"))
    assert usual["init_sha256"] is None


def test_first_weights_decide_a_stage_by_their_bytes(tmp_path: Path) -> None:
    file = tmp_path / "student.safetensors"
    save_file(build.student(recipe(), stream="a").state_dict(), file)
    config = recipe(init=str(file))
    assert build.student_settings(config)["init_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert build.student(config, stream="b").origin.source == "student.safetensors"


def test_unknown_names_are_told_together_with_the_legal_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        build.check_names(recipe(name="resnet", neck="giraffe"))
    assert "student.name: must be one of repvit, tinyvit, efficientvit, got 'resnet'" in str(caught.value)
    assert "student.neck: must be one of fusing, mobilesam, samneck, efficientsam3, got 'giraffe'" in str(
        caught.value
    )
    build.check_names(recipe())


def test_absent_imagenet_weights_are_told_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    config = recipe(name="tinyvit", init="imagenet")
    with pytest.raises(ConfigError, match=r"student.init: .*timm/tiny_vit_5m_224.*HF_HUB_OFFLINE=0"):
        build.check_inputs(config)
    assert "tinyvit, 5.82 M parameters" in explain(config)
    assert "starting from imagenet (MISSING: " in explain(config)


def test_students_are_listed_with_counted_costs() -> None:
    rows = student_rows()
    assert all(set(row) == {"name", "params", "macs", "input_px", "embedding"} for row in rows)
    assert [(row["name"], row["params"], row["macs"]) for row in rows] == [
        (entry.name, entry.num_parameters, entry.num_macs) for entry in CATALOGUE.values()
    ]
    assert all(row["embedding"] == [256, 64, 64] and row["input_px"] == 512 for row in rows)
