"""What happens between steps: logging, validation, progress. Each hook decides itself whether a step concerns it.

A hook sees the state after the step, when the device is done with it. What a hook does is not counted as time of training.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from agglo.core.errors import TrainingDiverged
from agglo.core.progress import Progress
from agglo.core.runlog import RunLog
from agglo.train.best import BestWeights
from agglo.train.ema import MovingAverage
from agglo.train.task import Outcome, Task


@dataclass
class State:
    """Where a training stands.

    Attributes:
        task: what is trained.
        steps: steps in all.
        step: steps done.
        wall_s: seconds spent in steps until the device was done with them, over all resumptions.
        process_s: those of all processes together.
        learning_rate: of the last step.
        grad_norm: of the last step, before clipping.
        is_bad: whether any loss or gradient so far was not finite; stays on the device.
        average: moving average of the weights, if any.
        best_step, best_figure: of the scoring whose weights the task was left with; None where none was selected.
    """

    task: Task
    steps: int
    step: int = 0
    wall_s: float = 0.0
    process_s: float = 0.0
    learning_rate: float = 0.0
    grad_norm: Tensor = field(default_factory=lambda: torch.zeros(()))
    is_bad: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.bool))
    average: MovingAverage | None = None
    best_step: int | None = None
    best_figure: float | None = None

    @property
    def is_last(self) -> bool:
        """Whether all steps are done."""
        return self.step >= self.steps

    def spend(self, seconds: float, *, processes: int) -> None:
        """Count the time of a step that so many processes took together."""
        self.wall_s += seconds
        self.process_s += seconds * processes


@runtime_checkable
class Hook(Protocol):
    """Called after every step."""

    def __call__(self, state: State, outcome: Outcome) -> None: ...


class LogHook:
    """Writes loss, rate, gradient norm and the task's own figures; stops a training whose numbers have left the finite."""

    def __init__(self, log: RunLog, *, every: int, progress: Progress) -> None:
        self.log, self.every, self.progress = log, every, progress

    def __call__(self, state: State, outcome: Outcome) -> None:
        if state.step % self.every and not state.is_last and state.step != 1:
            return
        if bool(state.is_bad):
            raise TrainingDiverged(
                f"the loss and its gradient must stay finite, but left it at or before step {state.step} of {state.steps} "
                f"({self.log.path.parent.name}); the last good checkpoint is kept. Lower `learning_rate` or lengthen `warmup_steps`"
            )
        loss = float(outcome.total.detach())
        figures = {**outcome.scalars, **{name: make() for name, make in outcome.on_demand.items()}}
        self.log.write(
            step=state.step,
            loss=loss,
            lr=state.learning_rate,
            grad_norm=float(state.grad_norm),
            wall_s=round(state.wall_s, 3),
            **nested({name: float(value) for name, value in figures.items()}),
        )
        self.progress(state.step, state.steps, f"loss {loss:.4f}")


class ValidateHook:
    """Scores the averaged weights on held-out data every `every` steps and at the end, and logs what comes back."""

    def __init__(
        self,
        log: RunLog,
        score: Callable[[Task], Mapping[str, Any]],
        *,
        every: int,
        best: BestWeights | None = None,
    ) -> None:
        self.log, self.score, self.every, self.best = log, score, every, best

    def __call__(self, state: State, outcome: Outcome) -> None:
        if state.step % self.every and not state.is_last:
            return
        if state.average is None:
            figures = self._look(state)
        else:
            with state.average.swapped_into(state.task):
                figures = self._look(state)
        self.log.write(step=state.step, val=dict(figures))

    def _look(self, state: State) -> Mapping[str, Any]:
        figures = self.score(state.task)
        if self.best is not None:
            self.best.offer(state.task, state.step, figures)
        return figures


def nested(flat: Mapping[str, float]) -> dict[str, Any]:
    """Turn `{"teachers/a/loss": 1}` into `{"teachers": {"a": {"loss": 1}}}`."""
    tree: dict[str, Any] = {}
    for path, value in flat.items():
        *folders, leaf = path.split("/")
        branch = tree
        for folder in folders:
            branch = branch.setdefault(folder, {})
        branch[leaf] = value
    return tree
