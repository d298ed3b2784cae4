"""The dataset stage: what is given to be trained on is looked at in every run: may it be, and whose is it?"""

from pathlib import Path

import numpy as np
import pytest

from agglo.config.schema import FurtherTest, Recipe
from agglo.core.errors import DataError
from agglo.data import DatasetWriter, FrameInfo, State
from agglo.recipes.context import Run
from agglo.recipes.dataset import dataset

HELD_OUT = {"is_phantom": True, "held_out": "v1"}
PHANTOM = {"is_phantom": True, "held_out": ""}


def made(folder: Path, description: dict[str, object]) -> Path:
    writer = DatasetWriter(folder, name=folder.name, structures=["bolus", "C2"], description=description)
    for patient in range(5):
        masks = np.ones((2, 32, 32), bool)
        info = FrameInfo(id=f"f{patient}", patient=f"p{patient}", video="v", index=0)
        writer.add(info, np.full((32, 32), patient, np.uint8), masks, [State.PRESENT] * 2)
    writer.finish()
    return folder


def run(out: Path, folder: Path, *unlabelled: Path, **more: object) -> Run:
    data = {"folder": folder, "unlabelled": [{"folder": extra} for extra in unlabelled], **more}
    stages = {"distill": {"steps": 1}, "align": {"steps": 1}, "teachers": [{"name": "lab-sam"}]}
    return Run(Recipe.model_validate({"name": "t", "out": out, "data": data, **stages}))


@pytest.mark.parametrize("more", [{}, {"structures": ["C2"]}, {"polarity": "bone_black"}], ids=str)
def test_a_test_set_is_refused_as_the_dataset_and_nothing_is_written(
    tmp_path: Path, more: dict[str, object]
) -> None:
    testset = made(tmp_path / "phantom-test-v1", HELD_OUT)
    for _ in range(2):  # asking again does not help
        with pytest.raises(
            DataError, match=r"must not be a phantom test set, got phantom-test-v1 in .*scored only"
        ):
            dataset(run(tmp_path / "run", testset, **more))
    assert not (tmp_path / "run").exists()


def test_a_test_set_is_refused_as_unlabelled_frames_also_where_the_stage_is_done(tmp_path: Path) -> None:
    own, testset = made(tmp_path / "own", PHANTOM), made(tmp_path / "phantom-test-v1", HELD_OUT)
    assert dataset(run(tmp_path / "run", own))
    with pytest.raises(DataError, match="must not be a phantom test set"):
        dataset(run(tmp_path / "run", own, testset))


def test_a_run_from_real_images_says_so_and_one_from_phantoms_does_not(tmp_path: Path) -> None:
    own, more, real = (
        made(tmp_path / name, says) for name, says in (("own", PHANTOM), ("more", PHANTOM), ("real", {}))
    )
    marker = tmp_path / "run" / "CONTAINS_PATIENT_DATA"
    dataset(run(tmp_path / "run", own, more))
    assert not marker.exists()
    dataset(run(tmp_path / "run", own, real))
    assert "made from real images" in marker.read_text(encoding="utf-8")
    dataset(run(tmp_path / "other", real))
    assert (tmp_path / "other" / marker.name).exists()


def test_a_run_that_is_only_scored_on_real_images_says_so_too(tmp_path: Path) -> None:
    own, real = made(tmp_path / "own", PHANTOM), made(tmp_path / "real", {})
    scored = run(tmp_path / "run", own)
    further = scored.recipe.evaluate.model_copy(update={"also": (FurtherTest(name="clinic", folder=real),)})
    dataset(Run(scored.recipe.model_copy(update={"evaluate": further})))
    assert (tmp_path / "run" / "CONTAINS_PATIENT_DATA").exists()
