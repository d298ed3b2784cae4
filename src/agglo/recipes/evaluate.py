"""The evaluate stage: every arm of the run is scored once on test and on further test sets; pictures are kept for the report where
that is allowed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agglo.config.schema import FurtherTest, PhantomConfig
from agglo.core.errors import DataError
from agglo.core.files import write_json, write_text
from agglo.core.runlog import RunLog
from agglo.data import Dataset, identity_view, open_dataset, render_image
from agglo.evaluate.cases import Case, write_cases
from agglo.evaluate.markdown import table_markdown
from agglo.evaluate.tables import table
from agglo.predict import Predictor, load
from agglo.recipes import build
from agglo.recipes.align import model_folder
from agglo.recipes.context import Run
from agglo.recipes.phantom import cohort_of, make_phantom, open_test_set
from agglo.recipes.score import score_frames, score_rules
from agglo.recipes.stage import Facts
from agglo.recipes.vetting import labelled_frames, refuse_learned, same_seed, unlabelled_test
from agglo.report.pictures import FeatureRow, Picture, write_features, write_pictures
from agglo.teachers import preprocess
from agglo_runtime.writers import colours_for

SPLIT = "test"
FEATURE_FRAMES = 3


@dataclass(frozen=True)
class TestSet:
    """Frames that are scored, and nothing else."""

    __test__ = False  # no class of tests, whatever a test runner thinks of its name

    name: str
    dataset: Dataset
    indices: tuple[int, ...]


def evaluate(run: Run) -> bool:
    """Score the distilled arm and, where there are, the light decoder and the supervised arm; leaves tables, cases, pictures."""
    config = run.recipe.evaluate
    settings = {
        "evaluate": config.model_dump(mode="json"),
        "report": run.recipe.report.model_dump(mode="json"),
        "also": {extra.name: _identity_of(extra) for extra in config.also},
    }
    arms = {"align": run.folder / "evaluate"}
    arms |= {arm: arms["align"] / arm for arm in ("light", "supervised") if arm in run.stages}
    tables = [
        arms[arm] / of / "table.json" for arm in arms for of in ("", *(each.name for each in config.also))
    ]
    stage = run.stage(
        "evaluate",
        settings,
        after=["align", "light", "supervised"],
        is_whole=lambda: all(table.exists() for table in tables),
    )

    def work() -> Facts:
        device = build.device(run.recipe).settle()
        further = [further_test(run, extra) for extra in config.also]
        means = {}
        for arm, folder in arms.items():
            predictor = load(model_folder(run, arm)).to(device)
            for extra in further:
                _score(run, arm, predictor, extra, folder / extra.name)
            means[arm] = _score(run, arm, predictor, own_test(run), folder)
        write_json(stage.folder / "teachers.json", list(_teachers(run)))
        return {"mean_dice": means}

    return stage.run(work)


def further_test(run: Run, config: FurtherTest) -> TestSet:
    """Return a further test set: all labelled frames of a folder, or of a phantom that is made in the run folder if need be.

    Raises:
        DataError: it lacks structures that the run's own dataset has, or any label, was made with other settings, or holds images
            or patients that are learned from.
    """
    folder = config.folder or run.folder / "tests" / config.name
    progress = run.tell(f"phantom {config.name}")
    if config.phantom is not None:
        _further_phantom(run, config.name, config.phantom, folder)
    if config.held_out is not None:
        open_test_set(folder, config.held_out, progress=progress)
    found = open_dataset(folder, structures=run.dataset.structures, polarity=run.recipe.data.polarity)
    if problem := unlabelled_test(config.name, found):
        raise DataError(*problem)
    labelled = labelled_frames(found)
    refuse_learned(run, config.name, (found, labelled))
    return TestSet(config.name, found, labelled[:: config.stride])


def _further_phantom(run: Run, name: str, config: PhantomConfig, folder: Path) -> None:
    """Make a phantom to test on, of patients that no phantom has that is learned from, unless it is whole in `folder`."""
    if problem := same_seed(run, name, config.seed):
        raise DataError(*problem)
    if not (folder / "dataset.json").exists():
        make_phantom(folder, config, progress=run.tell(f"phantom {name}"))
    wanted, found = cohort_of(config).identity, open_dataset(folder).description.get("identity")
    if found != wanted:
        raise DataError(
            f"{folder} must hold the phantom that `evaluate.also` asks for as {name!r} ({wanted}), but holds another ({found}); "
            "delete the folder to make it anew, or give the test set another name"
        )


def own_test(run: Run) -> TestSet:
    """Return the run's own test part."""
    labelled = (index for index in run.split[SPLIT] if run.dataset.frames[index].is_labelled)
    return TestSet(SPLIT, run.dataset, tuple(labelled))


def _identity_of(config: FurtherTest) -> str | None:
    return open_dataset(config.folder).fingerprint if config.folder else None


def log_scoring(log: RunLog, arm: str, tested: TestSet) -> None:
    """Write down that `arm` is scored on a test set: who looks often at test chooses by it."""
    at = datetime.now(UTC).isoformat()
    log.write(scored=tested.name, arm=arm, frames=len(tested.indices), at=at)


