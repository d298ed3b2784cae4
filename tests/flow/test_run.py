"""The whole path through the command line: frames in, a report out, nothing done twice, nothing lost to bad input."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import agglo as package
from flow.command_line import ROOT, agglo, agglo_here, losses_of
from flow.command_line import tiny as tiny_run

LIGHT = "light={steps: 6, batch_size: 4}"


def tiny(out: Path, *more: str) -> list[str]:
    """Return the words of a tiny run with a light decoder."""
    return tiny_run(out, LIGHT, *more)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny finished run."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    done = agglo(*tiny(folder))
    assert done.returncode == 0, done.stderr
    return folder


def test_a_run_ends_in_a_table_a_model_and_a_report(run_folder: Path) -> None:
    table = json.loads((run_folder / "evaluate" / "table.json").read_text())
    assert list(table["structures"]) == [
        *("bolus", "pharynx", "trachea", "epiglottis", "mandible"),
        *("C1", "C2", "C3", "C4", "C5", "C6", "C7"),
    ]
    assert table["split"] == "test"
    assert table["teachers"] == ["lab-sam", "lab-dino", "lab-clip"]
    assert {"dice", "nsd_2mm", "hd95_px", "hd95_penalised_px", "moving_dice", "static_dice"} <= table[
        "mean"
    ].keys()
    page = (run_folder / "report.html").read_text()
    assert "PHANTOM" in page
    assert "not a medical device" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert (
        len((run_folder / "evaluate" / "cases.csv").read_text().splitlines()) == 1 + table["num_frames"] * 12
    )


def test_losses_fall_as_recorded(run_folder: Path) -> None:
    """The guard of every refactor. Machines round differently, so curves may differ by two per cent."""
    recorded = json.loads((ROOT / "tests" / "golden" / "losses.json").read_text())
    found = losses_of(run_folder)
    assert found.keys() == recorded.keys()
    for stage, losses in recorded.items():
        assert found[stage] == pytest.approx(losses, rel=0.02), stage
        assert losses[-1] < losses[0]


def test_a_light_decoder_lies_beside_and_is_scored(run_folder: Path) -> None:
    found, light = (package.load(run_folder / name) for name in ("model", "light/model"))
    image = np.full((90, 70), 128, np.uint8)
    assert light.masks(image).shape == found.masks(image).shape
    assert light.config.decoder["kind"] == "light"
    weights = found.student.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in light.student.state_dict().items())
    tables = [json.loads((run_folder / "evaluate" / of / "table.json").read_text()) for of in (".", "light")]
    assert tables[0]["num_frames"] == tables[1]["num_frames"]
    facts = json.loads((run_folder / "light" / "stage.json").read_text())["facts"]
    assert facts["val_dice"] is not None
    assert f"{tables[1]['mean']['dice']:.3f}" in (run_folder / "report.html").read_text()


def test_the_supervised_arm_got_the_wall_time_of_the_distilled_one(run_folder: Path) -> None:
    budget = json.loads((run_folder / "supervised" / "budget.json").read_text())
    spent = [
        json.loads((run_folder / name / "stage.json").read_text())["facts"]["wall_s"]
        for name in ("features", "distill", "align")
    ]
    assert budget["budget_s"] == pytest.approx(sum(spent))
    facts = json.loads((run_folder / "supervised" / "stage.json").read_text())["facts"]
    assert facts["steps"] == budget["steps"] == int(budget["budget_s"] / budget["step_s"])


def touched(folder: Path) -> dict[Path, int]:
    """Return when each file was written, but for the lock, which says who is at work."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path: path.stat().st_mtime_ns for path in files}


def test_a_second_run_does_nothing_and_says_so(run_folder: Path) -> None:
    before = touched(run_folder)
    again = agglo(*tiny(run_folder))
    assert again.returncode == 0
    assert "everything is done already, up to report; nothing to do" in again.stdout
    assert touched(run_folder) == before


def test_what_is_lost_is_made_again_and_nothing_else(run_folder: Path) -> None:
    page = (run_folder / "report.html").read_text()
    (run_folder / "report.html").unlink()
    again = agglo(*tiny(run_folder))
    assert again.returncode == 0
    assert ": report done in" in again.stdout
    assert (run_folder / "report.html").read_text() == page


def test_cosmetic_settings_change_nothing(run_folder: Path) -> None:
    again = agglo(*tiny(run_folder, "distill.log_every=7", "align.checkpoint_every_s=5"))
    assert "nothing to do" in again.stdout


