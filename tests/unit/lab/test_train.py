"""From a name to weights and a card, with the least of everything: what is written loads strictly and says how it was made."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch

from agglo.core.errors import ConfigError
from agglo.core.files import read_json, sha256_of
from agglo.core.progress import silent
from agglo.lab.card import FLOORS
from agglo.lab.lessons import QUICK, Amount
from agglo.lab.train import train_lab_teacher, train_lesson
from agglo.teachers.build import build_teacher
from agglo.teachers.catalogue import TeacherEntry
from agglo.train import Device

CPU = Device(accelerator="cpu", precision="32-true", threads=2)


def least(name: str) -> Amount:
    plan = dataclasses.replace(QUICK[name].plan, steps=2, batch_size=2, warmup_steps=1)
    return dataclasses.replace(
        QUICK[name], scenes=3, patients=1, frames=2, measured_scenes=2, measured_patients=2, plan=plan
    )


@pytest.mark.parametrize("name", sorted(QUICK))
def test_a_training_ends_in_strict_weights_and_an_honest_card(
    name: str, tmp_path: Path, tiny_entries: dict[str, TeacherEntry]
) -> None:
    weights = train_lesson(name, least(name), out=tmp_path, device=CPU, progress=silent)
    teacher = build_teacher(name, weights=weights)
    size = tiny_entries[name].input_px
    assert torch.isfinite(teacher.feature_map(torch.zeros(1, 3, size, size))).all()
    card = read_json(weights.with_suffix(".json"))
    assert card["sha256"] == sha256_of(weights)
    assert card["command"] == f"agglo lab train {name} --quick"
    assert card["vfss_masks_seen"] == "none"
    assert card["floor"]["text"] == FLOORS[name].text
    features = card["features_on_unseen_phantom_frames"]
    assert set(features) == {"trained", "random weights", "raw pixels"}
    for figures in features.values():
        assert 1 <= figures["effective_rank"] <= figures["dim"]
        assert 0 <= figures["per_image"] + figures["by_position"] <= 1 + 1e-6
    page = weights.with_suffix(".md").read_text(encoding="utf-8")
    assert "Research use only" in page
    assert "PHANTOM" in page
    stamp = (tmp_path / name / "checkpoint.pt").stat().st_mtime_ns
    train_lesson(name, least(name), out=tmp_path, device=CPU, progress=silent)
    assert (tmp_path / name / "checkpoint.pt").stat().st_mtime_ns == stamp, (
        "a finished training was trained again"
    )
    assert read_json(weights.with_suffix(".json"))["sha256"] == card["sha256"]
    assert math.isfinite(card["wall_s"])


def test_an_unknown_teacher_is_refused_with_the_names_there_are(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"must be one of \['lab-clip', 'lab-dino', 'lab-sam'\], got 'rad-dino'"
    ):
        train_lab_teacher("rad-dino", out=tmp_path)
