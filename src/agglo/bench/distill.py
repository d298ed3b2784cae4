"""What the training loop costs over the bare mathematics: a whole distilling step against one on a batch in memory.

The whole step reads the store, renders views, collates, seeds, sets the rate, averages weights, checks, logs; several are timed
in a row, so that they wait for their batches as in a training. The bare one is the same student, heads, loss, backward pass and
optimizer. Both go in turn on the same weights, and so do all balancers, on what the recipe's own one was given in a step.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from agglo.bench.timing import IN_A_ROW, each_of, in_turn, pause, ratio, summary
from agglo.config.schema import PhantomConfig, Recipe
from agglo.core.runlog import RunLog
from agglo.distill import BALANCERS, Balancer, DistilSource, DistilTask, Sizes, make_balancer
from agglo.features.extract import fill_store
from agglo.recipes import build
from agglo.recipes.context import Tell, tell_nobody
from agglo.recipes.parting import parted
from agglo.recipes.phantom import make_phantom
from agglo.train import Place, Plan, Watch
from agglo.train.loop import Training, begin, make_hooks

PATIENTS, FRAMES = 5, 8
NEVER_S = 1e9
SIZES = {256: 8, 512: 4}
"""Input sizes in px, with the batch at each: that of the demo, and that of the paper."""


def bench_distill(*, rounds: int, tell: Tell = tell_nobody) -> dict[str, Any]:
    """Return, for the lab teachers and two input sizes, milliseconds of a whole and of a bare step, and their ratio.

    `balancers` has those of each balancer with its share of the bare step: its weights, their sum with the losses, and the
    gradients of both.
    """
    with tempfile.TemporaryDirectory() as folder:
        phantom = Path(folder) / "dataset"
        make_phantom(phantom, PhantomConfig(patients=PATIENTS, frames=FRAMES))
        return {
            f"at_{size_px}_px": _bench(
                phantom, _recipe(Path(folder) / str(size_px), size_px, batch_size), rounds, tell
            )
            for size_px, batch_size in SIZES.items()
        }


def _recipe(folder: Path, size_px: int, batch_size: int) -> Recipe:
    training = {"steps": 1_000_000, "batch_size": batch_size, "log_every": 10, "checkpoint_every_s": NEVER_S}
    return Recipe.model_validate(
        {
            "name": "bench",
            "out": str(folder),
            "data": {"phantom": {"patients": PATIENTS, "frames": FRAMES}},
            "teachers": [{"name": name} for name in ("lab-sam", "lab-dino", "lab-clip")],
            "student": {"input_px": size_px},
            "distill": training,
            "align": training,
            "device": {"accelerator": "cpu"},
        }
    )


def _bench(phantom: Path, recipe: Recipe, rounds: int, tell: Tell) -> dict[str, Any]:
    dataset = build.dataset(recipe, phantom)
    pool = build.pool(recipe, dataset, parted(dataset, recipe.data.split))
    sources = {teacher.key: build.ready_teacher(teacher) for teacher in recipe.teachers}
    store, effort = fill_store(pool, sources, recipe.out / "features", progress=tell("extract"))
    source = DistilSource(pool, store, list(sources), size_px=recipe.student.input_px)
    plan = build.plan(recipe.distill, seed=0, num_samples=len(source))
    task = build.distil_task(recipe, store)
    training = begin(task, plan, Place(recipe.out, device=build.device(recipe)))
    batches = training.batches(source, plan)
    works = _steps(training, plan, batches, RunLog(recipe.out / "log.jsonl"))
    works_and_weighings = {**works, **_weighings(task, next(batches))}
    shown = tell(f"steps at {recipe.student.input_px} px")
    times = in_turn(works_and_weighings, rounds=rounds, warmup=2, progress=shown)
    times["whole_step"] = each_of(times["whole_step"])
    return {
        "batch_size": plan.batch_size,
        "teachers": list(sources),
        **{name: summary(times[name]) for name in ("whole_step", "bare_step")},
        "whole_over_bare": ratio(times["whole_step"], times["bare_step"]),
        "balancers": {
            name: {**summary(times[name]), "over_bare": ratio(times[name], times["bare_step"])}
            for name in BALANCERS
        },
        "extraction_over_forward": round(effort.wall_s / effort.forward_s, 4),
    }


def _steps(
    training: Training, plan: Plan, batches: Iterator[Any], log: RunLog
) -> dict[str, Callable[[], None]]:
    """Return what takes whole steps in a row, and what takes a bare one on a batch in memory, on the same weights."""
    hooks, kept = make_hooks(log, plan, Watch()), next(batches)

    def whole() -> None:
        training.run(batches, replace(plan, steps=training.state.step + IN_A_ROW), hooks)

    def bare() -> None:
        training.task.train()
        training.task(kept, 0).total.backward()
        training.optimizer.step()
        training.optimizer.zero_grad(set_to_none=True)

    return {"whole_step": whole, "pause": pause, "bare_step": bare}


def _weighings(task: DistilTask, batch: Any) -> dict[str, Callable[[], None]]:
    """Return, for every balancer, what weighs the teachers as in a step on `batch`."""
    given: dict[str, Any] = {}

    def keep(module: torch.nn.Module, arguments: tuple[Any, ...]) -> None:
        given.update(zip(("embedding", "losses", "targets", "inside"), arguments, strict=True))

    handle = task.balancer.register_forward_pre_hook(keep)
    with torch.no_grad():
        task(batch, 0)
    handle.remove()
    embedding, losses, targets, inside = given.values()
    sizes = Sizes(embedding.shape[1], tuple(target.shape[1] for target in targets))
    return {
        name: partial(
            _weigh,
            make_balancer(name, sizes),
            (embedding.requires_grad_(), losses.requires_grad_(), targets, inside),
        )
        for name in BALANCERS
    }


def _weigh(balancer: Balancer, given: tuple[Any, ...]) -> None:
    embedding, losses, *_ = given
    weights, own_loss = balancer(*given)
    ((weights * losses).sum(dim=1).mean() + own_loss).backward()
    embedding.grad = losses.grad = None
    balancer.zero_grad(set_to_none=True)
