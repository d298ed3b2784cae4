"""The distill stage: the student learns what the teachers saw."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agglo.config.schema import Recipe
from agglo.core.runlog import RunLog, read_log
from agglo.distill import DistilTask, HeadPlan, OnlineTask, save_heads
from agglo.distill.alarm import KINDS, AlarmHook, Kind
from agglo.distill.balance import BY_SCALE, GIVEN
from agglo.distill.distilled import (
    BALANCER_FILE,
    HEADS_FILE,
    STUDENT_FILE,
    save_balancer,
    save_student,
)
from agglo.features import Normaliser
from agglo.recipes import build
from agglo.recipes.context import Run
from agglo.recipes.distil_parts import expected_loss, head_plans
from agglo.recipes.extract import identity_of, kept_as, online_as, pool_and_store
from agglo.recipes.sources import columns_of, distil_source, online_teachers
from agglo.recipes.stage import Facts
from agglo.recipes.teachers import terms_of
from agglo.train import Place, Watch, fit

_log = logging.getLogger(__name__)


def distill(run: Run) -> bool:
    """Train the student on the feature store; leaves `distill/student.safetensors`, and beside it heads and balancer."""
    recipe = run.recipe
    stage = run.stage(
        "distill",
        _settings(run),
        after=["dataset", "extract"],
        is_whole=lambda: student_file(run).exists(),
        is_together=True,
    )

    def work() -> Facts:
        pool, store = pool_and_store(run)
        source = distil_source(recipe, pool, store, run.dataset, run.split["train"])
        plan = build.plan(recipe.distill, seed=recipe.seed, num_samples=len(source))
        task = build.distil_task(recipe, store)
        place = Place(stage.folder, stage.identity, build.device(recipe), recipe.device.workers)
        watch = Watch(progress=run.tell("distill"), hook=alarm_for(recipe))
        state = fit(with_online_teachers(recipe, task), source, plan, place, watch)
        if not run.team.is_first:
            return {}
        keep(task, head_plans(recipe.distill, columns_of(recipe, store)), student_file(run), recipe)
        weights = final_weights(read_log(stage.folder / "log.jsonl"))
        return {
            "teacher_weights": weights,
            **said_of(task, recipe),
            "steps": plan.steps,
            "batch_size": plan.batch_size,
            "samples": len(source),
            "labels": "none",
            "frames": len(source) // pool.views_per_frame,
            "wall_s": round(state.wall_s, 2),
            "process_s": round(state.process_s, 2),
            "init": task.student.origin.as_facts(),
            "student_parameters": sum(parameter.numel() for parameter in task.student.parameters()),
        }

    return stage.run(work)


def _settings(run: Run) -> dict[str, Any]:
    """Return what of a recipe decides what the student learns from the teachers, JSON-like."""
    recipe = run.recipe
    return {
        "teachers": [identity_of(teacher) for teacher in recipe.teachers],  # heads are kept in this order
        "distill": build.training_settings(recipe.distill),
        "student": build.student_settings(recipe),
        "precision": recipe.device.precision,
        "seed": recipe.seed,
        **kept_as(recipe),
        **online_as(run),
    }


def with_online_teachers(recipe: Recipe, task: DistilTask) -> DistilTask | OnlineTask:
    """Return stage 1's task with the teachers that look at each batch beside it; the task itself where there are none."""
    online = {each.key: build.ready_teacher(each) for each in online_teachers(recipe)}
    return OnlineTask(task, online) if online else task


def final_weights(log: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return every teacher's mean weight over the last tenth of the logged steps; empty without any."""
    entries = [entry["teachers"] for entry in log if "teachers" in entry]
    last = entries[-max(1, len(entries) // 10) :]
    return {
        name: sum(entry[name]["weight"] for entry in last) / len(last) for name in (last[0] if last else ())
    }


def keep(task: DistilTask, plans: Mapping[str, HeadPlan], file: Path, recipe: Recipe) -> None:
    """Write what a finished training leaves: heads, folded, balancer, and last the student, `file`, by which the rest is whole."""
    save_heads(task, plans, file.with_name(HEADS_FILE), input_px=recipe.student.input_px)
    save_balancer(task.balancer, file.with_name(BALANCER_FILE))
    save_student(task.student, file, taught_by(recipe))


def taught_by(recipe: Recipe) -> list[dict[str, str | None]]:
    """Return the teachers of a recipe and their terms, as the student's file keeps them."""
    return [{"name": teacher.key, **terms_of(teacher)} for teacher in recipe.teachers]


def said_of(task: DistilTask, recipe: Recipe) -> Facts:
    """Return what is to be expected of a loss, and what each normaliser's fit found that one should know; nothing of most."""
    notes = {
        name: list(normaliser.notes)
        for name, normaliser in zip(task.names, task.normalisers, strict=True)
        if isinstance(normaliser, Normaliser) and normaliser.notes
    }
    return {"expected_loss": expected_loss(recipe.distill), **({"normalisers": notes} if notes else {})}


def alarm_for(
    recipe: Recipe, *, every: int | None = None, kinds: Sequence[Kind] = KINDS
) -> Callable[[RunLog], AlarmHook] | None:
    """Return what makes the hook that tells when one teacher takes over; none where no balancer decides how much each counts.

    Args:
        recipe: says what then happens (`distill.on_collapse`).
        every: steps between two entries of the log; stage 1's without.
        kinds: of alarms that count.
    """
    config = recipe.distill
    if config.balance in GIVEN:
        return None
    return lambda log: AlarmHook(
        log,
        every=every or config.log_every,
        is_stopping=config.on_collapse == "stop",
        tell=_log.warning,
        kinds=kinds,
        is_by_scale=config.balance in BY_SCALE,
    )


def student_file(run: Run) -> Path:
    """Return where the distilled student lies."""
    return run.folder / "distill" / STUDENT_FILE
