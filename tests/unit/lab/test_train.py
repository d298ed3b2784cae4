"""From a name to weights and a card, with the least of everything: what is written loads strictly and says how it was made."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch

from agglo.core.errors import ConfigError
from agglo.core.files import read_json, sha256_of
from agglo.core.progress import silent
from agglo.lab.amounts import LARGE, SHIPPED, Amount, amount_of
from agglo.lab.card import FLOORS
from agglo.lab.frames import frame_set
from agglo.lab.train import train_lab_teacher, train_lesson
from agglo.lab.worth import measure_together
from agglo.teachers.build import build_teacher
from agglo.teachers.catalogue import CATALOGUE, TeacherEntry
from agglo.train import Device

CPU = Device(accelerator="cpu", precision="32-true", threads=torch.get_num_threads())
AMOUNTS = {
    amount.command.removeprefix("agglo lab train "): amount for amount in (*SHIPPED.values(), *LARGE.values())
}


def least(amount: Amount) -> Amount:
    plan = dataclasses.replace(amount.plan, steps=2, batch_size=2, warmup_steps=1)
    return dataclasses.replace(
        amount,
        scenes=min(amount.scenes, 3),
        patients=min(amount.patients, 1),
        frames=1,
        measured_scenes=2,
        measured_patients=2,
        plan=plan,
    )


TRAINED = ("lab-sam", "lab-dino", "lab-clip", "lab-sam-vfss", "lab-dino --large")


@pytest.mark.parametrize("option", TRAINED)
def test_a_training_ends_in_strict_weights_and_an_honest_card(
    option: str, tmp_path: Path, tiny_entries: dict[str, TeacherEntry]
) -> None:
    amount = AMOUNTS[option]
    weights = train_lesson(least(amount), out=tmp_path, device=CPU, progress=silent)
    name = amount.teacher
    teacher = build_teacher(name, weights=weights)
    size = tiny_entries[name].input_px
    assert torch.isfinite(teacher.feature_map(torch.zeros(1, 3, size, size))).all()
    card = read_json(weights.with_suffix(".json"))
    assert card["sha256"] == sha256_of(weights)
    assert card["command"] == amount.command
    assert (card["vfss_masks_seen"] == "none") == (amount.lesson != "lab-sam-vfss")
    assert card["floor"]["text"] == FLOORS[amount.lesson].text
    features = card["features_on_unseen_phantom_frames"]
    assert set(features) == {"trained", "untrained", "raw pixels", "position alone"}
    for who in ("trained", "untrained", "raw pixels"):
        assert 1 <= features[who]["effective_rank"] <= features[who]["dim"]
        assert 0 <= features[who]["per_image"] + features[who]["by_position"] <= 1 + 1e-6
    page = weights.with_suffix(".md").read_text(encoding="utf-8")
    assert "Research use only" in page
    assert "PHANTOM" in page
    assert math.isfinite(card["wall_s"])


def test_a_finished_training_is_not_trained_again(
    tmp_path: Path, tiny_entries: dict[str, TeacherEntry]
) -> None:
    amount = least(SHIPPED["lab-dino"])
    first = sha256_of(train_lesson(amount, out=tmp_path, device=CPU, progress=silent))
    stamp = (tmp_path / "lab-dino" / "checkpoint.pt").stat().st_mtime_ns
    assert sha256_of(train_lesson(amount, out=tmp_path, device=CPU, progress=silent)) == first
    assert (tmp_path / "lab-dino" / "checkpoint.pt").stat().st_mtime_ns == stamp


def test_maps_side_by_side_are_compared_with_the_best_single_one(
    tmp_path: Path, tiny_entries: dict[str, TeacherEntry]
) -> None:
    files = {
        name: train_lesson(least(SHIPPED[name]), out=tmp_path, device=CPU, progress=silent)
        for name in ("lab-sam", "lab-clip")
    }
    frames = frame_set(tmp_path, seed=3, patients=4, frames=1, size_px=96, with_masks=True, progress=silent)
    found = measure_together(files, frames, tmp_path)
    assert found["best_single"] == max(files, key=lambda name: found["probe_r2"][name])
    assert found["gain"] == pytest.approx(found["probe_r2"]["all"] - found["probe_r2"][found["best_single"]])
    assert read_json(tmp_path / "together.json") == found
    assert found["best_single"] in (tmp_path / "together.md").read_text(encoding="utf-8")


def test_unknown_names_and_sizes_are_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError,
        match=r"must be one of \['lab-clip', 'lab-dino', 'lab-sam', 'lab-sam-vfss'\], got 'rad-dino'",
    ):
        train_lab_teacher("rad-dino", out=tmp_path)
    with pytest.raises(ConfigError, match=r"large size must be one of .* got 'lab-sam-vfss'"):
        amount_of("lab-sam-vfss", is_large=True)


def test_every_lab_teacher_of_the_catalogue_has_the_command_that_makes_it() -> None:
    commands = {amount.teacher: amount.command for amount in AMOUNTS.values()}
    assert set(commands) == {name for name in CATALOGUE if name.startswith("lab-")}
    for name, command in commands.items():
        assert f"`{command}`" in CATALOGUE[name].how_to_get
