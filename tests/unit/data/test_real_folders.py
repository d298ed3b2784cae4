"""The real image folders open as they are, with what each one's labels mean."""

from pathlib import Path

import numpy as np
import pytest

from agglo.core.errors import DataError
from agglo.data import State, open_dataset, split_by
from agglo.data.check import check_folder
from agglo.data.check.polarity import polarity_figures, polarity_of
from agglo_runtime.images import read_image

pytestmark = pytest.mark.real_data

FOLDERS = {  # name: (frames, structures, patients, labelled frames)
    "angiogram": (200, 1, 200, 200),
    "cephalogram": (400, 0, 400, 0),
    "em_membrane": (30, 1, 1, 30),
    "panoramic_teeth": (116, 1, 116, 116),
    "spine_ap": (463, 17, 463, 463),
    "spine_mr": (20, 2, 20, 17),
    "vfss_clip": (246, 9, 1, 128),
    "vfss_misc": (140, 1, 3, 2),
}


@pytest.mark.parametrize(("name", "expected"), FOLDERS.items(), ids=FOLDERS)
def test_every_folder_opens(real_data_folder: Path, name: str, expected: tuple[int, ...]) -> None:
    dataset = open_dataset(real_data_folder / name)
    patients = {frame.patient for frame in dataset.frames}
    labelled = sum(frame.is_labelled for frame in dataset.frames)
    assert (len(dataset), len(dataset.structures), len(patients), labelled) == expected
    image = dataset.image(0)
    assert dataset.masks(0).shape == (expected[1], *image.shape)
    assert all(frame.spacing_mm is None and frame.fps is None for frame in dataset.frames)
    assert dataset.description["contains_patient_data"] is True


@pytest.mark.parametrize("name", ["spine_mr", "vfss_misc"])
def test_nothing_is_wrong_with_them(real_data_folder: Path, name: str) -> None:
    assert check_folder(real_data_folder / name).problems == []


def test_a_public_set_has_the_same_picture_under_two_names(real_data_folder: Path) -> None:
    (found,) = check_folder(real_data_folder / "panoramic_teeth").problems
    assert (found.kind, found.where) == ("duplicate_frame", "images/train_32.jpg")
    assert found.found == "is the same picture as images/train_2.jpg: patients train_32 and train_2"


POLARITIES = {"cephalogram": "bone_white", "vfss_clip": "bone_black"}


@pytest.mark.parametrize(("name", "polarity"), POLARITIES.items(), ids=POLARITIES)
def test_their_polarity_is_seen(real_data_folder: Path, name: str, polarity: str) -> None:
    images = [read_image(path) for path in sorted((real_data_folder / name / "images").iterdir())[::12]]
    assert polarity_of([polarity_figures(image) for image in images]) == polarity
    (other,) = set(POLARITIES.values()) - {polarity}
    assert polarity_of([polarity_figures(255 - image) for image in images]) == other


def test_the_clip(real_data_folder: Path) -> None:
    dataset = open_dataset(real_data_folder / "vfss_clip", structures=("pharynx_lumen",))
    states = [frame.states[0] for frame in dataset.frames]
    assert [frame.index for frame in dataset.frames] == list(range(246))
    assert State.UNLABELLED not in states[:123]
    assert states[123] is State.PRESENT
    assert set(states[124:]) == {State.UNLABELLED}
    assert dataset.masks(0).sum() == 5976
    split = split_by(dataset, by="time", ranges={"train": [[0, 44], [90, 122]], "test": [[48, 86]]})
    assert (len(split["train"]), len(split["test"])) == (78, 39)
    with pytest.raises(DataError, match="must have at least 3 patients, there are 1"):
        split_by(dataset)


def test_cephalograms_beside_swallowing_videos(real_data_folder: Path) -> None:
    as_is = open_dataset(real_data_folder / "cephalogram")
    black = open_dataset(real_data_folder / "cephalogram", polarity="bone_black")
    assert np.array_equal(black.image(3), 255 - as_is.image(3))
