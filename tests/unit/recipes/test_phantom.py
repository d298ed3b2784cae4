"""Phantom datasets on disk: the same bytes however they were made, resumable, with a card; test sets kept apart."""

import hashlib
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from agglo.config.schema import PhantomConfig
from agglo.core.errors import ConfigError, DataError
from agglo.data import open_dataset
from agglo.phantom import STRUCTURES
from agglo.phantom.cohort import FIRST_RESERVED_SEED, TEST_SETS, Cohort, held_out_cohort, trainable
from agglo.phantom.presets import HELD_OUT, PRESETS
from agglo.phantom.workers import record
from agglo.recipes import phantom
from agglo.recipes.phantom import card, cohort_of, make_cohort, make_phantom, refuse_held_out

CONFIG = PhantomConfig(patients=2, frames=2, swallows=2, size_px=64, seed=4, raters=("annotator",))


def digest(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@pytest.fixture
def no_workers(monkeypatch):
    """Render in this process: starting others takes longer than the rendering."""
    monkeypatch.setattr(phantom, "recorded", here)


def here(cohort, wanted, *, workers):
    return (record(cohort, *who) for who in wanted)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phantom, "recorded", here)
        return make_phantom(tmp_path_factory.mktemp("phantom") / "whole", CONFIG)


def test_a_dataset_has_its_recordings_raters_facts_and_card(whole):
    found = open_dataset(whole)
    assert len(found) == 8
    assert {frame.patient for frame in found.frames} == {"p0000", "p0001"}
    assert {(frame.video, frame.swallow) for frame in found.frames} == {("v0", "s0"), ("v1", "s1")}
    frame = found.frames[0]
    assert 60 <= float(frame.facts["kvp"]) <= 75
    spacing = float(frame.facts["imager_spacing_mm"]) / float(frame.facts["magnification"])
    assert spacing == pytest.approx(frame.spacing_mm[0], rel=1e-3)
    sizes = float(frame.facts["source_detector_mm"]) / float(frame.facts["source_patient_mm"])
    assert sizes == pytest.approx(float(frame.facts["magnification"]), rel=1e-3)
    assert frame.facts["shows"] == "lateral"
    assert all(float(frame.facts[f"cnr:{name}"]) >= 0 for name in STRUCTURES)
    assert (whole / "masks" / "annotator").is_dir()
    text = (whole / "README.md").read_text(encoding="utf-8")
    for words in ("PHANTOM", "Research use", "standard", "| 2, 4, 8 |", found.description["identity"]):
        assert words in text
    assert not (whole / phantom.PARTS).exists()


def test_worker_processes_give_the_bytes_of_one_and_a_stop_changes_nothing(whole, tmp_path, monkeypatch):
    cut, told = tmp_path / "cut", []

    def stop(done, total, note=""):
        if done == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(phantom, "recorded", here)
        with pytest.raises(KeyboardInterrupt):
            make_phantom(cut, CONFIG, progress=stop)
    assert not (cut / "dataset.json").exists()
    (cut / "images" / "p0001-s0-f000.png").write_bytes(b"half a pic")
    make_phantom(cut, CONFIG, workers=1, progress=lambda done, total, note="": told.append((done, note)))
    assert told[0] == (2, "recordings found")
    assert [done for done, _ in told] == [2, 3, 4]
    assert digest(cut) == digest(whole)


@pytest.mark.slow
def test_a_kill_leaves_no_worker_behind_and_changes_nothing(whole, tmp_path):
    cut = tmp_path / "cut"
    script = tmp_path / "make.py"
    script.write_text(
        "import os, signal\n"
        "from multiprocessing import active_children\n"
        "from pathlib import Path\n\n"
        "def kill(done, total, note=''):\n"
        "    if done == 2:\n"
        "        print(*(child.pid for child in active_children()), flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n\n"
        "if __name__ == '__main__':\n"
        "    from agglo.config.schema import PhantomConfig\n"
        "    from agglo.recipes.phantom import make_phantom\n\n"
        f"    make_phantom(Path({str(cut)!r}), PhantomConfig(**{CONFIG.model_dump()!r}), progress=kill, workers=1)\n",
        encoding="utf-8",
    )
    killed = subprocess.run([sys.executable, str(script)], check=False, stdout=subprocess.PIPE, text=True)
    assert killed.returncode == -signal.SIGKILL  # and the pipe is closed: nobody holds it any more
    assert killed.stdout.split()
    assert not (cut / "dataset.json").exists()
    make_phantom(cut, CONFIG, workers=2)
    assert digest(cut) == digest(whole)


