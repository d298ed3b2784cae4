"""The align stage, and the supervised-only arm beside it: masks are learned on the distilled student, and on one that was not."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agglo.align import AlignTask, MaskSource
from agglo.config.schema import Recipe
from agglo.core.errors import DataError
from agglo.core.files import read_json, write_json
from agglo.core.runlog import read_log
from agglo.data import Dataset
from agglo.decoders import ceiling_dice
from agglo.predict import Model, ModelConfig, Predictor, save_model
from agglo.recipes import build
from agglo.recipes.context import Run
from agglo.recipes.distill import student_file
from agglo.recipes.joint import joined, joint_alarm
from agglo.recipes.patients import labelled_order
from agglo.recipes.score import score_rules, validation_dice
from agglo.recipes.stage import Facts, Stage
from agglo.students import Origin, build_student
from agglo.train import Place, Plan, Task, Watch, fit
from agglo.train.batches import SampleSource

PROBE_STEPS = 8
CEILING_FRAMES = 16


def align(run: Run) -> bool:
    """Train the decoder on the distilled student, and by default that too after a while; leaves the model folder."""
    recipe = run.recipe
    stage = run.stage(
        "align",
        mask_settings(recipe),
        after=["dataset", "extract", "distill"],
        is_whole=lambda: has_model(run, "align"),
        is_together=True,
    )

    def work() -> Facts:
        source = mask_source(run)
        plan = build.plan(recipe.align, seed=recipe.seed, num_samples=len(source))
        learner = build_student(
            recipe.student.name, neck=recipe.student.neck, embed_dim=build.EMBED_DIM, init=student_file(run)
        )
        task = build.align_task(recipe, learner, len(run.dataset.structures), steps=plan.steps)
        joint = joined(run, task, source) if recipe.align.features_weight else None
        return _train(run, stage, task, source, plan, joint)

    return stage.run(work)


def supervised(run: Run) -> bool:
    """Train the bar: the same student and decoder on masks alone, for as long as extracting, distilling and aligning took."""
    recipe = run.recipe
    if recipe.supervised.wall_time == "none":
        return False
    settings = {**mask_settings(recipe), "supervised": recipe.supervised.model_dump(mode="json")}
    stage = run.stage(
        "supervised",
        settings,
        after=["dataset", "extract", "distill", "align"],
        is_whole=lambda: has_model(run, "supervised"),
        is_together=True,
    )

    def work() -> Facts:
        source = mask_source(run)
        steps = _affordable_steps(run, stage, source)
        config = recipe.align.model_copy(
            update={"steps": steps, "epochs": None, "learning_rate": recipe.supervised.learning_rate}
        )
        plan = build.plan(config, seed=recipe.seed, num_samples=len(source))
        task = build.supervised_task(recipe, len(run.dataset.structures))
        return _train(run, stage, task, source, plan)

    return stage.run(work)


def mask_settings(recipe: Recipe) -> dict[str, Any]:
    """Return what of a recipe decides how masks are learned, JSON-like, but for the stages before."""
    counting = {"min_visible": recipe.evaluate.min_visible} if recipe.align.select == "best" else {}
    return {
        **counting,  # what counts in val decides which weights are kept
        "align": build.training_settings(recipe.align),
        "student": build.student_settings(recipe),
        "decoder": recipe.decoder.model_dump(mode="json"),
        "views": recipe.views.model_dump(mode="json", exclude={"per_frame", "first_is_identity"}),
        "precision": recipe.device.precision,
        "seed": recipe.seed,
    }


def mask_source(run: Run) -> MaskSource:
    """Return the labelled training frames: of all patients, or of as many as the recipe says, drawn by its seed."""
    return labelled_source(run.recipe, run.dataset, run.split["train"])


def labelled_source(
    recipe: Recipe, found: Dataset, train: Sequence[int], *, stride_px: int = 2
) -> MaskSource:
    """Return the frames `train` of the first `align.labelled_patients` patients of an order that only the seed decides.

    So few labels are always among many. Only patients with a label count.

    Raises:
        DataError: there are fewer such patients.
    """
    indices, wanted = list(train), recipe.align.labelled_patients
    if wanted is not None:
        patients = labelled_order(recipe, found, train)
        if wanted > len(patients):
            raise DataError(
                f"`align.labelled_patients` must be at most the {len(patients)} training patients of {found.name} with labels, "
                f"got {wanted}; ask for fewer, or give the train part more"
            )
        kept = {*patients[:wanted]}
        indices = [index for index in indices if found.frames[index].patient in kept]
    views = build.view_recipe(recipe.views, first_is_identity=False)
    size_px, seed = recipe.student.input_px, recipe.seed
    has_prompts = recipe.align.prompts
    return MaskSource(
        found, indices, views, size_px=size_px, seed=seed, stride_px=stride_px, has_prompts=has_prompts
    )


def _train(
    run: Run,
    stage: Stage,
    task: AlignTask,
    source: MaskSource,
    plan: Plan,
    joint: tuple[Task, SampleSource] | None = None,
) -> Facts:
    """Train `task`, alone or as part of a joint one; keep its model."""
    recipe, found = run.recipe, run.dataset
    indices, rules = val_frames(run), score_rules(recipe)

    def score(_: Task) -> Mapping[str, Any]:
        return validation_dice(_predictor(run, task).masks, found, indices, rules)

    every = math.ceil(plan.steps / recipe.align.validations)
    place = Place(stage.folder, stage.identity, build.device(recipe), recipe.device.workers)
    select = "dice" if recipe.align.select == "best" else None
    watch = Watch(
        score if indices else None,
        every,
        select if indices else None,
        run.tell(stage.name),
        joint_alarm(recipe) if joint else None,
    )
    state = fit(*(joint or (task, source)), plan, place, watch)
    if not run.team.is_first:
        return {}
    model = model_folder(run, stage.name)
    save_model(model, Model(task.student, task.decoder, _config(run, task, stage.name), task.prompts))
    return {
        "steps": plan.steps,
        "batch_size": plan.batch_size,
        "frames": len(source),
        "labels": "masks of these frames",
        "patients": len({found.frames[index].patient for index in source.indices}),
        "wall_s": round(state.wall_s, 2),
        "process_s": round(state.process_s, 2),
        "val_frames": len(indices),
        "kept_step": state.best_step or plan.steps,
        "val_dice": state.best_figure,
        "decoder_parameters": sum(parameter.numel() for parameter in task.decoder.parameters()),
        "ceiling_dice": _ceiling(found, source.indices, recipe.student.input_px),
    }


def val_frames(run: Run) -> list[int]:
    """Return the frames of val by which weights are chosen: labelled ones, evenly over it."""
    labelled = [index for index in run.split["val"] if run.dataset.frames[index].is_labelled]
    return _spread(labelled, run.recipe.align.val_frames)


def _spread(indices: Sequence[int], count: int) -> list[int]:
    """Return `count` of `indices`, evenly spread; all of them if there are fewer."""
    if len(indices) <= count:
        return list(indices)
    return [indices[place] for place in np.linspace(0, len(indices) - 1, count).round().astype(int)]


def model_folder(run: Run, arm: str) -> Path:
    """Return where the model of an arm is saved: `model/` for the distilled one, else `ARM/model`."""
    return run.folder / ("model" if arm == "align" else f"{arm}/model")


def has_model(run: Run, arm: str) -> bool:
    """Return whether the model of an arm is there."""
    return (model_folder(run, arm) / "config.json").exists()


def _config(run: Run, task: AlignTask, arm: str) -> ModelConfig:
    recipe, found, entry = run.recipe, run.dataset, task.student.entry
    is_distilled = arm == "align"
    seen = run.stages["extract"].facts.get("teachers", {}) if is_distilled else {}
    notes = ["Research use only, not a medical device"]
    learned = (found, *run.extra_datasets) if is_distilled else (found,)
    synthetic = [bool(each.description.get("is_phantom")) for each in learned]
    if any(synthetic):
        notes.append(f"PHANTOM: made from synthetic images{'' if all(synthetic) else ' and real ones'}")
    return ModelConfig(
        name=recipe.name if is_distilled else f"{recipe.name} (masks alone)",
        student=task.student.arguments,
        decoder=build.decoder_options(recipe, task.student, len(found.structures)),
        prompts=build.prompt_options(recipe, task.student),
        structures=found.structures,
        input_px=recipe.student.input_px,
        mean=tuple(entry.mean),
        std=tuple(entry.std),
        polarity=recipe.data.polarity,
        notes=tuple(notes),
        teachers=tuple({"name": name, **facts} for name, facts in seen.items()),
        provenance={
            "dataset": found.name,
            "dataset_fingerprint": found.fingerprint,
            "seed": recipe.seed,
            "student_init": _student_init(run, task, arm),
        },
    )


def _student_init(run: Run, task: AlignTask, arm: str) -> str:
    """Return where an arm's student started from: the distilled one, where distilling started from."""
    if arm != "align":
        return task.student.origin.in_words()
    facts = run.stages["distill"].facts
    return Origin.of_facts(facts["init"]).in_words() if "init" in facts else "not recorded"


