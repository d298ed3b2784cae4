"""What the native format demands, and that every problem is named at once."""

import json
from pathlib import Path

import pytest

from agglo.core.errors import DataError
from agglo.data import State, open_dataset


def _edit_json(folder: Path, **changes: object) -> None:
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _replace(folder: Path, old: str, new: str) -> None:
    path = folder / "frames.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_round_trip_of_the_table(make_dataset) -> None:
    dataset = make_dataset()
    frame = dataset.frames[5]
    assert (frame.id, frame.patient, frame.video, frame.index) == ("p1_f2", "p1", "v0", 2)
    assert (frame.spacing_mm, frame.spacing_source) == ((0.5, 0.4), "phantom")
    assert (frame.fps, frame.fps_source) == (None, "none")
    assert frame.states == (State.PRESENT,) * 3
    assert frame.facts == {"phase": "oral"}
    assert dataset.groups == {"moving": ("bolus", "pharynx"), "static": ("C1",)}
    assert (dataset.name, len(dataset)) == ("tiny", 12)


HEADER_PROBLEMS = {  # name: (changes of dataset.json, text)
    "version": ({"format_version": 9}, "must have format_version 1, it has 9"),
    "encoding": ({"mask_encoding": "rle"}, "`mask_encoding` must be one of"),
    "repeated": ({"structures": ["a", "a"], "groups": {}}, "`structures` must be distinct"),
    "unusable_name": ({"structures": ["a/b"], "groups": {}}, "structure 'a/b' must be a name without"),
    "no_list": ({"structures": "bolus"}, "`structures` must be a list of names"),
    "group": ({"groups": {"moving": ["tongue"]}}, r"it also has \['tongue'\]"),
    "description": ({"description": "mine"}, "`description` must be an object"),
    "count": ({"counts": {"frames": 99}}, "must have the 99 rows that dataset.json counts, it has 12"),
    "column": ({"structures": ["bolus", "pharynx", "C1", "C2"]}, "the column `state:C2` must be there"),
    "surplus": ({"structures": ["bolus", "pharynx"], "groups": {}}, "`state:C1` must name a structure"),
}


@pytest.mark.parametrize(("changes", "text"), HEADER_PROBLEMS.values(), ids=HEADER_PROBLEMS)
def test_header_problems(make_dataset, changes: dict[str, object], text: str) -> None:
    folder = make_dataset().folder
    _edit_json(folder, **changes)
    with pytest.raises(DataError, match=text) as caught:
        open_dataset(folder)
    assert str(folder) in str(caught.value)


ROW_PROBLEMS = {  # name: (old text in the table, new text, what is said)
    "state": (
        "phantom,,none,present",
        "phantom,,none,maybe",
        r"line 2: `state:bolus` must be one of .* it is 'maybe'",
    ),
    "spacing": ("0.5,0.4", "-0.5,0.4", "line 2: `spacing_row_mm` must be a number above 0, it is '-0.5'"),
    "half_a_spacing": ("0.5,0.4", "0.5,", "line 2: spacing_row_mm and spacing_col_mm must be given together"),
    "fps": ("phantom,,none", "phantom,nan,none", "line 2: `fps` must be a number above 0, it is 'nan'"),
    "index": ("v0,,0,", "v0,,first,", "line 2: `index` must be a whole number of at least 0, it is 'first'"),
    "no_index": ("v0,,0,", "v0,,,", "line 2: `index` must not be blank"),
    "no_patient": (",p0,v0,,0,", ",,v0,,0,", "line 2: `patient` must not be blank"),
    "image_gone": ("images/p0_f0.png", "images/x.png", "images/x.png must be a file in the dataset's folder"),
    "mask_gone": ("masks/p0_f0.png", "masks/x.png", "masks/x.png must be a file in the dataset's folder"),
    "no_mask": (
        ",masks/p0_f0.png,",
        ",,",
        r"`mask` must name a file, since \['bolus', 'pharynx', 'C1'\] are present",
    ),
    "two_masks": (
        "masks/p0_f0.png",
        "masks/p0_f0.png;masks/p0_f1.png",
        r"must name 1 file\(s\) for 3 structures, it names 2",
    ),
    "same_id": (
        "p0_f1,images/p0_f1.png",
        "p0_f0,images/p0_f1.png",
        "id must be unique, p0_f0 occurs more than once",
    ),
    "same_place": (",p0,v0,,1,", ",p0,v0,,0,", "patient, video and index must be unique, p0, v0, 0"),
    "cells": (",oral\n", ",oral,more\n", "line 2: must have 16 cells like the first line, it has 17"),
}