def test_all_that_is_missing_is_told_before_anything_is_made(tmp_path: Path) -> None:
    refused = agglo_here(
        *tiny(
            tmp_path / "run",
            "teachers=[{name: rad-dino}, {name: lab-sam, weights: nowhere}]",
            "student.init=nothing",
            "data.unlabelled=[{folder: nobody}]",
        )
    )
    assert refused.returncode == 2
    assert "phantom-quick: 4 missing" in refused.stderr
    for text in (
        "nobody must be a dataset folder",
        "rad-dino needs its weights",
        "at nowhere",
        "got nothing",
    ):
        assert text in refused.stderr
    assert not (tmp_path / "run").exists()


def test_a_dataset_is_not_overwritten_by_a_phantom(run_folder: Path) -> None:
    refused = agglo_here("phantom", run_folder / "dataset", "--patients", "1")
    assert refused.returncode == 2
    assert "holds a dataset, which would be lost" in refused.stderr
    assert len((run_folder / "dataset" / "frames.csv").read_text().splitlines()) == 1 + 8 * 6


def test_other_settings_are_refused_and_nothing_is_touched(run_folder: Path) -> None:
    before = touched(run_folder)
    refused = agglo(*tiny(run_folder, "distill.loss=mse"))
    assert refused.returncode == 2
    assert "stage distill" in refused.stderr
    assert "distill.loss: am-radio -> mse" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert touched(run_folder) == before


def test_a_model_folder_predicts_from_python_and_from_the_command_line(
    run_folder: Path, tmp_path: Path
) -> None:
    image = np.linspace(0, 255, 90 * 140).reshape(90, 140).astype(np.uint8)
    masks = package.load(run_folder / "model").predict(image)
    assert list(masks)[:2] == ["bolus", "pharynx"]
    assert {mask.shape for mask in masks.values()} == {(90, 140)}
    assert {mask.dtype for mask in masks.values()} == {np.dtype(bool)}
    (tmp_path / "in").mkdir()
    Image.fromarray(image).save(tmp_path / "in" / "frame.png")
    done = agglo("predict", run_folder / "model", tmp_path / "in", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    for name, mask in masks.items():
        written = np.asarray(Image.open(tmp_path / "out" / "masks" / name / "frame.png"))
        assert ((written > 0) == mask).all()
    assert (tmp_path / "out" / "overlay" / "frame.png").is_file()


def test_one_bad_image_does_not_cost_the_others(run_folder: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "b.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "b.png").read_bytes()[:40])
    done = agglo(
        "predict", run_folder / "model", tmp_path / "a.png", tmp_path / "b.png", "-o", tmp_path / "out"
    )
    assert done.returncode == 2
    assert "1 of 2 images were not segmented" in done.stderr
    assert "a.png" in done.stderr
    assert (tmp_path / "out" / "overlay" / "b.png").is_file()


@pytest.mark.parametrize("spoil", ["weights", "format"])
def test_a_spoilt_model_folder_is_refused(run_folder: Path, tmp_path: Path, spoil: str) -> None:
    model = tmp_path / "model"
    shutil.copytree(run_folder / "model", model)
    if spoil == "weights":
        content = bytearray((model / "model.safetensors").read_bytes())
        content[-1] ^= 1
        (model / "model.safetensors").write_bytes(bytes(content))
    else:
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps({**config, "format_version": 99}))
    done = agglo_here("predict", model, run_folder / "dataset" / "images", "-o", tmp_path / "out")
    assert done.returncode == 2
    assert ("was altered or cut off" if spoil == "weights" else "has format_version 99") in done.stderr
    assert "Traceback" not in done.stderr


BAD_INPUT = {  # name: (words, what the message says)
    "no recipe": (["run", "nowhere.yaml"], "nowhere.yaml must be a recipe"),
    "no dataset": (["data", "split", "nowhere", "-o", "s.json"], "nowhere must be a dataset folder"),
    "no model": (["predict", "nowhere", "nowhere.png", "-o", "out"], "nowhere must be a model folder"),
    "no store": (["store", "info", "nowhere"], "nowhere must be a feature store"),
    "no benchmark": (["bench", "nothing"], "a benchmark must be one of"),
    "no preset": (["phantom", "out", "--preset", "easy"], "preset"),
}


@pytest.mark.parametrize(("words", "text"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_gives_one_message_and_exit_code_2(words: list[str], text: str, tmp_path: Path) -> None:
    words = [
        str(tmp_path / word) if word in {"nowhere", "nowhere.yaml", "nowhere.png", "out"} else word
        for word in words
    ]
    done = agglo_here(*words)
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr
