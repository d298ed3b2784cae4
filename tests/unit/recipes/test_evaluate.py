"""Which frames the report shows, and which further test sets may be scored."""

import json
import re
import shutil
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from agglo.config.load import load_recipe
from agglo.config.schema import ExtraFrames, FurtherTest, PhantomConfig
from agglo.core.errors import DataError
from agglo.evaluate.cases import Case
from agglo.recipes import evaluate as stage_of_scoring
from agglo.recipes.context import Run
from agglo.recipes.evaluate import TestSet, choose, further_test, rank_frames
from agglo.recipes.phantom import make_phantom
from agglo.recipes.run import run

RECIPE = Path(__file__).parents[3] / "recipes" / "phantom-quick.yaml"


def case(frame: str, structure: str, dice: float | None, visible: float = 1.0) -> Case:
    return Case(frame, "p", "s", structure, "present", visible, "none", True, dice is not None, dice)


def test_frames_go_from_best_to_worst_by_what_can_be_seen() -> None:
    cases = [
        case("mixed", "a", 1.0),
        case("mixed", "b", 0.2),
        case("good", "a", 0.9),
        case("good", "b", 0.1, visible=0.3),
        case("bad", "a", 0.0),
        case("empty", "a", None),
    ]
    assert rank_frames(cases, 0.5) == ["good", "mixed", "bad"]
    assert rank_frames(cases, 0.0) == ["mixed", "good", "bad"]


CHOICES = {  # name: (ranked frames, of each rank, expected)
    "plenty": (
        list(range(9)),
        2,
        [("best", 0), ("best", 1), ("median", 3), ("median", 4), ("worst", 7), ("worst", 8)],
    ),
    "one": ([5], 2, [("best", 5)]),
    "three": ([1, 2, 3], 2, [("best", 1), ("best", 2), ("worst", 3)]),
    "none wanted": ([1, 2, 3], 0, []),
}


@pytest.mark.parametrize(("ranked", "count", "expected"), CHOICES.values(), ids=CHOICES)
def test_best_median_and_worst_without_repetition(
    ranked: list[int], count: int, expected: list[tuple[str, int]]
) -> None:
    assert choose(ranked, count) == expected


OTHER = PhantomConfig(patients=2, frames=2, size_px=64, seed=7)
SMALL = ("data.phantom={patients: 4, frames: 2, size_px: 64, seed: 3}", "student.input_px=64")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose data are there."""
    recipe = load_recipe(RECIPE, [f"out={tmp_path_factory.mktemp('run')}", *SMALL])
    run(recipe, last="dataset")
    return Run(recipe)


def further(begun: Run, **of: object) -> TestSet:
    return further_test(begun, FurtherTest.model_validate({"name": "further", **of}))


def test_a_further_test_set_is_the_one_asked_for(begun: Run) -> None:
    tiny = {"patients": 2, "frames": 2, "size_px": 64}
    assert len(further(begun, phantom={**tiny, "seed": 4}).indices) == 4
    assert len(further(begun, phantom={**tiny, "seed": 4}, stride=3).indices) == 2
    with pytest.raises(DataError, match=r"asks for as 'further' .* but holds another"):
        further(begun, phantom={**tiny, "seed": 5})


def test_what_is_trained_on_is_no_further_test_set(begun: Run) -> None:
    with pytest.raises(DataError, match="drawn from the same seed 3"):
        further(begun, phantom={"patients": 9, "frames": 1, "size_px": 64, "seed": 3})
    with pytest.raises(DataError, match="must hold other images than those learned from"):
        further(begun, folder=begun.dataset_folder)


def without(begun: Run, folder: Path, ids: set[str]) -> Path:
    """Copy the run's dataset without the frames `ids`, the others under other names."""
    shutil.copytree(begun.dataset_folder, folder)
    header, *rows = (folder / "frames.csv").read_text().splitlines()
    kept = [f"x{row}" for row in rows if row.split(",")[0] not in ids]
    (folder / "frames.csv").write_text("\n".join([header, *kept]))
    content = json.loads((folder / "dataset.json").read_text())
    content["description"]["seed"] = 99  # as if nobody knew whose the pictures are
    (folder / "dataset.json").write_text(json.dumps({**content, "counts": {}}))
    return folder


def test_frames_left_out_or_renamed_do_not_hide_the_others(begun: Run, tmp_path: Path) -> None:
    frames, parts = begun.dataset.frames, begun.split
    learned = [frames[index].id for part in ("train", "val") for index in parts[part]]
    with pytest.raises(
        DataError, match=rf"shares {len(learned) - 1}: x\S+ is phantom-\w+/\S+, .*leave them out"
    ):
        further(begun, folder=without(begun, tmp_path / "a", {learned[0]}))
    only_test = further(begun, folder=without(begun, tmp_path / "b", set(learned)))
    assert len(only_test.indices) == len(parts["test"])


def test_patients_of_a_phantom_on_disk_are_known_by_its_seed(begun: Run, tmp_path: Path) -> None:
    config = PhantomConfig(patients=4, frames=3, size_px=64, seed=3)
    with pytest.raises(
        DataError, match=r"must hold other patients than those learned from .* shares [23]: p\d+, "
    ):
        further(begun, folder=make_phantom(tmp_path / "more", config))


def test_unlabelled_frames_are_learned_from_too(begun: Run, tmp_path: Path) -> None:
    more, tested = (make_phantom(tmp_path / name, OTHER) for name in ("more", "tested"))
    table = more / "frames.csv"
    table.write_text(re.sub(r"\b(present|absent)\b", "unlabelled", table.read_text()))
    content = json.loads((more / "dataset.json").read_text())
    (more / "dataset.json").write_text(json.dumps({**content, "name": "more", "description": {}}))
    data = begun.recipe.data.model_copy(update={"unlabelled": (ExtraFrames(folder=more),)})
    learning = Run(begun.recipe.model_copy(update={"data": data}))
    with pytest.raises(DataError, match=r"images than those learned from .* shares \d+: \S+ is more/"):
        further(learning, folder=tested)
    assert further(begun, folder=tested).indices


def test_any_lost_table_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def score(run: Run, arm: str, predictor: object, tested: object, folder: Path) -> float:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "table.json").touch()
        return 0.5

    for name in ("own_test", "load"):
        monkeypatch.setattr(stage_of_scoring, name, MagicMock())
    monkeypatch.setattr(stage_of_scoring, "further_test", lambda run, config: config)
    monkeypatch.setattr(stage_of_scoring, "_teachers", lambda run: [])
    monkeypatch.setattr(stage_of_scoring, "_score", score)
    also = "evaluate.also=[{name: more, phantom: {patients: 2, seed: 9}}]"
    scored = Run(load_recipe(RECIPE, [f"out={tmp_path}", also]))
    scored.stage("align", {})
    scored.stage("supervised", {})
    assert stage_of_scoring.evaluate(scored)
    assert not stage_of_scoring.evaluate(scored)
    tables = sorted((tmp_path / "evaluate").rglob("table.json"))
    assert len(tables) == 4
    for lost in tables:
        lost.unlink()
        assert stage_of_scoring.evaluate(scored)
        assert lost.exists()
