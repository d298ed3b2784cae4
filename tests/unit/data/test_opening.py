"""The one door, and what is said when there is no dataset behind it."""

from pathlib import Path

import pytest

from agglo.core.errors import DataError
from agglo.data import DatasetWriter, open_dataset


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must be a dataset folder, there is no such folder"):
        open_dataset(tmp_path / "gone")


def test_a_folder_with_something_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(
        DataError,
        match=r"must hold `dataset.json` and `frames.csv`, or `classes.json` and `images/` .* it holds \['notes.txt'\]",
    ):
        open_dataset(tmp_path)


def test_a_dataset_without_frames(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path, name="none", structures=("a",))
    writer.finish()
    with pytest.raises(DataError, match="must hold at least one frame, it holds none"):
        open_dataset(tmp_path)
