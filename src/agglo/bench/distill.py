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
from agglo.features.extract import extract
from agglo.recipes import build
from agglo.recipes.dataset import make_phantom
from agglo.train import Place, Watch
from agglo.train.loop import begin, make_hooks

PATIENTS, FRAMES = 5, 8
NEVER_S = 1e9


def bench_distill(*, rounds: int) -> dict[str, Any]:
    """Return milliseconds of a whole and of a bare step, and their ratio, for the lab teachers at 256 px, batch 8."""
    with tempfile.TemporaryDirectory() as folder:
        return _bench(Path(folder), rounds)


def _recipe(folder: Path) -> Recipe:
    training = {"steps": 1_000_000, "batch_size": 8, "log_every": 10, "checkpoint_every_s": NEVER_S}
    return Recipe.model_validate(
        {
            "name": "bench",
            "out": str(folder),
            "data": {"phantom": {"patients": PATIENTS, "frames": FRAMES}},
            "teachers": [{"name": name} for name in ("lab-sam", "lab-dino", "lab-clip")],
            "student": {"input_px": 256},
            "distill": training,
            "align": training,
            "device": {"accelerator": "cpu"},
        }
    )


def _bench(folder: Path, rounds: int) -> dict[str, Any]:
    recipe = _recipe(folder)
    make_phantom(folder / "dataset", PhantomConfig(patients=PATIENTS, frames=FRAMES))
    dataset = build.dataset(recipe, folder / "dataset")
    pool = build.pool(recipe, dataset, build.split(recipe, dataset))
    sources = {teacher.name: build.ready_teacher(teacher) for teacher in recipe.teachers}
    store, effort = extract(pool, sources, folder / "features")
    source = DistilSource(pool, store, list(sources), size_px=recipe.student.input_px)
    plan = build.plan(recipe.distill, seed=0, num_samples=len(source))
    training = begin(build.distil_task(recipe, store), plan, Place(folder, device=build.device(recipe)))
    batches = training.batches(source, plan)
    hooks = make_hooks(RunLog(folder / "log.jsonl"), plan, Watch())
    kept = next(batches)

    def whole() -> None:
        training.run(batches, replace(plan, steps=training.state.step + 1), hooks)

    def bare() -> None:
        training.task.train()
        training.task(kept, 0).total.backward()
        training.optimizer.step()
        training.optimizer.zero_grad(set_to_none=True)

    times = in_turn({"whole_step": whole, "bare_step": bare}, rounds=rounds, warmup=2)
    return {
        "batch_size": plan.batch_size,
        "input_px": recipe.student.input_px,
        "teachers": list(sources),
        **{name: summary(values) for name, values in times.items()},
        "whole_over_bare": ratio(times["whole_step"], times["bare_step"]),
        "extraction_over_forward": round(effort.wall_s / effort.forward_s, 4),
    }