def _predictor(run: Run, task: AlignTask) -> Predictor:
    """Return the task's parts as the user will run them: val is predicted as test is, and scored by the same rules."""
    return Predictor(Model(task.student, task.decoder, _config(run, task, "align")))


def _ceiling(found: Dataset, indices: Sequence[int], input_px: int) -> dict[str, float | None]:
    """Return the best mean Dice that logits at half the input's size allow, by structure, over some training frames."""
    figures = []
    for index in _spread(indices, CEILING_FRAMES):
        masks = found.masks(index)
        stride_px = max(1, round(max(masks.shape[1:]) / (input_px // 2)))
        figures.append(ceiling_dice(torch.from_numpy(masks), stride_px=stride_px).numpy())
    by_structure = np.stack(figures, axis=1)
    return {
        name: float(np.nanmean(row)) if np.isfinite(row).any() else None
        for name, row in zip(found.structures, by_structure, strict=True)
    }


def _affordable_steps(run: Run, stage: Stage, source: MaskSource) -> int:
    """Return how many steps fit into the time of the distilled arm; measured once, then kept in `budget.json`.

    Time is that of all processes together: the two arms may have been trained by different numbers of them.
    """
    path = stage.folder / "budget.json"
    steps = run.team.first_does(lambda: read_json(path)["steps"] if path.exists() else None)
    if steps is None:
        _probe(run, stage, source)
        steps = run.team.first_does(lambda: _budget(run, stage)["steps"])
    return int(steps)


def _budget(run: Run, stage: Stage) -> dict[str, Any]:
    """Write down, and return, what the probe's steps and the distilled arm's seconds come to."""
    stages = [run.stages[name].facts for name in ("extract", "distill", "align")]
    budget_s = sum(float(facts["process_s" if "process_s" in facts else "wall_s"]) for facts in stages)
    seconds = [entry["wall_s"] for entry in read_log(stage.folder / "probe" / "log.jsonl")]
    step_s = float(np.median(np.diff(seconds)[1:])) * run.team.share.world
    budget = {"budget_s": budget_s, "step_s": step_s, "steps": max(1, int(budget_s / step_s))}
    write_json(stage.folder / "budget.json", budget)
    return budget


def _probe(run: Run, stage: Stage, source: MaskSource) -> None:
    """Take a few steps on the side; the seconds of the first two of them count nothing."""
    folder = stage.folder / "probe"
    config = run.recipe.align.model_copy(update={"steps": PROBE_STEPS, "epochs": None, "log_every": 1})
    plan = build.plan(config, seed=run.recipe.seed, num_samples=len(source))
    task = build.supervised_task(run.recipe, len(run.dataset.structures))
    checkpoint = folder / "checkpoint.pt"
    run.team.first_does(lambda: checkpoint.unlink(missing_ok=True))
    fit(task, source, plan, Place(folder, "probe", build.device(run.recipe), run.recipe.device.workers))
    run.team.first_does(checkpoint.unlink)
