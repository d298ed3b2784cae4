"""Frames that are judged and learned from: by their pictures, by their patients."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agglo.data import Dataset, DatasetWriter, FrameInfo, State, open_dataset
from agglo.data.leaks import shared_images, shared_patients

MakeDataset = Callable[..., Dataset]


def test_the_same_picture_under_another_name_is_the_same(make_dataset: MakeDataset, tmp_path: Path) -> None:
    one, other = make_dataset(name="one"), make_dataset(name="other", patients=2)
    shutil.copy(one.frames[3].image, tmp_path / "other" / "images" / "p1_f0.png")
    shutil.copy(other.frames[0].image, tmp_path / "other" / "images" / "p0_f1.png")
    other = open_dataset(tmp_path / "other")
    everything = [(one, range(len(one)))]
    assert ("p0_f1", "one/p0_f0") in shared_images((other, [0, 1, 2, 3]), everything)
    assert shared_images((other, [3]), everything) == [("p1_f0", "one/p1_f0")]
    assert shared_images((other, [3]), [(one, [0, 1, 2])]) == []


def _of_pixels(folder: Path, pixels: int, **description: object) -> Dataset:
    writer = DatasetWriter(folder, name=folder.name, structures=["x"], description=description)
    for patient in ("a", "b"):
        info = FrameInfo(id=patient, patient=patient, video="v", index=0)
        image = np.full((8, 8), pixels, np.uint8)
        image[0, 0] = ord(patient)
        writer.add(info, image, None, [State.UNLABELLED])
    writer.finish()
    return open_dataset(folder)


def test_dark_frames_are_nobodys_picture(tmp_path: Path) -> None:
    one, other = (_of_pixels(tmp_path / name, ord("a")) for name in ("one", "other"))
    assert shared_images((one, [0, 1]), [(other, [0, 1])]) == [("b", "other/b")]


PHANTOM = {"is_phantom": True, "seed": 3}
COHORTS = {  # name: (descriptions and folders of two datasets, who is in both)
    "same seed": (PHANTOM, "one", PHANTOM, "other", ["b"]),
    "other seed": (PHANTOM, "one", {**PHANTOM, "seed": 4}, "one", []),
    "other name": ({}, "one", {}, "other", []),
    "same name": ({}, "one", {}, "one", ["b"]),
    "a seed of something else": ({"seed": 3}, "one", {"seed": 3}, "other", []),
}


@pytest.mark.parametrize(
    ("says", "name", "other_says", "other_name", "shared"), COHORTS.values(), ids=COHORTS
)
def test_a_name_is_the_same_patient_in_one_cohort_only(
    says: dict[str, object],
    name: str,
    other_says: dict[str, object],
    other_name: str,
    shared: list[str],
    tmp_path: Path,
) -> None:
    one, other = (
        _of_pixels(tmp_path / "1" / name, 1, **says),
        _of_pixels(tmp_path / "2" / other_name, 2, **other_says),
    )
    assert shared_patients((one, [0, 1]), [(other, [1])]) == shared
