"""Teachers that look at each batch give the losses that stored features give; both ways mix; statistics are frozen."""

from pathlib import Path

import numpy as np
import pytest

from agglo.config.load import load_recipe
from agglo.config.schema import Recipe
from agglo.core.errors import ConfigError, RunFolderError, StoreError
from agglo.core.runlog import read_log
from agglo.features import FeatureStore
from agglo.features.online import OnlineColumn
from agglo.recipes.dry_run import explain
from agglo.recipes.run import run
from agglo.recipes.sources import require_stored
from agglo.recipes.store import store_info, store_problems

ROOT = Path(__file__).parents[3]
SMALL = (
    "data.phantom={patients: 4, frames: 3, size_px: 64, seed: 3}",
    "data.split.fractions=[0.5, 0.25, 0.25]",
    "views.per_frame=2",
    "student.input_px=64",
    "distill.steps=4",
    "distill.batch_size=3",
    "distill.log_every=1",
    "device.accelerator=cpu",
)
WAYS = {
    "stored": "teachers=[{name: lab-dino}, {name: lab-clip}]",
    "online": "teachers=[{name: lab-dino, mode: online}, {name: lab-clip, mode: online}]",
    "mixed": "teachers=[{name: lab-dino}, {name: lab-clip, mode: online}]",
}


def recipe_of(folder: Path, way: str, *more: str) -> Recipe:
    recipe = ROOT / "recipes" / "phantom-quick.yaml"
    return load_recipe(recipe, [f"out={folder / way}", WAYS[way], *SMALL, *more])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs of the same recipe, up to the distilled student."""
    out = tmp_path_factory.mktemp("ways")
    for way in WAYS:
        assert run(recipe_of(out, way), last="distill") == ["dataset", "extract", "distill"]
    return out


def losses_of(run_folder: Path) -> list[float]:
    return [entry["loss"] for entry in read_log(run_folder / "distill" / "log.jsonl") if "loss" in entry]


@pytest.mark.parametrize("way", ["online", "mixed"])
def test_losses_are_those_of_stored_features(folder: Path, way: str) -> None:
    stored = losses_of(folder / "stored")
    assert len(stored) == 4
    np.testing.assert_allclose(losses_of(folder / way), stored, rtol=1e-3)


def test_only_statistics_are_kept(folder: Path) -> None:
    assert FeatureStore.open(folder / "online" / "features").teachers == ()
    store = FeatureStore.open(folder / "mixed" / "features")
    assert store.teachers == ("lab-dino",)
    online = OnlineColumn.open(store.folder, store.samples, "lab-clip")
    stored = FeatureStore.open(folder / "stored" / "features").column("lab-clip").moments()
    assert online.moments().count == stored.count
    np.testing.assert_allclose(online.moments().mean, stored.mean, rtol=1e-6, atol=1e-7)
    assert online.seconds > 0
    (row,) = store_info(store.folder)["online"]
    assert row["teacher"] == "lab-clip"
    assert row["views"] == 12
    assert store_problems(store.folder, recipe_of(folder, "mixed")) == []


def test_nothing_is_done_twice_and_what_was_frozen_stays(folder: Path) -> None:
    assert run(recipe_of(folder, "mixed"), last="distill") == []
    assert run(recipe_of(folder, "mixed", "store.pilot_views=5"), last="distill") == []
    (folder / "mixed" / "features" / "online" / "lab-clip" / "moments.npz").unlink()
    assert run(recipe_of(folder, "mixed"), last="distill") == ["extract"]


def test_stored_and_online_are_no_one_run(folder: Path) -> None:
    again = load_recipe(
        ROOT / "recipes" / "phantom-quick.yaml", [f"out={folder / 'stored'}", WAYS["online"], *SMALL]
    )
    with pytest.raises(RunFolderError, match=r"stage distill .* other settings \(online: .not there."):
        run(again, last="distill")


def test_another_online_teacher_is_refused(folder: Path) -> None:
    other = "teachers=[{name: lab-dino}, {name: lab-clip, mode: online, input_px: 192}]"
    recipe = load_recipe(ROOT / "recipes" / "phantom-quick.yaml", [f"out={folder / 'mixed'}", other, *SMALL])
    with pytest.raises(
        StoreError, match=r"online teacher 'lab-clip' of .* was looked at with another grid, identity"
    ):
        run(recipe, last="extract")


def test_a_recipe_says_it_for_all_teachers_and_a_teacher_for_itself(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, "stored", "store.mode=online")
    assert [recipe.is_online(teacher) for teacher in recipe.teachers] == [True, True]
    assert "the teachers look at each batch" in explain(recipe)
    mixed = recipe_of(tmp_path, "mixed")
    assert "lab-clip look at each batch" in explain(mixed)
    with pytest.raises(
        ConfigError, match="a grid must find every teacher's features stored, but lab-clip would"
    ):
        require_stored(mixed, "a grid")
