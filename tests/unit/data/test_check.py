"""The check of a whole folder: everything that is wrong comes in one report, and nothing stops it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agglo.data import open_dataset
from agglo.data.check import KINDS, check_folder
from agglo.data.check.probes import ON_DATASET, ON_FRAME, ON_SURVEY
from agglo.data.masks import write_png
from agglo.data.splits import split_by
from agglo_runtime.images import read_image
from unit.data.spoiling import write_sound


def _kinds(folder: Path) -> set[str]:
    return {problem.kind for problem in check_folder(folder).problems}


@pytest.mark.parametrize("encoding", ["bitfield", "per_structure", "index"])
def test_a_sound_folder_has_no_problem(encoding: str, tmp_path: Path) -> None:
    report = check_folder(write_sound(tmp_path / "d", encoding=encoding).path)
    assert report.problems == []
    assert report.counts.units == {"patients": 4, "videos": 4, "swallows": 4, "frames": 12, "labelled": 12}
    assert report.counts.states["bolus"] == {
        "present": 8,
        "absent": 4,
        "not_assessable": 0,
        "unlabelled": 0,
    }
    assert report.counts.patients["p1"] == {"videos": 1, "swallows": 1, "frames": 3, "labelled": 3}
    assert report.counts.raters == {"ann": 2}


def test_a_split_is_counted_by_part(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d").path
    split_by(open_dataset(folder), seed=0).save(folder / "split.json")
    counts = check_folder(folder).counts.parts["split.json"]
    assert sum(part["frames"] for part in counts.values()) == 12
    assert {part["patients"] * 3 == part["frames"] for part in counts.values()} == {True}


def test_one_report_on_a_folder_spoilt_in_eight_ways(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d")
    expected = [
        folder.truncate_image("p0_f0"),
        folder.resize_mask("p0_f1"),
        folder.strange_bit("p0_f2"),
        folder.absent_with_pixels("p1_f0"),
        folder.copy_image_of_another_patient("p1_f1", "p2_f2"),
        folder.cell("p1_f2", "spacing_row_mm", "0", "spacing"),
        folder.cell("p2_f0", "state:C1", "perhaps", "unknown_state"),
        folder.leaking_split(),
    ]
    report = check_folder(folder.path)
    for kind, where in expected:
        assert any(problem.kind == kind and where in problem.where for problem in report.errors), (
            kind,
            where,
        )
    assert [each.where for each in report.errors if each.kind == "spacing"] == ["frames.csv line 7 (p1_f2)"]
    assert len(expected) == len({kind for kind, _ in expected}) == 8
    assert {problem.kind for problem in report.problems} == {kind for kind, _ in expected}


LOOKS = {  # name: (what is done to one frame's cells, kind expected or None, is it an error)
    "tiny_spacing": ({"spacing_row_mm": "0.019", "spacing_col_mm": "0.019"}, "spacing"),
    "large_spacing": ({"spacing_row_mm": "5.1", "spacing_col_mm": "5.1"}, "spacing"),
    "edge_spacing": ({"spacing_row_mm": "5", "spacing_col_mm": "5"}, None),
    "nan_spacing": ({"spacing_row_mm": "nan"}, "spacing"),
    "flat_spacing": ({"spacing_row_mm": "0.9", "spacing_col_mm": "0.4"}, "spacing"),
    "half_a_spacing": ({"spacing_row_mm": ""}, "spacing"),
    "no_spacing": ({"spacing_row_mm": "", "spacing_col_mm": "", "spacing_source": ""}, None),
    "no_source": ({"spacing_source": ""}, "spacing"),
    "slow": ({"fps": "0.1", "fps_source": "header"}, "fps"),
    "fast": ({"fps": "1000", "fps_source": "header"}, "fps"),
    "minus": ({"fps": "-30", "fps_source": "header"}, "fps"),
    "no_fps_source": ({"fps": "30", "fps_source": "none"}, "fps_source"),
    "fine_fps": ({"fps": "29.97", "fps_source": "header"}, None),
    "id": ({"id": "a b", "image": "images/p0_f1.png"}, "bad_id"),
    "visible": ({"visible:C1": "1.5"}, "bad_visible"),
    "index": ({"index": "-1"}, "bad_index"),
    "blank": ({"patient": ""}, "blank_cell"),
    "place": ({"index": "0"}, "duplicate_place"),
    "masks": ({"mask": "masks/p0_f1.png;masks/p0_f1.png"}, "mask_files"),
    "no_mask": ({"mask": ""}, "missing_mask"),
    "case": ({"patient": "P0"}, "case"),
    "polarity": ({"polarity": "bone white"}, "bad_polarity"),
}


@pytest.mark.parametrize(("cells", "kind"), LOOKS.values(), ids=LOOKS)
def test_cells(cells: dict[str, str], kind: str | None, tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d")
    folder.cells("p0_f1", cells)
    found = _kinds(folder.path)
    assert kind in found if kind else found == set()


def test_a_warning_is_no_error(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d")
    folder.cells("p0_f1", {"fps": "30", "fps_source": ""})
    report = check_folder(folder.path)
    assert ([each.kind for each in report.warnings], report.errors) == (["fps_source"], [])


REPEATS = {  # name: (target frame, source frame, cells of both, kind expected)
    "another_patient": ("p1_f0", "p0_f0", {}, "duplicate_frame"),
    "another_moment": ("p0_f2", "p0_f0", {"pulses_per_s": "15", "fps": "30"}, "duplicate_frame"),
    "next_unsaid": ("p0_f1", "p0_f0", {}, "repeated_frame"),
    "same_rate": ("p0_f1", "p0_f0", {"pulses_per_s": "30", "fps": "30"}, "repeated_frame"),
    "fewer_pulses": ("p0_f1", "p0_f0", {"pulses_per_s": "15", "fps": "30"}, None),
    "same_time": ("p0_f1", "p0_f0", {"time_s": "0.25"}, None),
    "said": ("p0_f1", "p0_f0", {"is_duplicate": "1"}, None),
}


@pytest.mark.parametrize(("target", "source", "cells", "kind"), REPEATS.values(), ids=REPEATS)
def test_repeated_pictures(
    target: str, source: str, cells: dict[str, str], kind: str | None, tmp_path: Path
) -> None:
    folder = write_sound(tmp_path / "d")
    Image.open(folder.image(source)).save(folder.image(target), compress_level=9)  # other bytes, same pixels
    for frame in (target, source):
        folder.cells(frame, {**cells, **({"fps_source": "header"} if "fps" in cells else {})})
    assert _kinds(folder.path) == ({kind} if kind else set())


def test_another_video_of_the_same_patient(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d")
    folder.cells("p0_f1", {"video": "v1"})
    folder.image("p0_f1").write_bytes(folder.image("p0_f0").read_bytes())
    (found,) = check_folder(folder.path).problems
    assert (found.kind, found.where) == ("duplicate_frame", "images/p0_f1.png")
    assert found.found == "is the same picture as images/p0_f0.png, of another video"


MASKS = {  # name: (encoding, file, pixels, kind)
    "class": ("index", "masks/p0_f0.png", np.full((20, 24), 7, np.uint8), "mask_value"),
    "grades": ("per_structure", "masks/C1/p0_f0.png", np.arange(480, dtype=np.uint8).reshape(20, 24), "mask_value"),
    "empty": ("per_structure", "masks/C1/p0_f0.png", np.zeros((20, 24), np.uint8), "present_but_empty"),
    "orphan": ("bitfield", "masks/p9_f9.png", np.zeros((20, 24), np.uint16), "orphan_mask"),
    "stranger": ("per_structure", "masks/C9/p0_f0.png", np.zeros((20, 24), np.uint8), "unknown_structure"),
    "rater": ("bitfield", "masks/ann/p0_f0.png", np.zeros((20, 24), np.uint16), "present_but_empty"),
}  # fmt: skip


@pytest.mark.parametrize(("encoding", "name", "pixels", "kind"), MASKS.values(), ids=MASKS)
def test_masks(encoding: str, name: str, pixels: np.ndarray, kind: str, tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d", encoding=encoding).path
    write_png(folder / name, pixels)
    report = check_folder(folder)
    assert kind in {problem.kind for problem in report.errors}


def test_a_mask_in_colours_is_refused(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d", encoding="index").path
    Image.open(folder / "masks" / "p0_f0.png").convert("P").save(folder / "masks" / "p0_f0.png")
    (found,) = check_folder(folder).problems
    assert (found.kind, found.where) == ("unreadable_mask", "masks/p0_f0.png")


def test_a_flipped_bit_inside_a_png_is_seen(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d")
    content = bytearray(folder.image("p0_f0").read_bytes())
    content[content.index(b"IDAT") + 9] ^= 0x10
    folder.image("p0_f0").write_bytes(content)
    assert _kinds(folder.path) == {"unreadable_image"}


SPOILT_TABLES = {  # name: (bytes of frames.csv from the sound ones, kind)
    "semicolons": (lambda table: table.replace(b",", b";"), "broken_table"),
    "latin": (lambda table: table.replace(b"oral", "öral".encode("latin-1"), 1), "broken_table"),
    "nul": (lambda table: table.replace(b"oral", b"or\0al", 1), "broken_table"),
    "empty": (lambda table: b"", "broken_table"),
    "header_only": (lambda table: table.partition(b"\n")[0], "empty"),
    "cut": (lambda table: table[: len(table) * 2 // 3], "row_count"),
    "no_column": (lambda table: table.replace(b",index,", b",order,", 1), "columns"),
    "twice": (lambda table: table.replace(b",phase", b",index", 1), "columns"),
    "quote": (lambda table: table.replace(b"oral", b'"oral', 1), "row_count"),
}


@pytest.mark.parametrize(("spoil", "kind"), SPOILT_TABLES.values(), ids=SPOILT_TABLES)
def test_a_broken_table_hides_no_other_problem(spoil, kind: str, tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d")
    folder.truncate_image("p0_f0")
    table = folder.path / "frames.csv"
    table.write_bytes(spoil(table.read_bytes()))
    found = _kinds(folder.path)
    assert kind in found
    assert "unreadable_image" in found or kind == "empty"


SPOILT_HEADERS = {  # name: (text of dataset.json, kind)
    "broken": ("{", "broken_json"),
    "a_list": ("[]", "broken_json"),
    "nothing": ("{}", "header"),
    "groups": ('{"groups": {"moving": ["tongue"]}}', "unknown_structure"),
    "wild": ('{"structures": 3, "groups": 4, "counts": 5, "raters": 6, "description": 7}', "header"),
    "deep": ("[" * 100_000, "broken_json"),
}


@pytest.mark.parametrize(("text", "kind"), SPOILT_HEADERS.values(), ids=SPOILT_HEADERS)
def test_a_broken_header_hides_no_other_problem(text: str, kind: str, tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d")
    expected = folder.absent_with_pixels("p1_f0")
    (folder.path / "dataset.json").write_text(text)
    found = check_folder(folder.path).problems
    assert kind in {problem.kind for problem in found}
    assert any(problem.kind == expected[0] and expected[1] in problem.where for problem in found)


def test_what_is_no_dataset_is_said_to_be_none(tmp_path: Path) -> None:
    assert _kinds(tmp_path) == {"no_dataset"}
    assert _kinds(tmp_path / "absent") == {"no_dataset"}
    (tmp_path / "file").write_text("x")
    assert _kinds(tmp_path / "file") == {"no_dataset"}


def test_a_check_that_fails_is_a_problem_and_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def clumsy(look: object) -> None:
        raise ZeroDivisionError("one over nothing")

    monkeypatch.setattr("agglo.data.check.run.ON_FRAME", (clumsy, *ON_FRAME))
    found = check_folder(write_sound(tmp_path / "d").path).problems
    assert {problem.kind for problem in found} == {"crashed"}
    assert len(found) == 12
    assert found[0].found == "the check `clumsy` gave ZeroDivisionError: one over nothing"
    assert "p0_f0" in found[0].where


def test_plain_folders(tmp_path: Path) -> None:
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (20, 24), dtype=np.uint8)
        write_png(tmp_path / "images" / f"a_{number}.png", pixels)
    write_png(tmp_path / "masks" / "a_0.png", np.full((20, 24), 1, np.uint8))
    classes = {"classes": ["tooth", "jaw"], "patients": "one"}
    (tmp_path / "classes.json").write_text(json.dumps(classes))
    report = check_folder(tmp_path)
    assert report.problems == []
    assert report.counts.states == {
        "tooth": {"present": 1, "absent": 0, "not_assessable": 0, "unlabelled": 2},
        "jaw": {"present": 0, "absent": 1, "not_assessable": 0, "unlabelled": 2},
    }
    write_png(tmp_path / "masks" / "a_0.png", np.full((20, 20), 3, np.uint8))
    write_png(tmp_path / "masks" / "a_7.png", np.full((20, 24), 1, np.uint8))
    (tmp_path / "images" / "a_1.png").write_bytes(b"")
    Image.open(tmp_path / "images" / "a_2.png").save(tmp_path / "images" / "a_2.bmp")
    assert _kinds(tmp_path) >= {"mask_value", "mask_size", "orphan_mask", "unreadable_image", "duplicate_id"}
    (tmp_path / "classes.json").write_text('{"classes": ["tooth", "tooth"], "patients": "few"}')
    assert _kinds(tmp_path) >= {"header", "mask_value", "unreadable_image"}


def test_every_kind_can_be_explained_and_every_probe_is_there_once() -> None:
    probes = [*ON_SURVEY, *ON_FRAME, *ON_DATASET]
    assert len(set(probes)) == len(probes)
    for probe in probes:
        assert probe.__doc__, probe
    for name, kind in KINDS.items():
        assert kind.must.endswith("."), name
        assert kind.remedy.endswith("."), name


def test_one_thread_and_many_find_the_same(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d")
    folder.truncate_image("p0_f0")
    folder.resize_mask("p0_f1")
    told: list[tuple[int, int]] = []
    one = check_folder(
        folder.path, workers=1, progress=lambda done, total, note="": told.append((done, total))
    )
    assert one == check_folder(folder.path, workers=4)
    assert told[-1] == (12, 12)


def test_deep_pictures_are_fine(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d")
    image = read_image(folder.image("p0_f0")).astype(np.uint16) * np.uint16(200)
    write_png(folder.image("p0_f0"), image)
    assert _kinds(folder.path) == set()


NAMES = {  # what classes.json says beside the classes: whether numbered frames of two videos are warned of
    "nothing": ({}, True),
    "source": ({"patients": "source"}, False),
    "each, knowingly": ({"patients": "each"}, False),
}


@pytest.mark.parametrize(("said", "is_warned"), NAMES.values(), ids=NAMES)
def test_frames_of_videos_taken_as_patients_are_warned_of(
    said: dict[str, str], is_warned: bool, tmp_path: Path
) -> None:
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        for video in "ab":
            for frame in range(2):
                pixels = np.zeros((8, 8), np.uint8)
                pixels[2:4, 2 : 5 + frame] = 1 if kind == "masks" else 90 + ord(video) + frame
                Image.fromarray(pixels).save(tmp_path / kind / f"swallow-{video}_{frame:05d}.png")
    (tmp_path / "classes.json").write_text(json.dumps({"classes": ["bolus"], **said}))
    found = [each for each in check_folder(tmp_path).warnings if each.kind == "frames_as_patients"]
    assert bool(found) == is_warned
    if found:
        assert found[0].found.startswith(
            "4 pictures have the names of 2 sources and a number, such as swallow-a_00000"
        )
