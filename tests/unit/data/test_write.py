"""Writing a dataset frame by frame."""

from pathlib import Path

import numpy as np
import pytest

from agglo.core.errors import DataError
from agglo.data import DatasetWriter, FrameInfo, State, open_dataset

IMAGE = np.arange(12, dtype=np.uint8).reshape(3, 4)
BOTH = (State.PRESENT, State.ABSENT)


def _writer(folder: Path) -> DatasetWriter:
    return DatasetWriter(folder, name="d", structures=("a", "b"))


def _masks(*, a: bool = True, b: bool = False) -> np.ndarray:
    masks = np.zeros((2, 3, 4), np.bool_)
    masks[0, 1, 1], masks[1, 0, 0] = a, b
    return masks


def _info(**changes: object) -> FrameInfo:
    return FrameInfo(**({"id": "f0", "patient": "p", "video": "v", "index": 0} | changes))


def test_everything_that_is_written_is_read(tmp_path: Path) -> None:
    writer = DatasetWriter(
        tmp_path, name="d", structures=("a", "b"), groups={"g": ("a",)}, description={"is_phantom": True}
    )
    info = _info(
        swallow="s1",
        spacing_mm=(0.3, 0.25),
        spacing_source="header",
        fps=29.97,
        fps_source="container",
        visible=(0.5, 1.0),
        facts={"caption": 'thin liquid, "lateral"\nview', "phase": "pharyngeal"},
    )
    writer.add(info, IMAGE, _masks(), BOTH)
    writer.add(_info(id="f1", index=1, facts={"facing": "left"}), IMAGE, None, (State.UNLABELLED,) * 2)
    writer.finish()
    dataset = open_dataset(tmp_path)
    first, second = dataset.frames
    for name in (
        "id",
        "patient",
        "video",
        "index",
        "swallow",
        "spacing_mm",
        "spacing_source",
        "fps",
        "fps_source",
        "visible",
    ):
        assert getattr(first, name) == getattr(info, name)
    assert first.facts == {**info.facts, "facing": ""}
    assert second.facts["facing"] == "left"
    assert (first.states, second.states) == (BOTH, (State.UNLABELLED,) * 2)
    assert second.mask_files == ()
    assert not dataset.masks(1).any()
    assert dataset.groups == {"g": ("a",)}
    assert dataset.description == {"is_phantom": True}


def test_a_folder_is_no_dataset_before_the_end(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    writer.add(_info(), IMAGE, _masks(), BOTH)
    with pytest.raises(DataError, match=r"must hold `dataset\.json`"):
        open_dataset(tmp_path)
    writer.finish()
    assert len(open_dataset(tmp_path)) == 1
    assert not list(tmp_path.rglob("*.tmp"))


def test_writing_again_replaces(tmp_path: Path) -> None:
    for value in (10, 20):
        writer = _writer(tmp_path)
        assert not (tmp_path / "dataset.json").exists()
        writer.add(_info(), np.full((3, 4), value, np.uint8), _masks(), BOTH)
        writer.finish()
    assert open_dataset(tmp_path).image(0).max() == 20


def test_same_frames_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        writer = _writer(tmp_path / name)
        writer.add(_info(), IMAGE, _masks(), BOTH)
        writer.finish()
    for path in (path for path in (tmp_path / "one").rglob("*") if path.is_file()):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


REFUSED = {  # name: (info, masks, states, text)
    "id": (_info(id="../x"), _masks(), BOTH, "its id must be letters, digits"),
    "patient": (_info(patient=""), _masks(), BOTH, "patient and video must be given"),
    "fact": (
        _info(facts={"fps": "3"}),
        _masks(),
        BOTH,
        r"must not be named like the table's own columns, got \['fps'\]",
    ),
    "states": (_info(), _masks(), (State.PRESENT,), "states and visible must be 2 each, got 1"),
    "size": (
        _info(),
        np.zeros((2, 5, 5), np.bool_),
        BOTH,
        r"masks must be \(2, 3, 4\) like structures and image",
    ),
    "present_and_empty": (
        _info(),
        _masks(a=False),
        BOTH,
        "a is `present`, so its mask must have pixels, it has none",
    ),
    "present_without_masks": (_info(), None, BOTH, "a is `present`, so its mask must have pixels"),
    "absent_and_not_empty": (
        _info(),
        _masks(b=True),
        BOTH,
        "b is `absent`, so its mask must be empty, it is not",
    ),
}


@pytest.mark.parametrize(("info", "masks", "states", "text"), REFUSED.values(), ids=REFUSED)
def test_refused_frames(info: FrameInfo, masks, states: tuple[State, ...], text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=text):
        _writer(tmp_path).add(info, IMAGE, masks, states)
    assert not (tmp_path / "images").exists()


def test_an_id_is_used_once(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    writer.add(_info(), IMAGE, _masks(), BOTH)
    with pytest.raises(DataError, match="its id must be unique"):
        writer.add(_info(), IMAGE, _masks(), BOTH)


def test_structures_are_checked_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 problems[\s\S]*distinct[\s\S]*it also has \['c'\]"):
        DatasetWriter(tmp_path / "d", name="d", structures=("a", "a"), groups={"g": ("c",)})
    assert not (tmp_path / "d").exists()
