"""Stage 1's own parts from its settings: what `build` makes of a recipe, once student and store are there."""

from collections.abc import Iterable, Mapping
from typing import Any

from agglo.config.stages import DistilConfig
from agglo.core.errors import ConfigError
from agglo.distill import (
    LOSSES,
    DistilTask,
    HeadPlan,
    Sizes,
    TeacherTarget,
    make_balancer,
    make_head,
)
from agglo.features import UNIT_VARIANCE, Column, make_normaliser
from agglo.students import Student


def task_of(config: DistilConfig, columns: Mapping[str, Column], learner: Student) -> DistilTask:
    """Return stage 1's task: the student, a head and a frozen normaliser for each teacher, the balancer."""
    plans = head_plans(config, columns)
    targets = {
        name: TeacherTarget(
            make_normaliser(config.normalise, column.moments(), column.codec),
            make_head(
                config.head,
                student_dim=learner.embed_dim,
                teacher_dim=column.dim,
                hidden_dim=plans[name].hidden_dim,
            ),
        )
        for name, column in columns.items()
    }
    dims = {name: column.dim for name, column in columns.items()}
    sizes = Sizes(learner.embed_dim, tuple(dims.values()), shares_of(config, dims))
    return DistilTask(
        learner,
        targets,
        make_balancer(config.balance, sizes),
        loss=config.loss,
        match=config.match,
        shrink=config.shrink,
    )


def head_plans(config: DistilConfig, columns: Mapping[str, Column]) -> dict[str, HeadPlan]:
    """Return how the head for each teacher is built, by teacher; all have the width of the widest teacher inside."""
    hidden_dim = max(column.dim for column in columns.values())
    return {
        name: HeadPlan(config.head, column.dim, hidden_dim, column.grid, config.match, config.shrink)
        for name, column in columns.items()
    }


def expected_loss(config: DistilConfig) -> dict[str, Any]:
    """Return what is to be expected of a teacher's loss under these settings, for the report (`distill.Loss.expectation`)."""
    return LOSSES[config.loss].expectation(has_unit_variance=config.normalise in UNIT_VARIANCE)


def shares_of(config: DistilConfig, teachers: Iterable[str]) -> tuple[float, ...] | None:
    """Return how much each teacher is to count, summing to 1, in the order of `teachers`; None where nobody says so.

    Raises:
        ConfigError: the weights do not name exactly the teachers, or a balancer is asked for that would ignore them.
    """
    if config.weights is None:
        return None
    names = list(teachers)
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
