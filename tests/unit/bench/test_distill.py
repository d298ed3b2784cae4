"""What the benchmark of distilling times is what a step does."""

from typing import Any

import torch
from torch.utils.data import default_collate

from agglo.bench.distill import _weighings
from agglo.distill import BALANCERS
from agglo.distill.balance import Balancer
from unit.train.team_job import BATCH, DIMS, Distilled, distil_task


def test_every_balancer_is_timed_on_what_a_step_gave_it() -> None:
    torch.manual_seed(0)
    task, source = distil_task(), Distilled()
    works = _weighings(task, default_collate([source.sample(index, 0) for index in range(BATCH)]))
    assert list(works) == list(BALANCERS)
    for name, work in works.items():
        arguments: tuple[Any, ...] = work.args  # type: ignore[attr-defined]
        balancer, (embedding, losses, targets, inside) = arguments
        assert isinstance(balancer, Balancer), name
        assert losses.shape == (BATCH, len(DIMS))
        assert [target.shape[1] for target in targets] == [dim for dim, _ in DIMS.values()]
        assert inside.shape[0] == BATCH
        work()
        assert embedding.grad is None, "a round leaves nothing to the next one"
