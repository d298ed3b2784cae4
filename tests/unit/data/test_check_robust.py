"""What users' folders really hold: pipes, rights, names that are no paths, masks nobody asked for. None of it stops the check."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agglo.data import open_dataset
from agglo.data.check import check_folder
from agglo.data.masks import write_png
from agglo.data.split_files import save_split
from agglo.data.splits import split_by
from agglo_runtime.images import read_image
from unit.data.spoiling import write_sound


def _kinds(folder: Path) -> set[str]:
    return {problem.kind for problem in check_folder(folder).problems}


def test_strange_things_in_the_folder_are_no_end_either(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d")
    folder.image("p0_f0").unlink()
    folder.image("p0_f0").mkdir()
    (folder.path / "images" / "loop.png").symlink_to("loop.png")
    folder.cells("p0_f1", {"image": "images/" + "x" * 5000})
    folder.cells("p0_f2", {"image": "../../../etc"})
    folder.image("p1_f0").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\xff" * 64)
    found = [problem for problem in check_folder(folder.path).problems if problem.kind != "image_without_row"]
    assert [problem.kind for problem in found] == ["missing_image"] * 3 + ["unreadable_image"]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d")
    (folder.path / "frames.csv").unlink()
    for name in ("frames.csv", "split.json"):
        os.mkfifo(folder.path / name)
    found = {(problem.kind, problem.where) for problem in check_folder(folder.path).problems}
    assert {("broken_table", "frames.csv"), ("broken_json", "split.json")} <= found


def test_a_folder_that_may_not_be_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    (problem,) = check_folder(write_sound(tmp_path / "d").path).problems
    assert (problem.kind, problem.found) == ("no_dataset", "cannot be looked into: Permission denied")


def test_names_that_are_no_paths_hide_no_other_problem(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d")
    header = json.loads((folder.path / "dataset.json").read_text())
    (folder.path / "dataset.json").write_text(json.dumps(header | {"raters": ["a\0b"]}))
    folder.blank_image("p0_f0")
    assert {"header", "rater", "blank_image"} <= _kinds(folder.path)


def test_an_index_that_is_no_number_of_a_frame_hides_no_copy(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d")
    folder.cell("p0_f1", "index", "9" * 5000, "bad_index")
    folder.copy_image_of_another_patient("p1_f1", "p2_f2")
    assert _kinds(folder.path) == {"bad_index", "duplicate_frame"}


def test_a_missing_mask_hides_no_empty_one_beside_it(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d", encoding="per_structure")
    (folder.path / "masks" / "C1" / "p0_f1.png").unlink()
    write_png(folder.path / "masks" / "bolus" / "p0_f1.png", np.zeros((20, 24), np.uint8))
    assert _kinds(folder.path) == {"missing_mask", "present_but_empty"}


def test_a_mask_that_no_state_asks_for_is_read_too(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d", encoding="per_structure").path
    write_png(folder / "masks" / "bolus" / "p0_f0.png", np.ones((20, 24), np.uint8))
    (problem,) = check_folder(folder).problems
    assert (problem.kind, problem.where) == ("absent_but_pixels", "frames.csv line 2 (p0_f0) bolus")


RATERS_MASKS = {
    "of another size": (np.full((5, 5), 3, np.uint16), "mask_size"),
    "unknown bit": (np.full((20, 24), 3 | 1 << 9, np.uint16), "mask_value"),
    "in colours": (np.full((20, 24, 3), 3, np.uint8), "unreadable_mask"),
}


@pytest.mark.parametrize(("pixels", "kind"), RATERS_MASKS.values(), ids=RATERS_MASKS)
def test_masks_of_raters_are_held_to_the_same(pixels: np.ndarray, kind: str, tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d").path
    Image.fromarray(pixels).save(folder / "masks" / "ann" / "p0_f1.png")
    (problem,) = check_folder(folder).problems
    assert (problem.kind, problem.where) == (kind, "masks/ann/p0_f1.png")


def test_a_split_by_ids_holds_for_a_mended_mask_and_is_looked_into(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d")
    dataset = open_dataset(folder.path)
    save_split(split_by(dataset, seed=0), folder.path / "split.json", dataset)
    page = read_image(folder.mask("p0_f1")).astype(np.uint16)
    page[0, 0] |= 1
    write_png(folder.mask("p0_f1"), page)
    assert check_folder(folder.path).problems == []

    frames = json.loads((folder.path / "split.json").read_text())["frames"]
    frames["test"].append(frames["train"].pop())
    (folder.path / "split.json").write_text(json.dumps({"by": "patient", "frames": frames}))
    assert _kinds(folder.path) == {"split_leak"}


def test_blanks_around_a_cell_make_no_other_patient(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d")
    folder.cells("p0_f1", {"patient": "p0 ", "id": " p0_f1"})
    assert check_folder(folder.path).problems == []
    frame = open_dataset(folder.path).frames[1]
    assert (frame.id, frame.patient) == ("p0_f1", "p0")


def test_of_two_masks_with_one_name_the_unused_one_is_told_of(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 24), dtype=np.uint8)
    write_png(tmp_path / "images" / "a.png", pixels)
    for name in ("a.png", "a.tif"):
        write_png(tmp_path / "masks" / name, np.ones((20, 24), np.uint8))
    (tmp_path / "classes.json").write_text(json.dumps({"classes": [11], "patients": "one"}))
    (problem,) = check_folder(tmp_path).problems
    assert (problem.kind, problem.found) == ("orphan_mask", "is not used: another mask has its name")
    assert open_dataset(tmp_path).structures == ("11",)
