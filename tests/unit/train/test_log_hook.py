"""Figures on demand: made at logged steps, and only there."""

from pathlib import Path
from typing import Any

import torch

from agglo.core.progress import silent
from agglo.core.runlog import RunLog, read_log
from agglo.train import Outcome, Task
from agglo.train.hooks import LogHook, State


class Nothing(Task):
    """A task that nobody trains."""

    def forward(self, batch: Any, step: int) -> Outcome:
        raise AssertionError("nobody trains this")


def test_a_figure_on_demand_is_made_where_it_is_logged(tmp_path: Path) -> None:
    made: list[int] = []
    hook = LogHook(RunLog(tmp_path / "log.jsonl"), every=4, progress=silent)
    for step in range(1, 11):

        def make(step: int = step) -> torch.Tensor:
            made.append(step)
            return torch.tensor(float(step))

        hook(State(Nothing(), 10, step=step), Outcome(torch.tensor(1.0), {}, {"embedding/rank": make}))
    assert made == [1, 4, 8, 10]
    logged = read_log(tmp_path / "log.jsonl")
    assert [entry["embedding"]["rank"] for entry in logged] == [1.0, 4.0, 8.0, 10.0]
