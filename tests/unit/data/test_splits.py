"""Splits that never tear a patient apart, kept in a file that knows its dataset."""

import json
from pathlib import Path

import numpy as np
import pytest

from agglo.core.errors import DataError
from agglo.data import Dataset, DatasetWriter, FrameInfo, open_dataset, split_by
from agglo.data.splits import load_split


def _dataset(folder: Path, videos: dict[tuple[str, str], int]) -> Dataset:
    """Write frames without structures: how many for each patient and video."""
    writer = DatasetWriter(folder, name="d", structures=())
    for (patient, video), count in videos.items():
        for index in range(count):
            info = FrameInfo(id=f"{patient}_{video}_{index}", patient=patient, video=video, index=index)
            writer.add(info, np.zeros((2, 2), np.uint8), None, ())
    writer.finish()
    return open_dataset(folder)


def _units(dataset: Dataset, frames: tuple[int, ...], by: str) -> set[str]:
    return {getattr(dataset.frames[number], by) for number in frames}


def test_patients_stay_whole_and_everyone_is_somewhere(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path / "d", {(f"p{k}", f"v{v}"): 2 for k in range(10) for v in range(2)})
    split = split_by(dataset, seed=4)
    assert list(split) == ["train", "val", "test"]
    parts = [_units(dataset, split[part], "patient") for part in split]
    assert [len(part) for part in parts] == [6, 1, 3]
    assert sorted(sum((split[part] for part in split), ())) == list(range(40))
    assert len(set.union(*parts)) == 10


def test_the_seed_decides_and_nothing_else(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path / "d", {(f"p{k}", "v"): 1 for k in range(20)})
    assert split_by(dataset, seed=1) == split_by(dataset, seed=1)
    assert split_by(dataset, seed=1).parts != split_by(dataset, seed=2).parts


def test_without_a_seed_patients_stay_in_the_order_of_their_names(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path / "d", {(f"p{k}", "v"): 1 for k in range(10)})
    split = split_by(dataset, seed=None)
    assert [split[part] for part in split] == [(0, 1, 2, 3, 4, 5), (6,), (7, 8, 9)]


COUNTS = {  # name: (patients, fractions, patients in each part)
    "three_patients": (3, (0.6, 0.1, 0.3), [1, 1, 1]),
    "four_patients": (4, (0.6, 0.1, 0.3), [2, 1, 1]),
    "hundred": (100, (0.6, 0.1, 0.3), [60, 10, 30]),
    "no_val": (10, (0.7, 0.0, 0.3), [7, 0, 3]),
    "all_train": (5, (1.0, 0.0, 0.0), [5, 0, 0]),
    "thirds": (7, (1 / 3, 1 / 3, 1 / 3), None),
}


@pytest.mark.parametrize(("patients", "fractions", "expected"), COUNTS.values(), ids=COUNTS)
def test_counts(
    patients: int, fractions: tuple[float, ...], expected: list[int] | None, tmp_path: Path
) -> None:
    dataset = _dataset(tmp_path / "d", {(f"p{k:03}", "v"): 1 for k in range(patients)})
    split = split_by(dataset, fractions=fractions, seed=0)
    counts = [len(split[part]) for part in split]
    assert sum(counts) == patients
    assert counts == expected or (expected is None and min(counts) >= 2)


def test_by_video_the_name_of_a_video_counts_within_its_patient(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path / "d", {(f"p{k}", "v0"): 2 for k in range(3)})
    split = split_by(dataset, by="video", seed=0)
    assert [len(split[part]) for part in split] == [2, 2, 2]


def test_blocks_are_consecutive_with_gaps(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path / "d", {("p", "v0"): 30, ("p", "v1"): 50})
    split = split_by(dataset, by="blocks", gap_frames=5)
    first = {part: [k for k in split[part] if k < 30] for part in split}
    assert first == {"train": list(range(12)), "val": [17, 18], "test": list(range(24, 30))}
    assert [len([k for k in split[part] if k >= 30]) for part in split] == [24, 4, 12]


def test_named_ranges_of_time(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path / "d", {("p", "v"): 20})
    split = split_by(dataset, by="time", ranges={"train": [[0, 4], [15, 19]], "test": [[7, 9]]})
    assert split["train"] == (0, 1, 2, 3, 4, 15, 16, 17, 18, 19)
    assert split["test"] == (7, 8, 9)
    with pytest.raises(DataError, match=r"the part must be one of \['train', 'test'\], got 'val'"):
        split["val"]


