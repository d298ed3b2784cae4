"""Stage 1's own parts from its settings: what `build` makes of a recipe, once student and store are there."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from agglo.config.schema import Recipe
from agglo.config.stages import DistilConfig
from agglo.core.errors import ConfigError
from agglo.distill import (
    LOSSES,
    SUMMARY,
    DistilTask,
    Drawing,
    Extras,
    HeadPlan,
    Sizes,
    TeacherTarget,
    make_balancer,
    make_head,
)
from agglo.features import UNIT_VARIANCE, Column, make_normaliser
from agglo.features.online import OnlineColumn
from agglo.recipes.teachers import teacher_entry
from agglo.students import Student


def summary_names(recipe: Recipe) -> dict[str, str]:
    """Return the column of each teacher's summary, by teacher: none without `distill.summary`, nor of those that have none."""
    if not recipe.distill.summary:
        return {}
    entries = {teacher.key: teacher_entry(teacher) for teacher in recipe.teachers}
    return {name: f"{name}{SUMMARY}" for name, entry in entries.items() if entry.summary_dim is not None}


def column_names(recipe: Recipe) -> list[str]:
    """Return the columns of the store that a recipe learns from: maps first, then summaries."""
    return [*(teacher.key for teacher in recipe.teachers), *summary_names(recipe).values()]


def task_of(
    config: DistilConfig,
    columns: Mapping[str, Column | OnlineColumn],
    learner: Student,
    drawing: Drawing | None = None,
) -> DistilTask:
    """Return stage 1's task: the student, a head and a frozen normaliser for each column, the balancer, masks if asked for."""
    plans = head_plans(config, columns)

    def target(name: str, normalise: str) -> TeacherTarget:
        column, plan = columns[name], plans[name]
        normaliser = make_normaliser(normalise, column.moments(), column.codec)
        dims = {"teacher_dim": plan.teacher_dim, "hidden_dim": plan.hidden_dim}
        return TeacherTarget(normaliser, make_head(plan.head, student_dim=learner.embed_dim, **dims))

    targets = {name: target(name, config.normalise) for name in columns if not name.endswith(SUMMARY)}
    dims = {name: columns[name].dim for name in targets}
    sizes = Sizes(learner.embed_dim, tuple(dims.values()), shares_of(config, dims), config.steps or 1)
    balancer = make_balancer(config.balance, sizes)
    summaries = {
        name.removesuffix(SUMMARY): target(name, "none") for name in columns if name.endswith(SUMMARY)
    }
    return DistilTask(
        learner,
        targets,
        balancer,
        loss=config.loss,
        match=config.match,
        shrink=config.shrink,
        extras=Extras(summaries, drawing),
    )


def head_plans(config: DistilConfig, columns: Mapping[str, Column | OnlineColumn]) -> dict[str, HeadPlan]:
    """Return how the head for each column is built; all are as wide inside as the widest. Summaries meet on their one cell."""
    hidden_dim = max(column.dim for column in columns.values())
    plans = {
        name: HeadPlan(config.head, column.dim, hidden_dim, column.grid) for name, column in columns.items()
    }
    return {
        name: plan if name.endswith(SUMMARY) else replace(plan, match=config.match, shrink=config.shrink)
        for name, plan in plans.items()
    }


def expected_loss(config: DistilConfig) -> dict[str, Any]:
    """Return what is to be expected of a teacher's loss under these settings, for the report (`distill.Loss.expectation`).

    Where summaries are matched too, a loss is that of the map with up to 2 more.
    """
    if config.summary:
        return {
            "zero": None,
            "typical": None,
            "text": "a perfect prediction has 0; summaries add `1 - cos`, 1 for a prediction of zeros",
        }
    return LOSSES[config.loss].expectation(has_unit_variance=config.normalise in UNIT_VARIANCE)


def shares_of(config: DistilConfig, teachers: Iterable[str]) -> tuple[float, ...] | None:
    """Return how much each teacher is to count, summing to 1, in the order of `teachers`; None where nobody says so.

    Raises:
        ConfigError: the weights do not name exactly the teachers, a balancer is asked for that would ignore them, or there are none
            where they are asked for.
    """
    names = list(teachers)
    if config.weights is None and config.balance == "static":
        raise ConfigError(
            f"distill.balance: static must go with `distill.weights` for {sorted(names)}, got none; give them, or use `uniform`"
        )
    if config.weights is None:
        return None
    if config.balance != "static":
        raise ConfigError(
            f"distill.weights must go with `distill.balance: static`, got {config.balance}, which finds its own; remove one of them"
        )
    if set(config.weights) != set(names):
        raise ConfigError(
            f"distill.weights must name exactly the teachers of the recipe {sorted(names)}, got {sorted(config.weights)}"
        )
    total = sum(config.weights.values())
    return tuple(config.weights[name] / total for name in names)
