"""One model of a grid: built as its arm says, trained on masks, its step and rate chosen on val."""

import math
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agglo.ablate.grid import FROM_MASKS, Cell
from agglo.ablate.ground import Ground, wait_for_another
from agglo.ablate.probe import budget_of
from agglo.ablate.unet import UNet, UNetTask
from agglo.align import AlignTask, JointTask, MaskSource
from agglo.config.schema import Recipe
from agglo.core.files import fingerprint, read_json, write_json
from agglo.core.locks import locked
from agglo.core.runlog import read_log
from agglo.core.seeds import seed_of
from agglo.recipes import build
from agglo.recipes.align import labelled_source
from agglo.recipes.joint import join, joint_alarm
from agglo.recipes.score import Masks, score_rules, validation_dice
from agglo.students import build_student
from agglo.students.norms import calibrate_norms
from agglo.train import Place, Task, Watch, fit
from agglo.train.batches import SampleSource
from agglo_runtime.finish import masks_from_logits
from agglo_runtime.geometry import Letterbox
from agglo_runtime.prepare import to_unit

Learner = AlignTask | UNetTask


@dataclass(frozen=True)
class Choice:
    """A training and what val said of it.

    Attributes:
        learning_rate: of the training.
        steps: in all.
        kept_step: of the best scoring of val, whose weights are kept; the last one where nothing could be scored.
        val_dice: of that scoring.
        curve: step and mean Dice of every scoring.
        wall_s: of the steps, val left out.
    """

    learning_rate: float
    steps: int
    kept_step: int
    val_dice: float | None
    curve: tuple[tuple[int, float | None], ...]
    wall_s: float


def learn(ground: Ground, cell: Cell, rate: float, folder: Path) -> tuple[Learner, Choice]:
    """Train one model with `rate`, going on where it was left; `folder` keeps its checkpoint and log."""
    recipe, found = ground.plan.recipe_of(cell), ground.run.dataset
    arm = ground.plan.grid.arms[cell.arm]
    stride_px = 1 if arm.kind == "unet" else 2
    source = labelled_source(recipe, found, ground.run.split["train"], stride_px=stride_px)
    config = recipe.align.model_copy(update={"learning_rate": rate, **_length(ground, cell)})
    plan = build.plan(config, seed=cell.seed, num_samples=len(source))
    task = _task(ground, cell, recipe, plan.steps)
    rules = score_rules(recipe)

    def score(_: Task) -> Mapping[str, Any]:
        return validation_dice(masks_of(task, recipe.student.input_px), found, ground.val, rules)

    every = math.ceil(plan.steps / recipe.align.validations)
    taught, tell = _taught(ground, cell, recipe, task, source), ground.tell(cell.name)
    hook = joint_alarm(recipe) if isinstance(taught[0], JointTask) else None
    watch = Watch(score, every, "dice", tell, hook) if ground.val else Watch(progress=tell, hook=hook)
    identity = [ground.plan.identity(cell), rate, plan.steps]
    place = Place(folder, fingerprint(identity), build.device(recipe), recipe.device.workers)
    state = fit(*taught, plan, place, watch)
    curve = tuple(
        (entry["step"], entry["val"]["dice"]) for entry in read_log(folder / "log.jsonl") if "val" in entry
    )
    kept_step = state.best_step or plan.steps
    return task, Choice(rate, plan.steps, kept_step, state.best_figure, curve, round(state.wall_s, 2))


def labelled_patients(ground: Ground, cell: Cell) -> MaskSource:
    """Return the labelled frames that a cell learns from."""
    return labelled_source(ground.plan.recipe_of(cell), ground.run.dataset, ground.run.split["train"])


