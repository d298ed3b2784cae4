"""Given folders are looked into before anything is trained: contradicting masks, and frames both judged and learned from."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from agglo.config.schema import FurtherTest, Recipe
from agglo.core.errors import ConfigError, DataError
from agglo.data import DatasetWriter, FrameInfo, State, open_dataset
from agglo.recipes.build import check_inputs
from agglo.recipes.context import Run
from agglo.recipes.dataset import dataset
from agglo.recipes.dry_run import explain
from agglo.recipes.evaluate import further_test
from agglo.recipes.run import run

PHANTOM = {"patients": 4, "frames": 2, "size_px": 64, "seed": 3}


def made(folder: Path, *, first: int = 0, is_labelled: bool = True, **description: object) -> Path:
    """Write five patients `p0` to `p4` with a frame each, whose pictures are numbered from `first`."""
    writer = DatasetWriter(folder, name=folder.name, structures=["bolus", "C2"], description=description)
    states = [State.PRESENT if is_labelled else State.UNLABELLED] * 2
    for patient in range(5):
        image = np.random.default_rng(first + patient).integers(0, 255, (32, 32), np.uint8)
        info = FrameInfo(id=f"f{patient}", patient=f"p{patient}", video="v", index=patient)
        writer.add(info, image, np.ones((2, 32, 32), bool) if is_labelled else None, states)
    writer.finish()
    return folder


def call_absent(folder: Path, *lines: int) -> None:
    """Call both structures absent in `lines` of the frame table; their masks stay."""
    table = folder / "frames.csv"
    rows = table.read_text().splitlines()
    for line in lines:
        rows[line] = rows[line].replace("present", "absent")
    table.write_text("\n".join(rows))


def recipe(out: Path, data: dict[str, object], also: tuple[dict[str, object], ...] = ()) -> Recipe:
    stages = {"distill": {"steps": 1}, "align": {"steps": 1}, "teachers": [{"name": "lab-sam"}]}
    return Recipe.model_validate(
        {"name": "t", "out": out, "data": data, "evaluate": {"also": also}, **stages}
    )


def begin(*arguments: object) -> Run:
    """Do the dataset stage."""
    begun = Run(recipe(*arguments))  # type: ignore[arg-type]
    dataset(begun)
    return begun


def own_test_frames(tmp_path: Path) -> tuple[Path, Run]:
    """Return the folder of a run's dataset and the run, whose stage is done."""
    own = made(tmp_path / "own")
    return own, begin(tmp_path / "run", {"folder": own})


def split_file(path: Path, names: dict[str, list[str]]) -> Path:
    path.write_text(json.dumps({"by": "patient", "frames": names}))
    return path


def test_an_absent_split_is_told_before_anything_is_made(tmp_path: Path) -> None:
    config = recipe(tmp_path / "run", {"phantom": PHANTOM, "split": {"file": tmp_path / "s.json"}})
    text = r"s\.json must be a split \(`split.file`\), but is absent; make one with `agglo data split`"
    with pytest.raises(ConfigError, match=f"data: .*{text}"):
        run(config, last="dataset")
    assert not (tmp_path / "run").exists()
    assert "; split as " in explain(config)
    assert f"  MISSING     {tmp_path / 's.json'} must be a split" in explain(config)


def test_every_missing_input_is_in_the_plan(tmp_path: Path) -> None:
    absent = {"folder": tmp_path / "a", "unlabelled": [{"folder": tmp_path / "b"}]}
    config = recipe(tmp_path / "run", absent, ({"name": "more", "folder": tmp_path / "c"},))
    told = explain(config)
    assert [f"MISSING     {tmp_path / name} must be a dataset folder" in told for name in "abc"] == [True] * 3
    with pytest.raises(ConfigError, match="t: 3 missing"):
        check_inputs(config)


def test_a_split_can_be_mended_without_losing_the_phantom(tmp_path: Path) -> None:
    names = {"train": ["nobody"], "val": [], "test": []}
    config = recipe(
        tmp_path / "run", {"phantom": PHANTOM, "split": {"file": split_file(tmp_path / "s.json", names)}}
    )
    with pytest.raises(DataError, match="nobody"):
        run(config, last="dataset")
    folder = tmp_path / "run" / "dataset"
    drawn = {path: path.stat().st_mtime_ns for path in (folder / "images").iterdir()}
    ids = [frame.id for frame in open_dataset(folder).frames]
    split_file(tmp_path / "s.json", {"train": ids[:4], "val": ids[4:6], "test": ids[6:]})
    assert run(config, last="dataset") == ["dataset"]
    assert {path: path.stat().st_mtime_ns for path in (folder / "images").iterdir()} == drawn
    assert run(config, last="dataset") == []