REFUSED = {  # name: (settings, text)
    "too_few": ({}, "must have at least 3 patients, there are 2; split by time blocks"),
    "fractions": ({"fractions": (0.5, 0.5)}, "must be three numbers"),
    "sum": ({"fractions": (0.6, 0.1, 0.1)}, r"sum to 1, got \[0.6, 0.1, 0.1\]"),
    "short_videos": (
        {"by": "blocks", "gap_frames": 3},
        "frames in video p0/v besides the gaps, there are -2",
    ),
    "no_ranges": ({"by": "time"}, "`ranges` must be given with by=time and only then"),
    "ranges_for_patients": (
        {"ranges": {"train": [[0, 1]]}},
        "`ranges` must be given with by=time and only then",
    ),
    "overlap": (
        {"by": "time", "ranges": {"train": [[0, 2]], "test": [[2, 3]]}},
        "index 2 must be in one part only, it is in train and test",
    ),
    "backwards": (
        {"by": "time", "ranges": {"train": [[3, 1]], "test": [[0, 0]]}},
        r"must be \[first, last\]",
    ),
    "empty_range": (
        {"by": "time", "ranges": {"train": [[0, 3]], "test": [[90, 99]]}},
        "test: its ranges must hold at least",
    ),
}


@pytest.mark.parametrize(("settings", "text"), REFUSED.values(), ids=REFUSED)
def test_settings_that_cannot_be_met(settings: dict, text: str, tmp_path: Path) -> None:
    dataset = _dataset(tmp_path / "d", {("p0", "v"): 4, ("p1", "v"): 4})
    with pytest.raises(DataError, match=text):
        split_by(dataset, **settings)


def test_a_saved_split_comes_back(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path / "d", {(f"p{k}", "v"): 2 for k in range(5)})
    for split in (
        split_by(dataset, seed=7),
        split_by(dataset, by="time", ranges={"train": [[0, 0]], "test": [[1, 1]]}),
    ):
        split.save(tmp_path / "split.json")
        assert load_split(tmp_path / "split.json", dataset) == split


def _saved(tmp_path: Path) -> tuple[Dataset, Path]:
    dataset = _dataset(tmp_path / "d", {(f"p{k}", "v"): 2 for k in range(3)})
    split_by(dataset, seed=0).save(tmp_path / "split.json")
    return dataset, tmp_path / "split.json"


def test_a_split_of_other_data_is_refused(tmp_path: Path) -> None:
    _, path = _saved(tmp_path)
    other = _dataset(tmp_path / "other", {(f"p{k}", "v"): 3 for k in range(3)})
    with pytest.raises(DataError, match="the data have changed since: make the split again"):
        load_split(path, other)


def test_a_patient_in_two_parts_is_named(tmp_path: Path) -> None:
    dataset, path = _saved(tmp_path)
    content = json.loads(path.read_text())
    content["parts"]["train"] = [0, 2]
    content["parts"]["test"] = [1, 3]
    content["parts"]["val"] = [4, 5]
    path.write_text(json.dumps(content))
    with pytest.raises(DataError) as caught:
        load_split(path, dataset)
    message = str(caught.value)
    assert "2 problems" in message
    assert "patient p0 must be in one part only, it is in train and test" in message
    assert "patient p1 must be in one part only" in message


BROKEN = {  # name: (content, text)
    "absent": (None, "there is no such file"),
    "no_json": ("{", "must be a split written by Agglo"),
    "no_parts": ("{}", "must be a split written by Agglo"),
    "a_list": ("[]", "must be a split written by Agglo"),
}


@pytest.mark.parametrize(("content", "text"), BROKEN.values(), ids=BROKEN)
def test_broken_files(content: str | None, text: str, tmp_path: Path) -> None:
    dataset, path = _saved(tmp_path)
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(DataError, match=text):
        load_split(path, dataset)


def test_frame_numbers_outside_of_the_dataset(tmp_path: Path) -> None:
    dataset, path = _saved(tmp_path)
    content = json.loads(path.read_text())
    content["parts"]["test"] = [99]
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"test: frame numbers must be in 0\.\.5, got 99\.\.99"):
        load_split(path, dataset)
