"""Several raters of the same frames: written, read, and made into one reference."""

import json
from pathlib import Path

import numpy as np
import pytest

from agglo.core.errors import DataError
from agglo.data import DatasetWriter, FrameInfo, State, open_dataset
from agglo.data.raters import majority_masks, majority_state

P, A, U, N = State.PRESENT, State.ABSENT, State.UNLABELLED, State.NOT_ASSESSABLE
NAMES = ("bolus", "C1")


def _masks(*columns: int | None) -> np.ndarray:
    """Return a mask per structure: all left of its column."""
    masks = np.zeros((len(columns), 6, 8), np.bool_)
    for mask, column in zip(masks, columns, strict=True):
        mask[:, : column or 0] = True
    return masks


def _write(folder: Path, *, kind: str = "bitfield", reference: str = "own") -> Path:
    """Write two frames; three raters judge the first, one the second."""
    writer = DatasetWriter(folder, name="d", structures=NAMES, mask_encoding=kind, reference=reference)
    for index in range(2):
        image = np.arange(48, dtype=np.uint8).reshape(6, 8) + np.uint8(index)
        writer.add(FrameInfo(f"f{index}", "p", "v", index), image, _masks(8, None), (P, A))
    writer.add_rater("f0", "ann", _masks(2, 1), (P, P))
    writer.add_rater("f0", "bob", _masks(4, None), (P, A))
    writer.add_rater("f0", "cy", _masks(6, None), (P, U))
    writer.add_rater("f1", "bob", _masks(None, 3), (A, P))
    writer.finish()
    return folder


@pytest.mark.parametrize("kind", ["bitfield", "per_structure"])
def test_raters_are_read_as_written(kind: str, tmp_path: Path) -> None:
    dataset = open_dataset(_write(tmp_path / "d", kind=kind))
    assert dataset.raters == ("ann", "bob", "cy")
    assert list(dataset.rater_masks(0)) == ["ann", "bob", "cy"]
    assert list(dataset.rater_masks(1)) == ["bob"]
    assert np.array_equal(dataset.rater_masks(0)["ann"], _masks(2, 1))
    assert dataset.rater_states(0) == {"ann": (P, P), "bob": (P, A), "cy": (P, U)}
    assert np.array_equal(dataset.masks(0), _masks(8, None))
    only = dataset.with_structures(("C1",))
    assert np.array_equal(only.rater_masks(0)["ann"], _masks(2, 1)[1:])
    assert only.rater_states(1) == {"bob": (P,)}
    assert list(only.rater_masks(0)) == ["ann", "bob"]


REFERENCES = {  # reference: (columns and states of the first frame, of the second)
    "own": (((8, None), (P, A)), ((8, None), (P, A))),
    "ann": (((2, 1), (P, P)), ((None, None), (U, U))),
    "first": (((2, 1), (P, P)), ((None, 3), (A, P))),
    "majority": (((4, None), (P, U)), ((None, 3), (A, P))),
}


@pytest.mark.parametrize(("reference", "expected"), REFERENCES.items(), ids=REFERENCES)
def test_the_reference_is_whose_labels_count(reference: str, expected: tuple, tmp_path: Path) -> None:
    stated = open_dataset(_write(tmp_path / "d", reference=reference))
    asked = open_dataset(_write(tmp_path / "e"), reference=reference)
    for dataset in (stated, asked):
        for index, (columns, states) in enumerate(expected):
            assert np.array_equal(dataset.masks(index), _masks(*columns))
            assert dataset.frames[index].states == states
    assert stated.fingerprint == asked.fingerprint


def test_a_mask_of_a_voter_is_part_of_the_identity_of_a_majority(tmp_path: Path) -> None:
    folder = _write(tmp_path / "d", reference="majority")
    before = open_dataset(folder).fingerprint
    (folder / "masks" / "cy" / "f0.png").write_bytes((folder / "masks" / "bob" / "f0.png").read_bytes())
    assert open_dataset(folder).fingerprint != before
    assert open_dataset(folder).image_fingerprint == open_dataset(_write(tmp_path / "e")).image_fingerprint


STATES = {  # name: (what raters say, what the majority says)
    "most": ((P, P, A), P),
    "tie": ((P, A), U),
    "one": ((U, N, A), A),
    "nobody": ((U, U), U),
    "hidden": ((N, U), N),
}


@pytest.mark.parametrize(("said", "expected"), STATES.values(), ids=STATES)
def test_the_majority_of_states(said: tuple[State, ...], expected: State) -> None:
    assert majority_state(said) is expected


def test_a_majority_of_nobody_is_empty() -> None:
    assert not majority_masks({}, {}, (2, 3, 4)).any()
    assert majority_masks({}, {}, (2, 3, 4)).shape == (2, 3, 4)


def _edit(folder: Path, **changes: object) -> None:
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


HEADERS = {  # name: (changes of dataset.json, text)
    "no_list": ({"raters": "ann"}, "`raters` must be a list of names, it is 'ann'"),
    "twice": ({"raters": ["ann", "ann"]}, "`raters` must be distinct"),
    "like_a_structure": ({"raters": ["C1"]}, "rater 'C1' must be letters"),
    "like_a_rule": ({"raters": ["majority"]}, "rater 'majority' must be letters"),
    "a_path": ({"raters": ["../x"]}, "rater '../x' must be letters"),
    "unknown": ({"reference": "dan"}, "`reference` must be one of .* it is 'dan'"),
    "nobody": ({"raters": [], "reference": "majority"}, "name `raters` first"),
    "no_table": ({"raters": ["dan"]}, r"masks/dan/states\.csv must be there, it is missing"),
}


@pytest.mark.parametrize(("changes", "text"), HEADERS.values(), ids=HEADERS)
def test_raters_that_cannot_be(changes: dict[str, object], text: str, tmp_path: Path) -> None:
    folder = _write(tmp_path / "d")
    _edit(folder, **changes)
    with pytest.raises(DataError, match=text):
        open_dataset(folder)


def test_all_that_is_wrong_with_a_raters_table_comes_at_once(tmp_path: Path) -> None:
    folder = _write(tmp_path / "d")
    table = folder / "masks" / "ann" / "states.csv"
    table.write_text("id,state:bolus,state:C1\nf0,maybe,present\nf0,absent,absent\nf9,,\nf1,present\n")
    (folder / "masks" / "bob" / "f1.png").unlink()
    with pytest.raises(DataError) as caught:
        open_dataset(folder)
    message = str(caught.value)
    for part in ("line 2: states", "line 3: must", "names 'f9'", "it has 2 and", "masks/bob/f1.png must be"):
        assert part in message


def test_a_rater_of_an_unknown_frame_is_refused(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path, name="d", structures=NAMES)
    with pytest.raises(DataError, match="add the frame first"):
        writer.add_rater("f0", "ann", _masks(2, 1), (P, P))
    with pytest.raises(DataError, match="rater 'own' must be letters"):
        writer.add_rater("f0", "own", _masks(2, 1), (P, P))


def test_plain_folders_have_no_raters(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "classes.json").write_text('{"classes": []}')
    with pytest.raises(DataError, match="must be in the native format to have several raters"):
        open_dataset(tmp_path, reference="ann")