def test_pixels_of_absent_structures_are_told_at_once_and_can_be_mended(tmp_path: Path) -> None:
    own, more = made(tmp_path / "own"), made(tmp_path / "more", first=50)
    call_absent(own, 1, 4)
    call_absent(more, 3)
    arguments = (tmp_path / "run", {"folder": own}, ({"name": "more", "folder": more},))
    with pytest.raises(DataError) as caught:
        begin(*arguments)
    assert str(caught.value).splitlines() == [
        "t: masks of given folders: 6 problems",
        *(
            f"  {folder}, frame {frame} (masks/{frame}.png): {structure} is `absent`, so its mask must be empty, it is not; "
            "erase it or mend the state"
            for folder, frame in ((own, "f0"), (own, "f3"), (more, "f2"))
            for structure in ("bolus", "C2")
        ),
    ]
    made(own)
    made(more, first=50)
    begin(*arguments)


def test_a_given_test_set_without_any_label_is_refused(tmp_path: Path) -> None:
    own, more = made(tmp_path / "own"), made(tmp_path / "more", first=50, is_labelled=False)
    config = {"name": "dark", "folder": more}
    text = rf"a further test set must have labelled frames, but 'dark' \({more}\) has none; add masks"
    with pytest.raises(DataError, match=text):
        begin(tmp_path / "run", {"folder": own}, (config,))
    with pytest.raises(DataError, match=text):
        further_test(begin(tmp_path / "new", {"folder": own}), FurtherTest.model_validate(config))


def test_only_frames_that_are_used_are_looked_into(tmp_path: Path) -> None:
    own, more = made(tmp_path / "own"), made(tmp_path / "more", first=50)
    call_absent(own, 1)
    call_absent(more, 2)
    ranges = {"train": [[1, 1]], "val": [[2, 2]], "test": [[3, 9]]}
    split = {"by": "time", "ranges": ranges}
    begin(tmp_path / "run", {"folder": own, "split": split}, ({"name": "more", "folder": more, "stride": 2},))


def test_a_phantom_run_looks_into_given_test_sets_before_it_draws(tmp_path: Path) -> None:
    more = made(tmp_path / "more")
    call_absent(more, 1)
    data = {"phantom": PHANTOM, "structures": ["bolus", "C2"]}
    with pytest.raises(DataError, match="masks of given folders: 2 problems"):
        begin(tmp_path / "run", data, ({"name": "more", "folder": more},))
    assert not (tmp_path / "run" / "dataset" / "images").exists()


def test_unlabelled_frames_that_are_judged_are_refused(tmp_path: Path) -> None:
    own, begun = own_test_frames(tmp_path)
    judged = begun.dataset.frames[begun.split["test"][0]]
    other, more = (
        made(tmp_path / name, first=first, is_labelled=False) for name, first in (("o", 50), ("m", 90))
    )
    shutil.copy(judged.image, more / "images" / "f2.png")
    data = {"folder": own, "unlabelled": [{"folder": other}, {"folder": more}]}
    for out in ("run", "new"):  # where the stage is done, and where it is not
        with pytest.raises(DataError) as caught:
            begin(tmp_path / out, data)
        assert str(caught.value).splitlines() == [
            "t: what is judged must not be learned from: 1 problem",
            f"  `data.unlabelled` {more}: must have no image of val and test, but has 1: {judged.id} is m/f2; remove them there",
        ]
    made(more, first=90, is_labelled=False)
    begin(tmp_path / "new", data)


def test_unlabelled_frames_of_training_patients_are_welcome(tmp_path: Path) -> None:
    own, begun = own_test_frames(tmp_path)
    more = made(tmp_path / "more", first=50, is_labelled=False)
    shutil.copy(begun.dataset.frames[begun.split["train"][0]].image, more / "images" / "f2.png")
    begin(tmp_path / "run", {"folder": own, "unlabelled": [{"folder": more}]})


def test_other_frames_of_judged_patients_are_refused(tmp_path: Path) -> None:
    own = made(tmp_path / "own", is_phantom=True, seed=3)
    more = made(tmp_path / "more", first=50, is_labelled=False, is_phantom=True, seed=3)
    data = {"folder": own, "unlabelled": [{"folder": more}]}
    with pytest.raises(
        DataError, match=r"must have no patient of val and test, but has 3: p[0-4], p[0-4], p[0-4]"
    ):
        begin(tmp_path / "run", data)
    begin(tmp_path / "by-time", {**data, "split": {"by": "video"}})  # promises nothing about patients


LEARNED = "must hold other {} than those learned from"


def test_a_given_test_set_is_compared_before_anything_is_trained(tmp_path: Path) -> None:
    own, begun = own_test_frames(tmp_path)
    copy = shutil.copytree(own, tmp_path / "copy")
    (copy / "dataset.json").write_text((copy / "dataset.json").read_text().replace('"own"', '"copy"'))
    num_learned = len(begun.split["train"]) + len(begun.split["val"])
    with pytest.raises(
        DataError, match=rf"{LEARNED.format('images')}.* shares {num_learned}: f\d is own/f\d, "
    ):
        begin(tmp_path / "run", {"folder": own}, ({"name": "more", "folder": copy},))
    with pytest.raises(DataError, match="drawn from the same seed 3"):
        begin(
            tmp_path / "new", {"phantom": PHANTOM}, ({"name": "more", "phantom": {**PHANTOM, "frames": 1}},)
        )