def _score(run: Run, arm: str, predictor: Predictor, tested: TestSet, folder: Path) -> float | None:
    rules = score_rules(run.recipe)
    log_scoring(RunLog(run.folder / "log.jsonl"), arm, tested)
    progress = run.tell(f"score {arm}")
    scored = score_frames(predictor.masks, tested.dataset, tested.indices, rules, progress=progress)
    scores = table(
        scored.cases,
        split=tested.name,
        groups=tested.dataset.groups,
        teachers=[teacher["name"] for teacher in predictor.config.teachers],
        is_phantom=is_phantom(tested.dataset),
        rules=rules,
    )
    scores |= scored.extra_tables(tested.dataset)
    write_cases(folder / "cases.csv", scored.cases)
    write_text(folder / "table.md", table_markdown(scores))
    if arm == "align" and tested.name == SPLIT and _may_show(run):
        _keep_pictures(run, predictor, scored.cases, tested.indices, folder)
    write_json(folder / "table.json", scores)
    mean: float | None = scores["mean"]["dice"]
    return mean


def is_phantom(found: Dataset) -> bool:
    """Return whether a dataset is synthetic."""
    return bool(found.description.get("is_phantom", False))


def _may_show(run: Run) -> bool:
    """Return whether pictures of this dataset may be kept: pictures of real people only where the recipe says `all`."""
    images = run.recipe.report.images
    return images == "all" or (images == "phantom" and is_phantom(run.dataset))


def _teachers(run: Run) -> Sequence[dict[str, Any]]:
    return [{"name": name, **facts} for name, facts in run.stages["extract"].facts["teachers"].items()]


def _keep_pictures(
    run: Run, predictor: Predictor, cases: Sequence[Case], indices: Sequence[int], folder: Path
) -> None:
    found = run.dataset
    place_of = {found.frames[index].id: index for index in indices}
    ranked = [place_of[frame] for frame in rank_frames(cases, run.recipe.evaluate.min_visible)]
    if not ranked:
        return
    chosen = choose(ranked, run.recipe.evaluate.pictures)
    pictures = [_picture(found, predictor, cases, index, rank) for rank, index in chosen]
    colours = colours_for(found.structures)
    write_pictures(folder / "pictures.npz", pictures, structures=found.structures, colours=list(colours))
    middle = [ranked[place] for place in np.linspace(0, len(ranked) - 1, FEATURE_FRAMES).round().astype(int)]
    write_features(folder / "features.npz", _feature_rows(run, predictor, middle))


def rank_frames(cases: Sequence[Case], min_visible: float) -> list[str]:
    """Return frames from best to worst mean Dice over the structures that count; frames without any are left out."""
    found: dict[str, list[float]] = {}
    for case in cases:
        if case.dice is not None and case.visible_fraction >= min_visible:
            found.setdefault(case.frame, []).append(case.dice)
    return sorted(found, key=lambda frame: (-float(np.mean(found[frame])), frame))


def choose(ranked: Sequence[int], count: int) -> list[tuple[str, int]]:
    """Return `count` frames each of the best, the median and the worst of `ranked`, none twice."""
    middle = max(0, len(ranked) // 2 - count // 2)
    wanted = {
        "best": list(ranked[:count]),
        "worst": list(ranked[len(ranked) - min(count, len(ranked)) :]),
        "median": list(ranked[middle : middle + count]),
    }
    chosen: dict[int, str] = {}
    for rank, frames in wanted.items():
        for frame in frames:
            chosen.setdefault(frame, rank)
    order = {"best": 0, "median": 1, "worst": 2}
    return sorted(((rank, frame) for frame, rank in chosen.items()), key=lambda pair: order[pair[0]])


def _picture(found: Dataset, predictor: Predictor, cases: Sequence[Case], index: int, rank: str) -> Picture:
    frame, image = found.frames[index], found.image(index)
    figures = {case.structure: case.dice for case in cases if case.frame == frame.id}
    return Picture(rank, frame.id, image, predictor.masks(image), found.masks(index), figures)


def _feature_rows(run: Run, predictor: Predictor, indices: Sequence[int]) -> list[FeatureRow]:
    """Return the maps of the aligned student and of every teacher for some frames, each at its own input size."""
    sources = {teacher.key: build.ready_teacher(teacher) for teacher in run.recipe.teachers}
    for source in sources.values():
        source.teacher.to(predictor.device)
    rows = []
    for index in indices:
        image = run.dataset.image(index)
        view = identity_view(*image.shape)

        def look(size_px: int, image: np.ndarray = image, view: Any = view) -> torch.Tensor:
            return torch.tensor(render_image(image, view, size_px), device=predictor.device)[None]

        size_px = predictor.config.input_px
        with torch.inference_mode():
            seen = predictor.student(predictor.student.preprocess(look(size_px))).embedding
            maps = {run.recipe.student.name: seen[0].float().cpu().numpy()}
            for name, source in sources.items():
                grey = preprocess(source.entry, look(source.teacher.spec.input_px))
                maps[name] = source.teacher.feature_map(grey)[0].float().cpu().numpy()
        square = (look(size_px)[0].cpu().numpy() * 255).round().astype(np.uint8)
        rows.append(FeatureRow(run.dataset.frames[index].id, square, maps))
    return rows
