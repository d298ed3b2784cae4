"""One optimizer step on a batch that is shared out over processes and cut into parts: as if it were in one piece.

Losses are means over samples. Each part's counts as the share of the batch that it is, times the number of processes, because
gradients are averaged over these afterwards.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from agglo.core.seeds import seed_of
from agglo.train.part import Part, cut, parts_of, under_way
from agglo.train.plan import Plan
from agglo.train.task import Outcome, Task
from agglo.train.team import Team

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def gradients_of(
    fabric: "Fabric", model: Any, task: Task, batch: Any, plan: Plan, *, step: int, team: Team
) -> Outcome:
    """Leave the gradient of the whole batch in the parameters of `task`; return the outcome of the whole batch.

    Args:
        fabric: takes the gradients.
        model: `task` as wrapped by it.
        task: what is trained.
        batch: this process's samples, on its device.
        plan: the training's.
        step: from 0.
        team: the processes.
    """
    parts = parts_of(
        team.share, plan.batch_size, parts=plan.accumulate, seed=seed_of(plan.seed, "shared", step)
    )
    outcomes = []
    for part, samples in zip(parts, cut(task.weighed(batch), parts), strict=True):
        with under_way(part):
            outcome: Outcome = model(samples, step)
            fabric.backward(outcome.total * (part.of_batch * team.share.world))
        outcomes.append(outcome._replace(total=outcome.total.detach()))
    team.average(parameter.grad for parameter in task.parameters() if parameter.grad is not None)
    return _whole(outcomes, parts, team)


def _whole(outcomes: Sequence[Outcome], parts: Sequence[Part], team: Team) -> Outcome:
    """Return the mean of what the parts of all processes gave, each counted as the share of the batch that it is."""
    if len(outcomes) == 1 and team.share.is_all:
        return outcomes[0]
    rows = [
        torch.stack([outcome.total, *outcome.scalars.values()]) * part.of_batch
        for outcome, part in zip(outcomes, parts, strict=True)
    ]
    mean = torch.stack(rows).sum(dim=0) * team.share.world
    team.average([mean])
    total, *figures = mean.unbind()
    return Outcome(total, dict(zip(outcomes[0].scalars, figures, strict=True)), outcomes[0].on_demand)
