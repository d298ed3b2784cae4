"""The picture files give back what was written, and say what is wrong when they cannot."""

import numpy as np
import pytest

from agglo.core.errors import RunFolderError
from agglo.core.seeds import generator
from agglo.report.pictures import (
    FeatureRow,
    Picture,
    read_features,
    read_pictures,
    write_features,
    write_pictures,
)

RANDOM = generator("test", "pictures")


def make_picture(height: int, width: int, num_structures: int = 3) -> Picture:
    masks = RANDOM.random((2, num_structures, height, width)) > 0.5
    image = RANDOM.integers(0, 256, (height, width)).astype(np.uint8)
    return Picture("worst", "p1_f2", image, masks[0], masks[1], {"a": 0.5, "b": None, "c": 0.0})


def test_frames_of_any_size_come_back(tmp_path):
    written = [make_picture(11, 13), make_picture(8, 16), make_picture(5, 1)]
    write_pictures(tmp_path / "pictures.npz", written, structures=["a", "b", "c"], colours=[(255, 0, 16)] * 3)
    found = read_pictures(tmp_path / "pictures.npz")
    assert found.structures == ("a", "b", "c")
    assert found.colours == ("#ff0010",) * 3
    for before, after in zip(written, found.pictures, strict=True):
        assert (after.rank, after.frame, after.dice) == (before.rank, before.frame, before.dice)
        assert np.array_equal(after.image, before.image)
        assert np.array_equal(after.predicted, before.predicted)
        assert np.array_equal(after.reference, before.reference)


def test_no_structures_is_allowed(tmp_path):
    write_pictures(tmp_path / "pictures.npz", [make_picture(4, 9, 0)], structures=[], colours=[])
    assert read_pictures(tmp_path / "pictures.npz").pictures[0].predicted.shape == (0, 4, 9)


def test_maps_come_back_at_half_precision(tmp_path):
    maps = {
        "student": RANDOM.random((4, 3, 3)).astype(np.float32),
        "lab-sam": RANDOM.random((2, 5, 5)).astype(np.float32),
    }
    write_features(tmp_path / "features.npz", [FeatureRow("f0", np.zeros((8, 8), np.uint8), maps)])
    [found] = read_features(tmp_path / "features.npz")
    assert list(found.maps) == ["student", "lab-sam"]
    for name, each in maps.items():
        assert found.maps[name] == pytest.approx(each, abs=1e-3)


def test_absent_files_are_no_error(tmp_path):
    assert read_pictures(tmp_path / "pictures.npz") is None
    assert read_features(tmp_path / "features.npz") == ()


def test_rows_of_other_encoders_are_refused(tmp_path):
    image, grid = np.zeros((8, 8), np.uint8), np.zeros((2, 3, 3), np.float32)
    rows = [FeatureRow("f0", image, {"student": grid}), FeatureRow("f1", image, {"lab-sam": grid})]
    with pytest.raises(ValueError, match="the maps of the same encoders"):
        write_features(tmp_path / "features.npz", rows)


def test_a_file_of_another_kind_is_named(tmp_path):
    write_features(tmp_path / "pictures.npz", [])
    with pytest.raises(
        RunFolderError, match=r"pictures.npz must be a picture file of an evaluation.*evaluate the run again"
    ):
        read_pictures(tmp_path / "pictures.npz")
