"""What a step of each kind of training costs on this machine, measured side by side in one process on batches in memory.

Equal wall time and the estimate of a grid both rest on it: side by side, another load on the machine strikes all kinds alike.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

from agglo.ablate.grid import FROM_MASKS, Cell, Plan
from agglo.ablate.unet import UNet, UNetTask
from agglo.config.schema import Recipe
from agglo.core.files import fingerprint, read_json, write_json
from agglo.core.shapes import EMBEDDING_STRIDE_PX
from agglo.distill import DistilTask, Sizes, TeacherTarget, make_balancer, make_head
from agglo.features import Moments, make_normaliser
from agglo.recipes import build
from agglo.recipes.align import labelled_source
from agglo.recipes.environment import environment
from agglo.recipes.teachers import teacher_entry
from agglo.students import calibrate_norms
from agglo.teachers import spec_of
from agglo.train import Task
from agglo.train.devices import wait_for
from agglo.train.ema import MovingAverage
from agglo.train.optimizer import make_optimizer

if TYPE_CHECKING:
    from agglo.ablate.ground import Ground

WARM_UP, ROUNDS = 2, 5
USUAL_STRUCTURES = 12
FROZEN, FINETUNE = "frozen", "finetune"


def probed(plan: Plan) -> dict[str, float]:
    """Return seconds of a step by kind: `distil ARM`, `frozen`, `finetune`, `masks ARM`; `image` of one test image.

    Measured once for a grid's folder and kept in `OUT/probe.json`.
    """
    path = plan.grid.out / "probe.json"
    recipe = plan.recipe(plan.grid.equal_to, seed=plan.grid.seeds[0])
    settings = {
        "student": recipe.student.model_dump(mode="json"),
        "decoder": recipe.decoder.model_dump(mode="json"),
        "device": {
            **recipe.device.model_dump(mode="json", exclude={"workers"}),
            "devices": 1,
        },  # one process probes
        "distill": recipe.distill.model_dump(mode="json", include={"batch_size", "loss", "head", "balance"}),
        "align": recipe.align.model_dump(mode="json", include={"batch_size", "ema_decay"}),
        "arms": {name: arm.model_dump(mode="json") for name, arm in plan.grid.arms.items()},
    }
    identity = fingerprint(settings)
    if not path.exists() or read_json(path)["identity"] != identity:
        seconds = _measure(plan)
        write_json(path, {"identity": identity, "seconds": seconds, "environment": environment()})
    found: dict[str, float] = read_json(path)["seconds"]
    return found


def budget_of(ground: "Ground", cell: Cell) -> dict[str, float | int]:
    """Return how many steps an arm from masks alone can take in the wall time of the arm it is to be equal to.

    That is extracting with all its teachers, distilling, and aligning with a tuned encoder: the steps of both by the step times of
    `probed`, the extraction as it was measured.
    """
    grid, seconds = ground.plan.grid, probed(ground.plan)
    recipe = ground.plan.recipe(grid.equal_to, patients=cell.patients, seed=cell.seed)
    labelled = len(labelled_source(recipe, ground.run.dataset, ground.run.split["train"]))
    pool = len(ground.features[0])
    distil = build.plan(recipe.distill, seed=0, num_samples=pool).steps
    align = build.plan(recipe.align, seed=0, num_samples=labelled).steps
    budget_s = round(
        ground.extraction_s(recipe)
        + distil * seconds[f"distil {grid.equal_to}"]
        + align * mixed(recipe, seconds),
        2,
    )
    assert grid.arms[cell.arm].kind in FROM_MASKS
    step_s = seconds[f"masks {cell.arm}"]
    return {"budget_s": budget_s, "step_s": step_s, "steps": max(1, int(budget_s / step_s))}


def mixed(recipe: Recipe, seconds: dict[str, float]) -> float:
    """Return the mean seconds of an aligning step that is frozen for a share of the steps, then tuned."""
    share = recipe.align.frozen_share
    return share * seconds[FROZEN] + (1 - share) * seconds[FINETUNE]


def _measure(plan: Plan) -> dict[str, float]:
    """Time one step of each kind in turn, round by round: what else the machine does meanwhile strikes all kinds alike."""
    steps, times = _steps(plan), defaultdict(list)
    for _ in range(WARM_UP + ROUNDS):
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - began)
    return {name: round(median(of_kind[WARM_UP:]), 4) for name, of_kind in times.items()}


def _steps(plan: Plan) -> dict[str, Callable[[], None]]:
    """Return a step of each kind, each by the recipe of its arm."""
    grid, found = plan.grid, {}
    recipe = plan.recipe(grid.equal_to, seed=grid.seeds[0])
    masks = _mask_batch(recipe, stride_px=2)
    student = build.student(recipe, stream="distil")
    calibrate_norms(student, [student.preprocess(masks["grey"])])
    for name, column in ((FROZEN, "frozen"), (FINETUNE, "finetune")):
        tuned = plan.recipe(grid.equal_to, column=column, seed=grid.seeds[0])  # type: ignore[arg-type]
        task = build.align_task(tuned, build.student(tuned, stream="distil"), USUAL_STRUCTURES, steps=1)
        found[name] = _step(task, recipe, masks)
    alone = build.supervised_task(recipe, USUAL_STRUCTURES).to(build.device(recipe).resolved)
    found["image"] = lambda: _look(alone, recipe.student.input_px)
    for name, arm in grid.arms.items():
        own = plan.recipe(name, seed=grid.seeds[0])
        if arm.kind == "supervised":
            task = build.supervised_task(own, USUAL_STRUCTURES)
            found[f"masks {name}"] = _step(task, own, _mask_batch(own, stride_px=2))
        if arm.kind == "unet":
            net = UNet(num_structures=USUAL_STRUCTURES, size_px=own.student.input_px, width=arm.width)
            found[f"masks {name}"] = _step(UNetTask(net, dice_weight=1.0), own, _mask_batch(own, stride_px=1))
        if arm.kind == "distil":
            found[f"distil {name}"] = _step(*_distil(own))
    return found


def _mask_batch(recipe: Recipe, *, stride_px: int) -> dict[str, torch.Tensor]:
    size, count = recipe.student.input_px, recipe.align.batch_size
    return {
        "grey": torch.rand(count, size, size),
        "coverage": torch.rand(count, USUAL_STRUCTURES, size // stride_px, size // stride_px),
        "inside": torch.ones(count, size // stride_px, size // stride_px),
        "known": torch.ones(count, USUAL_STRUCTURES, dtype=torch.bool),
        "absent": torch.zeros(count, USUAL_STRUCTURES, dtype=torch.bool),
    }


def _distil(recipe: Recipe) -> tuple[Task, Recipe, dict[str, Any]]:
    """Return a distilling task with features of the right shapes; what is in them costs nothing."""
    specs = {each.key: spec_of(teacher_entry(each), input_px=each.input_px) for each in recipe.teachers}
    hidden = max(spec.dim for spec in specs.values())
    targets: dict[str, TeacherTarget] = {}
    for name, spec in specs.items():
        head = make_head(
            recipe.distill.head, student_dim=build.EMBED_DIM, teacher_dim=spec.dim, hidden_dim=hidden
        )
        targets[name] = TeacherTarget(make_normaliser("none", Moments.empty(spec.dim)), head)
    balancer = make_balancer(
        recipe.distill.balance, Sizes(build.EMBED_DIM, tuple(spec.dim for spec in specs.values()))
    )
    task = DistilTask(
        build.student(recipe, stream="distil"),
        targets,
        balancer,
        loss=recipe.distill.loss,
        match=recipe.distill.match,
        shrink=recipe.distill.shrink,
    )
    size, count = recipe.student.input_px, recipe.distill.batch_size
    batch = {
        "grey": torch.rand(count, size, size),
        "inside": torch.ones(count, size // EMBEDDING_STRIDE_PX, size // EMBEDDING_STRIDE_PX),
        "features": {name: torch.randn(count, spec.dim, *spec.grid).half() for name, spec in specs.items()},
    }
    return task, recipe, batch


def _step(task: Task, recipe: Recipe, batch: dict[str, Any]) -> Callable[[], None]:
    """Return what takes one step as the loop does: its device, precision, clipping and moving average with it."""
    fabric = build.device(recipe).start()
    task.to(memory_format=torch.channels_last)
    config = recipe.align.model_copy(update={"steps": 1, "epochs": None})
    plan = build.plan(config, seed=0, num_samples=1)
    model, optimizer = fabric.setup(task, make_optimizer(task, plan))
    average = MovingAverage(task, plan.ema_decay) if plan.ema_decay else None
    placed = _to(batch, fabric.device)
    task.train()

    def step() -> None:
        fabric.backward(model(placed, 10**9).total)
        fabric.clip_gradients(model, optimizer, max_norm=plan.clip_norm, error_if_nonfinite=False)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if average is not None:
            average.update(task, 1)
        wait_for(fabric.device)

    return step


def _to(value: Any, device: torch.device) -> Any:
    return (
        {key: _to(each, device) for key, each in value.items()}
        if isinstance(value, dict)
        else value.to(device)
    )


@torch.inference_mode()
def _look(task: Any, size_px: int) -> None:
    device = next(task.parameters()).device
    task.eval()
    task.logits(torch.rand(1, size_px, size_px, device=device), is_tuned=False)
    wait_for(device)
