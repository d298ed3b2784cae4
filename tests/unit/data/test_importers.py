"""Index-mask folders that open as they are, drawn small."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agglo.core.errors import DataError
from agglo.data import Dataset, State, open_dataset
from agglo.data.check import check_folder

P, A, U, N = State.PRESENT, State.ABSENT, State.UNLABELLED, State.NOT_ASSESSABLE


def _folder(root: Path, masks: dict[str, list[int] | None], **classes: object) -> Path:
    """Write a folder of 2 x 3 images, one for each stem, whose masks have the given values (None: no mask)."""
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for stem, values in masks.items():
        Image.fromarray(np.full((2, 3), 50, np.uint8)).save(root / "images" / f"{stem}.jpg")
        if values is not None:
            labels = np.zeros((2, 3), np.uint8)
            labels.flat[: len(values)] = values
            Image.fromarray(labels).save(root / "masks" / f"{stem}.png")
    (root / "classes.json").write_text(json.dumps({"classes": ["x", "y"], "index": "1 x, 2 y"} | classes))
    return root


def _states(dataset: Dataset) -> list[tuple[State, ...]]:
    return [frame.states for frame in dataset.frames]


def test_a_folder_of_unknown_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = open_dataset(_folder(tmp_path / "mine", {"a1": [1, 2], "a2": [2], "a3": None}))
    assert (dataset.name, dataset.structures) == ("mine", ("x", "y"))
    assert _states(dataset) == [(P, P), (A, P), (U, U)]
    assert [frame.patient for frame in dataset.frames] == ["a1", "a2", "a3"]
    assert dataset.masks(0).sum((1, 2)).tolist() == [1, 1]
    assert not dataset.masks(2).any()
    assert dataset.frames[0].spacing_mm is None
    assert dataset.description["contains_patient_data"] is True
    assert "every image is taken as a patient of its own" in caplog.text


def test_a_folder_that_says_its_own_rules(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    masks = {"s_7": [1], "s_8": []}
    dataset = open_dataset(_folder(tmp_path / "mine", masks, patients="one", without_pixels="unlabelled"))
    assert _states(dataset) == [(P, U), (U, U)]
    assert [(frame.patient, frame.index) for frame in dataset.frames] == [("mine", 7), ("mine", 8)]
    assert not caplog.text


EMPTY_MEANS = {  # folder's name: state of a class without pixels
    "panoramic_teeth": A,
    "spine_ap": N,
    "spine_mr": U,
    "vfss_misc": A,
}


@pytest.mark.parametrize(("name", "state"), EMPTY_MEANS.items(), ids=EMPTY_MEANS)
def test_what_an_empty_class_means_set_by_set(name: str, state: State, tmp_path: Path) -> None:
    folder = _folder(tmp_path / name, {"t_1": [1], "t_2": None}, classes=["T1", "L1"])
    groups = {"thoracic": ("T1",)} if name == "spine_ap" else {}
    dataset = open_dataset(folder, structures=("T1", "L1")) if not groups else open_dataset(folder)
    assert _states(dataset) == [(P, state), (U, U)]


SHIPPED = {  # name: (classes.json, states, patients)
    "as it ships": ({}, [(P, U), (P, P)], ["s_7", "s_8"]),
    "who is who": ({"patients": "one"}, [(P, A), (P, P)], ["spine_mr", "spine_mr"]),
    "what an empty place means": ({"without_pixels": "not_assessable"}, [(P, N), (P, P)], ["s_7", "s_8"]),
    "polarity": ({"polarity": "bone_white"}, [(P, A), (P, P)], ["s_7", "s_8"]),
}


@pytest.mark.parametrize(("stated", "states", "patients"), SHIPPED.values(), ids=SHIPPED)
def test_a_folder_called_like_a_public_set_is_believed_itself(
    stated: dict[str, str], states: list[tuple[State, ...]], patients: list[str], tmp_path: Path
) -> None:
    folder = _folder(tmp_path / "spine_mr", {"s_7": [1], "s_8": [1, 2]}, **stated)
    dataset = open_dataset(folder)
    assert _states(dataset) == states
    assert [frame.patient for frame in dataset.frames] == patients
    counts = check_folder(folder).counts
    assert sorted(counts.patients) == sorted(set(patients))
    assert counts.states["y"].get(states[0][1].word) == 1
    assert [frame.facts.get("polarity") for frame in dataset.frames] == [stated.get("polarity")] * 2


def test_a_folder_called_like_the_clip_that_states_its_rules_needs_no_table(tmp_path: Path) -> None:
    folder = _folder(
        tmp_path / "vfss_clip", {"f000": [1, 2], "f200": [1]}, patients="one", without_pixels="absent"
    )
    assert _states(open_dataset(folder)) == [(P, P), (P, A)]
    assert "broken_table" not in {problem.kind for problem in check_folder(folder).problems}


def _clip(root: Path) -> Path:
    values = {"f000": [1, 2], "f122": [1], "f123": [2], "f128": []}
    folder = _folder(root / "vfss_clip", values)
    counts = ["frame,labelled,x_px,y_px", "0,1,1,1", "122,1,1,0", "123,1,0,1", "128,0,0,0"]
    (folder / "frames.csv").write_text("\n".join(counts))
    return folder


def test_the_clip_has_three_kinds_of_frames(tmp_path: Path) -> None:
    dataset = open_dataset(_clip(tmp_path))
    assert _states(dataset) == [(P, P), (P, A), (U, P), (U, U)]
    assert [frame.index for frame in dataset.frames] == [0, 122, 123, 128]
    assert {frame.patient for frame in dataset.frames} == {"vfss_clip"}
    assert {frame.facts["facing"] for frame in dataset.frames} == {"right"}


def test_the_clip_needs_its_table(tmp_path: Path) -> None:
    folder = _clip(tmp_path)
    (folder / "frames.csv").unlink()
    with pytest.raises(DataError, match=r"frames\.csv must have the columns frame and <class>_px"):
        open_dataset(folder)


def test_unlabelled_folders_join_as_unlabelled_frames(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "vfss_misc", {"net_1": [1], "net_2": [2]})
    (folder / "unlabelled_gmamba").mkdir()
    for name in ("s0008.jpg", "s0016.jpg"):
        Image.fromarray(np.zeros((2, 3), np.uint8)).save(folder / "unlabelled_gmamba" / name)
    (folder / "unlabelled_gmamba" / "keypoints.csv").touch()
    dataset = open_dataset(folder)
    assert [frame.id for frame in dataset.frames] == ["net_1", "net_2", "gmamba_s0008", "gmamba_s0016"]
    assert [frame.patient for frame in dataset.frames] == ["net", "net", "gmamba", "gmamba"]
    assert [frame.is_labelled for frame in dataset.frames] == [True, True, False, False]
    assert dataset.frames[3].index == 16


def test_a_folder_without_masks(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "cephalogram", {"001": None}, classes=[])
    dataset = open_dataset(folder, polarity="bone_black")
    assert dataset.structures == ()
    assert dataset.masks(0).shape == (0, 2, 3)
    assert dataset.image(0).tolist() == [[205] * 3] * 2


def test_all_problems_at_once(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "mine", {"a": [1, 9], "b": [1]})
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(folder / "images" / "b.png")
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(folder / "masks" / "c.png")
    (folder / "masks" / "b.png").write_bytes(b"broken")
    with pytest.raises(DataError) as caught:
        open_dataset(folder)
    message = str(caught.value)
    assert "masks/a.png: values must be 0..2 as in classes.json, it has 9" in message
    assert "images/b: there must be one image of that name, there are several" in message
    assert "masks/c.png: must have an image of the same name" in message
    assert "must be a whole image file" in message


def test_an_id_that_two_pictures_would_have(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "mine", {"a_1": [1], "a_2": [1]})
    for name in ("unlabelled_a/1.png", "unlabelled_a/3.png", "unlabelled_b/x_1.png", "unlabelled_b_x/1.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.zeros((2, 3), np.uint8)).save(folder / name)
    with pytest.raises(DataError) as caught:
        open_dataset(folder)
    assert str(caught.value).splitlines()[1:] == [
        "  unlabelled_a/1.png: must have an id of its own, but a_1 is also that of images/a_1.jpg; rename one of the two",
        "  unlabelled_b_x/1.jpg: must have an id of its own, but b_x_1 is also that of unlabelled_b/x_1.png; rename one of the two",
    ]
    twice = [problem for problem in check_folder(folder).problems if problem.kind == "duplicate_id"]
    assert [(problem.where, problem.found) for problem in twice] == [
        ("unlabelled_a/1.png", "a_1: as in images/a_1.jpg"),
        ("unlabelled_b_x/1.jpg", "b_x_1: as in unlabelled_b/x_1.png"),
    ]


BAD_CLASSES = {  # name: (classes.json, text)
    "no_json": ("{", "must be JSON"),
    "no_list": ('{"classes": "x"}', "must have `classes`, a list of distinct names"),
    "repeated": ('{"classes": ["x", "x"]}', "must have `classes`, a list of distinct names"),
    "rules": ('{"classes": ["x"], "patients": "all"}', "must have `patients` each, one or source"),
}


@pytest.mark.parametrize(("text", "said"), BAD_CLASSES.values(), ids=BAD_CLASSES)
def test_bad_classes(text: str, said: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "mine", {"a": [1]})
    (folder / "classes.json").write_text(text)
    with pytest.raises(DataError, match=said):
        open_dataset(folder)


def test_no_image_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must hold at least one frame, it holds none"):
        open_dataset(_folder(tmp_path / "mine", {}))


def test_pictures_with_white_bone_say_so(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "mine", {"a1": [1]}, patients="one", polarity="bone_white")
    as_is, turned = (open_dataset(folder, polarity=way) for way in ("as_is", "bone_black"))
    assert (turned.image(0) == 255 - as_is.image(0)).all()
    with pytest.raises(
        DataError, match="must have `polarity` bone_black or bone_white, or none, it has 'white'"
    ):
        open_dataset(_folder(tmp_path / "other", {"a1": [1]}, polarity="white"))
