"""What the training loop costs over the bare mathematics: a whole distilling step against one on a batch in memory.

The whole step reads the store, renders views, collates, seeds, sets the rate, averages weights, checks, logs. The bare one is the
same student, heads, loss, backward pass and optimizer. Both go in turn on the same weights.
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from agglo.bench.timing import in_turn, ratio, summary
from agglo.config.schema import PhantomConfig, Recipe
from agglo.core.runlog import RunLog
from agglo.distill import DistilSource
from agglo.features.extract import fill_store
from agglo.recipes import build
from agglo.recipes.parting import parted
from agglo.recipes.phantom import make_phantom
from agglo.train import Place, Plan, Watch
from agglo.train.loop import Training, begin, make_hooks

PATIENTS, FRAMES = 5, 8
NEVER_S = 1e9
SIZES = {256: 8, 512: 4}
"""Input sizes in px, with the batch at each: that of the demo, and that of the paper."""


def bench_distill(*, rounds: int) -> dict[str, Any]:
    """Return, for the lab teachers and two input sizes, milliseconds of a whole and of a bare step, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        phantom = Path(folder) / "dataset"
        make_phantom(phantom, PhantomConfig(patients=PATIENTS, frames=FRAMES))
        return {
            f"at_{size_px}_px": _bench(
                phantom, _recipe(Path(folder) / str(size_px), size_px, batch_size), rounds
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


def _bench(phantom: Path, recipe: Recipe, rounds: int) -> dict[str, Any]:
    dataset = build.dataset(recipe, phantom)
    pool = build.pool(recipe, dataset, parted(dataset, recipe.data.split))
    sources = {teacher.key: build.ready_teacher(teacher) for teacher in recipe.teachers}
    store, effort = fill_store(pool, sources, recipe.out / "features")
    source = DistilSource(pool, store, list(sources), size_px=recipe.student.input_px)
    plan = build.plan(recipe.distill, seed=0, num_samples=len(source))
    training = begin(build.distil_task(recipe, store), plan, Place(recipe.out, device=build.device(recipe)))
    times = _steps(training, plan, source, RunLog(recipe.out / "log.jsonl"), rounds)
    return {
        "batch_size": plan.batch_size,
        "teachers": list(sources),
        **{name: summary(values) for name, values in times.items()},
        "whole_over_bare": ratio(times["whole_step"], times["bare_step"]),
        "extraction_over_forward": round(effort.wall_s / effort.forward_s, 4),
    }


def _steps(
    training: Training, plan: Plan, source: DistilSource, log: RunLog, rounds: int
) -> dict[str, list[float]]:
    """Take whole and bare steps in turn on the same weights; return their milliseconds."""
    batches, hooks = training.batches(source, plan), make_hooks(log, plan, Watch())
    kept = next(batches)

    def whole() -> None:
        training.run(batches, replace(plan, steps=training.state.step + 1), hooks)

    def bare() -> None:
        training.task.train()
        training.task(kept, 0).total.backward()
        training.optimizer.step()
        training.optimizer.zero_grad(set_to_none=True)

    return in_turn({"whole_step": whole, "bare_step": bare}, rounds=rounds, warmup=2)