@pytest.mark.parametrize(("old", "new", "text"), ROW_PROBLEMS.values(), ids=ROW_PROBLEMS)
def test_row_problems(make_dataset, old: str, new: str, text: str) -> None:
    folder = make_dataset().folder
    _replace(folder, old, new)
    with pytest.raises(DataError, match=text):
        open_dataset(folder)


def test_all_problems_come_in_one_message(make_dataset) -> None:
    folder = make_dataset().folder
    for old, new in (("0.5,0.4", "x,0.4"), ("masks/p1_f0.png", "gone.png"), (",present,", ",perhaps,")):
        _replace(folder, old, new)
    (folder / "images" / "p3_f2.png").unlink()
    with pytest.raises(DataError) as caught:
        open_dataset(folder)
    message = str(caught.value)
    assert "4 problems" in message
    for part in ("'x'", "gone.png", "'perhaps'", "images/p3_f2.png"):
        assert part in message


def test_a_long_list_is_cut(make_dataset) -> None:
    folder = make_dataset(frames=10).folder
    for path in (folder / "images").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"40 problems[\s\S]*\.\.\. and 10 more$"):
        open_dataset(folder)


def test_per_structure_masks_are_needed_where_present(make_dataset) -> None:
    folder = make_dataset(encoding="per_structure").folder
    (folder / "masks" / "C1" / "p2_f0.png").unlink()
    with pytest.raises(DataError, match=r"masks/C1/p2_f0\.png must be a file"):
        open_dataset(folder)
    _replace(
        folder,
        "p2_f0,images/p2_f0.png,,p2,v0,,0,0.5,0.4,phantom,,none,present,present,present",
        "p2_f0,images/p2_f0.png,,p2,v0,,0,0.5,0.4,phantom,,none,present,present,",
    )
    dataset = open_dataset(folder)
    assert dataset.frames[6].states[2] is State.UNLABELLED
    assert not dataset.masks(6)[2].any()


def test_visible_columns(make_dataset) -> None:
    folder = make_dataset().folder
    lines = (folder / "frames.csv").read_text().splitlines()
    lines = [lines[0] + ",visible:C1", *(line + "," for line in lines[1:])]
    lines[1] += "0.25"
    (folder / "frames.csv").write_text("\n".join(lines))
    dataset = open_dataset(folder)
    assert dataset.visible(0).tolist() == [1, 1, 0.25]
    assert dataset.visible(1).tolist() == [1, 1, 1]
    assert "visible:C1" not in dataset.frames[0].facts
    _replace(folder, "0.25", "1.25")
    with pytest.raises(DataError, match=r"`visible:C1` must be a number from 0 to 1, it is '1\.25'"):
        open_dataset(folder)


UNREADABLE = {  # name: (file, its content, text)
    "json": ("dataset.json", b"{", "must be JSON"),
    "json_list": ("dataset.json", b"[]", "must be a JSON object"),
    "latin": ("frames.csv", b"id,\xff\xfe", "must be a CSV table in UTF-8"),
    "empty": ("frames.csv", b"", "must have a line of column names"),
}


@pytest.mark.parametrize(("name", "content", "text"), UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_files(make_dataset, name: str, content: bytes, text: str) -> None:
    folder = make_dataset().folder
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=text):
        open_dataset(folder)


def test_a_table_that_is_missing(make_dataset) -> None:
    folder = make_dataset().folder
    (folder / "frames.csv").unlink()
    with pytest.raises(
        DataError, match=r"frames\.csv must be there, it is missing; the dataset was not written to its end"
    ):
        open_dataset(folder)
