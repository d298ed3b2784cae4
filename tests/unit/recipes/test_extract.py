"""A further teacher costs its own column and nothing else; what learns from teachers remembers which, and in what order."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from agglo.config.load import load_recipe
from agglo.config.schema import Recipe
from agglo.core.errors import ConfigError, RunFolderError, StoreError
from agglo.core.runlog import read_log
from agglo.data import DatasetWriter, FrameInfo, State
from agglo.distill import load_distilled
from agglo.distill.distilled import teachers_of
from agglo.features import FeatureStore, Storage
from agglo.recipes import build
from agglo.recipes.compare_teachers import whole_maps
from agglo.recipes.context import Run
from agglo.recipes.extract import pool_and_store
from agglo.recipes.run import STAGES, run
from agglo.recipes.store import requantise_store, store_problems
from agglo.recipes.teachers import teacher_entry
from agglo.teachers import entry_of, preprocess

ROOT = Path(__file__).parents[3]
SMALL = (
    "data.phantom={patients: 4, frames: 2, size_px: 64, seed: 3}",
    "data.split.fractions=[0.5, 0.25, 0.25]",
    "views.per_frame=1",
    "student.input_px=64",
    "distill.steps=1",
    "distill.batch_size=2",
    "device.accelerator=cpu",
)


def recipe_with(folder: Path, teachers: Sequence[str], options: str = "", *more: str) -> Recipe:
    named = f"teachers=[{', '.join(f'{{name: {name}{options}}}' for name in teachers)}]"
    return load_recipe(ROOT / "recipes" / "phantom-quick.yaml", [f"out={folder}", named, *SMALL, *more])


def written(folder: Path) -> dict[str, int]:
    """Return when each file of the feature columns was written."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.glob("features/columns/*/features/**/*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose store holds two teachers, the second of which came later, distilled from both."""
    folder = tmp_path_factory.mktemp("run")
    run(recipe_with(folder, ["lab-sam"]), last="extract")
    before = written(folder)
    assert run(recipe_with(folder, ["lab-sam", "lab-dino"]), last="distill") == ["extract", "distill"]
    assert before
    assert written(folder).items() > before.items()
    return folder


def test_a_second_teacher_leaves_the_first_ones_column_alone(folder: Path) -> None:
    assert FeatureStore.open(folder / "features").teachers == ("lab-dino", "lab-sam")


def test_a_student_says_who_taught_it_and_what_binds_them(folder: Path) -> None:
    told = teachers_of(folder / "distill" / "student.safetensors")
    assert told is not None
    assert [each["name"] for each in told] == ["lab-sam", "lab-dino"]
    for each in told:
        entry = entry_of(str(each["name"]))
        assert (each["licence"], each["restriction"]) == (entry.licence, entry.restriction)
        assert each["labels_seen"] == entry.labels_seen


def test_facts_are_of_the_teachers_asked_for(folder: Path) -> None:
    recipe = recipe_with(folder, ["lab-dino"])
    before = written(folder)
    assert run(recipe, last="extract") == ["extract"]
    assert written(folder) == before
    under_way = Run(recipe)
    for name in ("dataset", "extract"):
        run_stage(name, under_way)
    assert list(under_way.stages["extract"].facts["teachers"]) == ["lab-dino"]


def run_stage(name: str, under_way: Run) -> None:
    """Let a stage look at what is there."""
    assert not STAGES[name](under_way), f"{name} must be done already"


def test_another_order_of_teachers_is_refused_where_it_matters(folder: Path) -> None:
    with pytest.raises(RunFolderError, match=r"stage distill.*teachers"):
        run(recipe_with(folder, ["lab-dino", "lab-sam"]), last="distill")


def test_a_teacher_that_looks_otherwise_now_is_refused(folder: Path) -> None:
    before = written(folder)
    with pytest.raises(StoreError, match=r"column 'lab-dino' .* was made with another grid, identity"):
        run(recipe_with(folder, ["lab-dino"], options=", input_px: 112"), last="extract")
    assert written(folder) == before


def test_a_lost_store_is_filled_again(tmp_path: Path) -> None:
    recipe = recipe_with(tmp_path, ["lab-dino"])
    run(recipe, last="extract")
    (tmp_path / "features" / "store.json").unlink()
    assert run(recipe, last="extract") == ["extract"]
    assert FeatureStore.open(tmp_path / "features").teachers == ("lab-dino",)


def test_features_kept_as_codes_are_learned_from(tmp_path: Path) -> None:
    plain = recipe_with(tmp_path, ["lab-dino"])
    coded = recipe_with(tmp_path, ["lab-dino"], "", "store={dtype: int8, pilot_views: 3}")
    assert run(coded, last="distill")[-1] == "distill"
    column = FeatureStore.open(tmp_path / "features").column("lab-dino")
    assert column.read(0).dtype == np.int8
    assert column.codec is not None
    assert column.codec.basis == "hadamard"
    assert run(coded, last="distill") == []
    with pytest.raises(StoreError, match=r"'lab-dino' .* was made with another codes, dtype, pilot_views"):
        run(plain, last="extract")


def test_summaries_have_columns_of_their_own_and_are_learned_from(tmp_path: Path) -> None:
    recipe = recipe_with(tmp_path, ["lab-sam", "lab-dino"], "", "distill.summary=true")
    assert run(recipe, last="distill")[-1] == "distill"
    store = FeatureStore.open(tmp_path / "features")
    assert store.teachers == ("lab-dino", "lab-dino@summary", "lab-sam")
    assert store_problems(store.folder, recipe) == []
    other = recipe_with(tmp_path, ["lab-sam", "lab-clip"], "", "distill.summary=true")
    assert [str(problem) for problem in store_problems(store.folder, other)] == [
        f"{name}: the recipe's teacher has no column" for name in ("lab-clip", "lab-clip@summary")
    ]
    assert whole_maps(store) == ["lab-dino", "lab-sam"]
    column = store.column("lab-dino@summary")
    teacher = build.ready_teacher(recipe.teachers[1]).teacher
    picture = torch.tensor(pool_and_store(Run(recipe))[0].render(1, 224))[None]
    expected = teacher.summary(preprocess(teacher_entry(recipe.teachers[1]), picture))
    assert column.read(1).shape == (192, 1, 1)
    np.testing.assert_allclose(column.read(1)[:, 0, 0], expected[0].numpy(), rtol=2e-3, atol=2e-3)
    logged = read_log(tmp_path / "distill" / "log.jsonl")[-1]
    assert -1 <= logged["teachers"]["lab-dino"]["summary"] <= 1
    assert "summary" not in logged["teachers"]["lab-sam"]
    distilled = load_distilled(tmp_path / "distill")
    assert distilled.teachers == ("lab-sam", "lab-dino", "lab-dino@summary")
    stand_in = distilled.as_teacher("lab-dino@summary")
    assert stand_in(torch.zeros(1, 3, 64, 64)).shape == (1, 192, 1, 1)
    assert run(recipe, last="distill") == []
    with pytest.raises(RunFolderError, match=r"stage distill.*summary: True -> .not there."):
        run(recipe_with(tmp_path, ["lab-sam", "lab-dino"]), last="distill")


def test_a_summary_that_nobody_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"distill.summary: needs a teacher with a summary, and none of the recipe"
    ):
        build.check_names(recipe_with(tmp_path, ["lab-sam"], "", "distill.summary=true"))


def test_a_column_that_was_requantised_is_taken_for_what_the_recipe_asks(tmp_path: Path) -> None:
    run(recipe_with(tmp_path, ["lab-dino"]), last="extract")
    requantise_store(tmp_path / "features", [], Storage("int8"), is_replacing=True)
    before = written(tmp_path)
    coded = recipe_with(tmp_path, ["lab-dino"], "", "store.dtype=int8")
    assert run(coded, last="extract") == []
    assert run(coded, last="distill") == ["distill"]
    assert written(tmp_path) == before


def test_a_teacher_with_other_weights_than_the_columns_is_foreign(folder: Path) -> None:
    recipe = recipe_with(folder, ["lab-sam", "lab-dino"])
    assert store_problems(folder / "features", recipe) == []
    other = recipe_with(folder, ["lab-dino", "lab-clip"], ", input_px: 448")
    assert [str(problem) for problem in store_problems(folder / "features", other)] == [
        "lab-dino: is a foreign teacher's: made with another input_px than the recipe's",
        "lab-clip: the recipe's teacher has no column",
    ]


def unlabelled(folder: Path) -> Path:
    """Write three patients with a frame each, that nobody has labelled."""
    writer = DatasetWriter(folder, name="more", structures=["C2"], description={})
    for patient in range(3):
        image = np.random.default_rng(patient).integers(0, 255, (32, 32), np.uint8)
        info = FrameInfo(id=f"f{patient}", patient=f"p{patient}", video="v", index=0)
        writer.add(info, image, None, [State.UNLABELLED])
    writer.finish()
    return folder


def test_frames_labelled_after_they_were_learned_from_are_no_test_set(tmp_path: Path) -> None:
    more = unlabelled(tmp_path / "more")
    further = [f"data.unlabelled=[{{folder: {more}}}]", "data.structures=[C2]"]
    recipe = load_recipe(
        ROOT / "recipes" / "phantom-quick.yaml",
        [f"out={tmp_path / 'run'}", "teachers=[{name: lab-dino}]", *SMALL, *further],
    )
    run(recipe, last="extract")
    assert run(recipe, last="extract") == []
    before = written(tmp_path / "run")
    table = more / "frames.csv"
    table.write_text(table.read_text().replace("unlabelled", "absent", 1))
    evaluate = recipe.evaluate.model_validate({"also": [{"name": "more", "folder": more}]})
    for each in (recipe, recipe.model_copy(update={"evaluate": evaluate})):
        with pytest.raises(
            RunFolderError, match=r"stage extract .* \(unlabelled\.\S+/more\.frames: .* -> .*3 -> 2"
        ):
            run(each, last="extract")
    assert written(tmp_path / "run") == before


def test_a_shared_store_serves_a_second_student_and_grows_by_frames_that_join(tmp_path: Path) -> None:
    store, more = tmp_path / "store", unlabelled(tmp_path / "more")
    shared = ["data.structures=[C2]", f"store.folder={store}"]
    run(recipe_with(tmp_path / "one", ["lab-dino"], "", *shared), last="extract")
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*.json")}
    second = recipe_with(tmp_path / "two", ["lab-dino"], "", *shared, "student.name=tinyvit")
    assert run(second, last="distill")[-1] == "distill"
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*.json")} == before, "nobody looked again"
    assert not (tmp_path / "two" / "features" / "store.json").exists()
    third = recipe_with(
        tmp_path / "three", ["lab-dino"], "", *shared, f"data.unlabelled=[{{folder: {more}}}]"
    )
    run(third, last="extract")
    alone = recipe_with(
        tmp_path / "alone", ["lab-dino"], "", "data.structures=[C2]", f"data.unlabelled=[{{folder: {more}}}]"
    )
    run(alone, last="extract")
    grown, whole = (FeatureStore.open(each) for each in (store, alone.features))
    assert grown.samples == whole.samples
    for sample in range(len(whole.samples)):
        assert (grown.column("lab-dino").read(sample) == whole.column("lab-dino").read(sample)).all()
    with pytest.raises(
        StoreError, match=r"but its dataset, frames, counted differ \(it has 7 frames, and 4 are"
    ):
        run(second.model_copy(update={"out": tmp_path / "again"}), last="extract")