def test_a_whole_dataset_is_left_as_it_is(whole):
    """Also what a kill while tidying up has left behind goes then."""
    (whole / phantom.PARTS).mkdir()
    (whole / phantom.PARTS / "p0000-s0.json").write_text("{}", encoding="utf-8")
    before = {file: file.stat().st_mtime_ns for file in whole.rglob("*.*") if file.is_file()}
    make_phantom(whole, CONFIG)
    after = {file: file.stat().st_mtime_ns for file in whole.rglob("*.*") if file.is_file()}
    assert before.keys() - after.keys() == {whole / phantom.PARTS / "p0000-s0.json"}
    assert after.items() <= before.items()
    assert not (whole / phantom.PARTS).exists()


def test_files_of_somebody_elses_are_not_overwritten(tmp_path):
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"must be a new folder .* holds README.md, which would be overwritten"
    ):
        make_phantom(tmp_path, CONFIG)
    assert [file.name for file in tmp_path.iterdir()] == ["README.md"]
    with pytest.raises(DataError, match="must be a folder for phantom-standard, but is a file"):
        make_phantom(tmp_path / "README.md", CONFIG)


def test_an_unfinished_dataset_of_other_settings_is_not_gone_on_with(tmp_path):
    (tmp_path / phantom.PARTS).mkdir()
    (tmp_path / phantom.PARTS / "cohort.json").write_text('{"identity": "0"}', encoding="utf-8")
    with pytest.raises(DataError, match="must go on as it was begun, with the settings 0, got"):
        make_phantom(tmp_path, CONFIG)


def test_a_dataset_of_other_settings_is_not_lost(whole):
    with pytest.raises(DataError, match=r"holds a dataset, which would be lost \(its identity is "):
        make_phantom(whole, CONFIG.model_copy(update={"seed": 5}))


def test_what_is_kept_for_testing_is_refused_for_training(whole):
    with pytest.raises(ValueError, match="less than 1000000000"):
        PhantomConfig(seed=TEST_SETS["v1"].seed)
    with pytest.raises(ConfigError, match="must have a seed below 1000000000 and none of the presets"):
        cohort_of(PhantomConfig(preset="test-v1"))
    with pytest.raises(ConfigError, match=f"got seed {FIRST_RESERVED_SEED}"):
        trainable(Cohort("x", 1, 1, 64, FIRST_RESERVED_SEED, "standard"))
    refuse_held_out(open_dataset(whole))


def test_the_test_set_is_frozen_and_of_a_unit_of_its_own():
    cohort = held_out_cohort("v1")
    assert cohort.name == "phantom-test-v1"
    assert cohort.patients >= 30
    assert cohort.seed >= FIRST_RESERVED_SEED
    unit = HELD_OUT[cohort.preset]
    trained = PRESETS["standard"]
    assert unit.gamma[0] > trained.gamma[1]
    assert unit.codec_quality[1] < trained.codec_quality[0]
    assert not set(unit.barium_percent) & {p for preset in PRESETS.values() for p in preset.barium_percent}
    assert not set(unit.pulses_per_s) & {p for preset in PRESETS.values() for p in preset.pulses_per_s}
    assert len(unit.facings) == 1
    assert "--test v1" in card(cohort)
    with pytest.raises(ConfigError, match=r"must be one of \['v1'\], got 'v2'"):
        held_out_cohort("v2")


@pytest.mark.usefixtures("no_workers")
def test_a_test_set_opens_only_as_what_it_is(whole, tmp_path, monkeypatch):
    small = replace(TEST_SETS["v1"], patients=1, frames=1, size_px=64)
    monkeypatch.setattr(phantom, "held_out_cohort", lambda name: small)
    made = phantom.open_test_set(tmp_path / "test", "v1")
    assert made.description["held_out"] == "v1"
    assert made.description["identity"] == small.identity
    with pytest.raises(DataError, match="must not be a phantom test set"):
        refuse_held_out(made)
    with pytest.raises(DataError, match="must hold phantom-test-v1"):
        phantom.open_test_set(whole, "v1")
    again = make_cohort(tmp_path / "test", small)
    assert open_dataset(again).fingerprint == made.fingerprint
