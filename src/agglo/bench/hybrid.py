"""When is it cheaper to let the teachers look at each batch than to store what they see first: steps in turn, and the break-even.

Stored, every view costs one look, and then a step that reads the store each epoch; online, each epoch's step costs a look. After
`extraction / (online step - stored step)` epochs both have cost the same; beyond, storing is cheaper.
"""

import statistics
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from agglo.bench.distill import FRAMES, NEVER_S, PATIENTS
from agglo.bench.timing import IN_A_ROW, each_of, in_turn, pause, ratio, summary
from agglo.config.schema import Recipe
from agglo.core.runlog import RunLog
from agglo.recipes import build
from agglo.recipes.context import Run, Tell, tell_nobody
from agglo.recipes.dataset import dataset
from agglo.recipes.distill import with_online_teachers
from agglo.recipes.extract import extract, pool_and_store
from agglo.recipes.sources import distil_source
from agglo.train import Place, Watch
from agglo.train.loop import begin, make_hooks

TEACHERS = ("lab-sam", "lab-dino", "lab-clip")
SIZE_PX, BATCH = 256, 8


def bench_hybrid(*, rounds: int, tell: Tell = tell_nobody) -> dict[str, Any]:
    """Return milliseconds of a stored and of an online step, of extraction a view, and after how many epochs storing is cheaper."""
    with tempfile.TemporaryDirectory() as name:
        works, extraction_ms = {}, 0.0
        for mode in ("stored", "online"):
            run = Run(_recipe(Path(name) / mode, mode), tell)
            dataset(run)
            extract(run)
            works[mode] = _step(run)
            if mode == "stored":
                facts = run.stages["extract"].facts
                extraction_ms = 1000 * float(facts["wall_s"]) / int(facts["samples"])
        paused = {
            "stored": works["stored"],
            "pause": pause,
            "online": works["online"],
            "another pause": pause,
        }
        found = in_turn(paused, rounds=rounds, progress=tell("steps"))
    times = {mode: each_of(found[mode]) for mode in works}
    extra_ms = (statistics.median(times["online"]) - statistics.median(times["stored"])) / BATCH
    return {
        "teachers": list(TEACHERS),
        "batch_size": BATCH,
        **{f"{mode}_step": summary(values) for mode, values in times.items()},
        "online_over_stored": ratio(times["online"], times["stored"]),
        "extraction_ms_a_view": round(extraction_ms, 2),
        "break_even_epochs": round(extraction_ms / extra_ms, 2) if extra_ms > 0 else None,
    }


def _recipe(folder: Path, mode: str) -> Recipe:
    training = {"steps": 1_000_000, "batch_size": BATCH, "log_every": 10, "checkpoint_every_s": NEVER_S}
    return Recipe.model_validate(
        {
            "name": "bench",
            "out": str(folder),
            "data": {"phantom": {"patients": PATIENTS, "frames": FRAMES}},
            "teachers": [{"name": name} for name in TEACHERS],
            "store": {"mode": mode},
            "student": {"input_px": SIZE_PX},
            "distill": training,
            "align": training,
            "device": {"accelerator": "cpu"},
        }
    )


def _step(run: Run) -> Callable[[], None]:
    """Return what takes some steps more of the run's distilling, batches and log included."""
    recipe, (pool, store) = run.recipe, pool_and_store(run)
    source = distil_source(recipe, pool, store, run.dataset, run.split["train"])
    plan = build.plan(recipe.distill, seed=0, num_samples=len(source))
    task = with_online_teachers(recipe, build.distil_task(recipe, store))
    training = begin(task, plan, Place(run.folder / "distill", device=build.device(recipe)))
    batches = training.batches(source, plan)
    hooks = make_hooks(RunLog(run.folder / "distill" / "log.jsonl"), plan, Watch())

    def step() -> None:
        training.run(batches, replace(plan, steps=training.state.step + IN_A_ROW), hooks)

    return step
