"""A dataset in memory: pixels, identity, subsets."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agglo.core.errors import DataError
from agglo.data import Dataset, DatasetWriter, FrameInfo, State, open_dataset
from agglo.data.masks import write_png
from agglo_runtime.images import read_image


@pytest.mark.parametrize("encoding", ["bitfield", "per_structure"])
def test_pixels_come_back_as_written(make_dataset, tiny_frame, encoding: str) -> None:
    dataset = make_dataset(encoding=encoding)
    image, masks = tiny_frame(201)
    assert dataset.frames[7].id == "p2_f1"
    assert np.array_equal(dataset.image(7), image)
    assert np.array_equal(dataset.masks(7), masks)
    assert dataset.bits(7).shape == (1, 20, 24)
    assert dataset.visible(7).tolist() == [1, 1, 1]


def test_opening_and_pickling_carry_no_pixels(make_dataset) -> None:
    dataset = make_dataset()
    dataset.image(0)
    copy = pickle.loads(pickle.dumps(dataset))
    assert len(pickle.dumps(dataset)) < 12_000
    assert copy.frames == dataset.frames
    assert np.array_equal(copy.image(0), dataset.image(0))


def test_given_pixels_cannot_be_spoiled(make_dataset) -> None:
    image = make_dataset().image(0)
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 1


def _other_pixel(folder: Path) -> None:
    path = folder / "images" / "p0_f0.png"
    pixels = read_image(path).copy()
    pixels[0, 0] ^= 1
    write_png(path, pixels)


def _other_mask(folder: Path) -> None:
    path = folder / "masks" / "p0_f0.png"
    write_png(path, read_image(path) ^ np.uint16(1))


def _other_cell(folder: Path) -> None:
    path = folder / "frames.csv"
    path.write_text(path.read_text().replace("oral", "pharyngeal", 1))


CHANGES = {  # name: (what is done to the folder, does the identity of the images change too)
    "a_pixel": (_other_pixel, True),
    "a_mask": (_other_mask, False),
    "a_cell": (_other_cell, False),
}


@pytest.mark.parametrize(("change", "is_image"), CHANGES.values(), ids=CHANGES)
def test_fingerprints_follow_what_they_stand_for(make_dataset, change, is_image: bool) -> None:
    before = make_dataset()
    table, images = before.fingerprint, before.image_fingerprint
    change(before.folder)
    after = open_dataset(before.folder)
    assert after.fingerprint != table
    assert (after.image_fingerprint != images) == is_image


def test_fingerprint_does_not_depend_on_the_place(make_dataset, tmp_path: Path) -> None:
    dataset = make_dataset()
    dataset.folder.rename(tmp_path / "elsewhere")
    assert open_dataset(tmp_path / "elsewhere").fingerprint == make_dataset().fingerprint


@pytest.mark.parametrize("encoding", ["bitfield", "per_structure"])
def test_structures_can_be_chosen(make_dataset, encoding: str) -> None:
    whole = make_dataset(encoding=encoding)
    some = open_dataset(whole.folder, structures=("C1", "bolus"))
    assert some.structures == ("C1", "bolus")
    assert some.groups == {"moving": ("bolus",), "static": ("C1",)}
    assert np.array_equal(some.masks(4), whole.masks(4)[[2, 0]])
    assert len(some.frames[4].states) == 2
    assert some.fingerprint != whole.fingerprint
    assert some.image_fingerprint == whole.image_fingerprint
    assert open_dataset(whole.folder, structures=()).masks(0).shape == (0, 20, 24)


@pytest.mark.parametrize("names", [("C9",), ("C1", "C1")])
def test_unknown_or_repeated_structures(make_dataset, names: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match=r"must be chosen once each from \['bolus', 'pharynx', 'C1'\], got"):
        make_dataset().with_structures(names)


def _bone_white(folder: Path) -> Dataset:
    writer = DatasetWriter(folder, name="bones", structures=())
    for number, polarity in enumerate(("bone_white", "bone_black", "")):
        info = FrameInfo(id=f"f{number}", patient="p", video="v", index=number, facts={"polarity": polarity})
        writer.add(info, np.array([[0, 200]], np.uint8), None, ())
    writer.finish()
    return open_dataset(folder)


def test_bone_white_pictures_can_be_had_inverted(tmp_path: Path) -> None:
    as_is = _bone_white(tmp_path / "d")
    black = open_dataset(as_is.folder, polarity="bone_black")
    assert [as_is.image(k).tolist() for k in range(3)] == [[[0, 200]]] * 3
    assert [black.image(k).tolist() for k in range(3)] == [[[255, 55]], [[0, 200]], [[0, 200]]]
    assert as_is.image_fingerprint != black.image_fingerprint


def test_deep_images_are_brought_to_eight_bits(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path, name="deep", structures=())
    writer.add(FrameInfo("f", "p", "v", 0), np.array([[0, 128, 257 * 99, 65535]], np.uint16), None, ())
    writer.finish()
    with Image.open(tmp_path / "images" / "f.png") as picture:
        assert picture.mode == "I;16"
    assert open_dataset(tmp_path).image(0).tolist() == [[0, 0, 99, 255]]


def test_is_labelled(make_dataset) -> None:
    frame = make_dataset().frames[0]
    assert frame.is_labelled
    unknown = (State.UNLABELLED, State.NOT_ASSESSABLE, State.UNLABELLED)
    assert not type(frame)(**{**vars(frame), "states": unknown}).is_labelled