def tuned_rate(ground: Ground, cell: Cell) -> dict[str, Any]:
    """Return the rate that val chooses for an arm and column, and what each rate scored; found once for the grid.

    It is chosen with the grid's `tune_patients` and first seed, and then used for every count and seed.
    """
    grid = ground.plan.grid
    rates = grid.rates_of(grid.arms[cell.arm])
    trial = Cell(cell.arm, cell.column, grid.tune_patients, grid.seeds[0])
    if len(rates) == 1:
        return {"chosen": rates[0], "tried": {}}
    path = grid.out / "tuned" / f"{cell.arm}-{cell.column}.json"
    identity = ground.plan.identity(trial)
    with locked(path.with_name(f".{path.stem}.lock"), on_wait=wait_for_another):
        _try_rates(ground, trial, path, identity)
    content = read_json(path)
    return {
        "chosen": content["chosen"],
        "tried": {rate: each["val_dice"] for rate, each in content["tried"].items()},
        "patients": grid.tune_patients,
        "seed": grid.seeds[0],
    }


def _try_rates(ground: Ground, cell: Cell, path: Path, identity: str) -> None:
    """Write which rate is best for a cell into `path`, unless that is there."""
    grid = ground.plan.grid
    rates = grid.rates_of(grid.arms[cell.arm])
    if not path.exists() or read_json(path)["identity"] != identity:
        tried: dict[str, Any] = {}
        for rate in rates:
            folder = grid.out / "work" / f"tune-{cell.arm}-{cell.column}-{rate:g}"
            tried[f"{rate:g}"] = asdict(learn(ground, cell, rate, folder)[1])
        best = max(tried.values(), key=lambda each: -1.0 if each["val_dice"] is None else each["val_dice"])
        write_json(path, {"identity": identity, "chosen": best["learning_rate"], "tried": tried})
        for rate in rates:
            shutil.rmtree(grid.out / "work" / f"tune-{cell.arm}-{cell.column}-{rate:g}", ignore_errors=True)


def masks_of(task: Learner, size_px: int) -> Masks:
    """Return the function from a picture to the masks that `task` sees in it, at the picture's own size."""

    @torch.inference_mode()
    def look(image: np.ndarray) -> np.ndarray:
        task.eval()
        letterbox = Letterbox.fit(image.shape[0], image.shape[1], size_px)
        grey = torch.from_numpy(letterbox.apply(to_unit(image)))[None]
        found = task.logits(grey.to(next(task.parameters()).device), is_tuned=False)
        presence = None if found.presence is None else found.presence[0].float().cpu().numpy()
        return masks_from_logits(found.masks[0].float().cpu().numpy(), letterbox, presence=presence)

    return look


def _length(ground: Ground, cell: Cell) -> dict[str, Any]:
    if ground.plan.grid.arms[cell.arm].kind not in FROM_MASKS:
        return {}
    return {"steps": budget_of(ground, cell)["steps"], "epochs": None}


def _task(ground: Ground, cell: Cell, recipe: Recipe, steps: int) -> Learner:
    kind, count = ground.plan.grid.arms[cell.arm].kind, len(ground.run.dataset.structures)
    if kind == "supervised":
        return build.supervised_task(recipe, count)
    if kind == "unet":
        return unet_task(recipe, count, ground.plan.grid.arms[cell.arm].width)
    if kind == "random":
        student = build.student(recipe, stream="distil")
        calibrate_norms(student, ground.calibration(recipe, student))
    else:
        file, _ = ground.distilled(cell.arm, cell.seed)
        config = recipe.student
        student = build_student(config.name, neck=config.neck, embed_dim=build.EMBED_DIM, init=file)
    return build.align_task(recipe, student, count, steps=steps)


def _taught(
    ground: Ground, cell: Cell, recipe: Recipe, task: Learner, source: MaskSource
) -> tuple[Task, SampleSource]:
    """Return what is trained, on what: with the teachers in view where the arm asks for it and has any."""
    if not (
        recipe.align.features_weight
        and isinstance(task, AlignTask)
        and ground.plan.grid.arms[cell.arm].teachers
    ):
        return task, source
    return join(recipe, task, source, ground.source(recipe), ground.distilled(cell.arm, cell.seed)[0].parent)


def unet_task(recipe: Recipe, num_structures: int, width: int) -> UNetTask:
    """Build the U-Net of a recipe's size and seed."""
    torch.manual_seed(seed_of(recipe.seed, "unet"))
    net = UNet(num_structures=num_structures, size_px=recipe.student.input_px, width=width)
    return UNetTask(net, dice_weight=recipe.align.dice_weight)
