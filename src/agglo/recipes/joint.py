"""Stage 2 with the teachers in view (`align.features_weight`): its task and its samples, from what stage 1 has left."""

from collections.abc import Callable
from pathlib import Path

from torch import nn

from agglo.align import AlignTask, JointSource, JointTask, MaskSource
from agglo.config.schema import Recipe
from agglo.core.runlog import RunLog
from agglo.distill import SUMMARY, DistilSource, load_distilled
from agglo.distill.alarm import AlarmHook
from agglo.distill.distilled import load_balancer
from agglo.distill.folding import unfolded
from agglo.recipes.context import Run
from agglo.recipes.distil_parts import task_of
from agglo.recipes.distill import alarm_for, student_file
from agglo.recipes.extract import pool_and_store
from agglo.recipes.sources import distil_source
from agglo.recipes.teacher_decoder import drawing_of


def joined(run: Run, task: AlignTask, masks: MaskSource) -> tuple[JointTask, JointSource]:
    """Return stage 2 of a run as a joint one: `task` and `masks` beside stage 1's, which goes on from where it was."""
    pool, store = pool_and_store(run)
    features = distil_source(run.recipe, pool, store, run.dataset, run.split["train"])
    return join(run.recipe, task, masks, features, student_file(run).parent)


def join(
    recipe: Recipe, task: AlignTask, masks: MaskSource, features: DistilSource, distilled: Path
) -> tuple[JointTask, JointSource]:
    """Return the joint task and its samples; `distilled` is the folder in which stage 1 has left student, heads and balancer.

    Raises:
        WeightsError: there are no heads in it, or its balancer is another one.
    """
    distil = task_of(recipe.distill, features.columns, task.student, drawing_of(recipe))
    heads = load_distilled(distilled).heads
    again = {name: unfolded(heads[name], target.normaliser) for name, target in distil.targets().items()}
    distil.heads = nn.ModuleList(again[name] for name in distil.names)
    distil.summary_heads = nn.ModuleList(again[f"{name}{SUMMARY}"] for name in distil.summaries)
    load_balancer(distil.balancer, distilled)
    weight = recipe.align.features_weight
    return JointTask(task, distil, weight=weight), JointSource(masks, features, seed=recipe.seed)


def joint_alarm(recipe: Recipe) -> Callable[[RunLog], AlarmHook] | None:
    """Return what makes the hook that tells when one teacher takes over in the joint stage.

    That a teacher is no longer learned from is no alarm there: features have been learned, and are held.
    """
    return alarm_for(recipe, every=recipe.align.log_every, kinds=("dominates",))
