"""The loop. It reads as prose: everything that could clutter it lives in the other files of this room."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch.optim import AdamW

from agglo.core.errors import StoppedElsewhere
from agglo.core.files import fingerprint
from agglo.core.progress import Progress, silent
from agglo.core.runlog import RunLog
from agglo.core.seeds import seed_of
from agglo.train.batches import SampleSource, make_batches, one_ahead, require_samples_for_all
from agglo.train.best import BestWeights
from agglo.train.checkpoint import Checkpoint
from agglo.train.devices import Device, wait_for
from agglo.train.ema import MovingAverage
from agglo.train.hooks import Hook, LogHook, State, ValidateHook
from agglo.train.optimizer import make_optimizer, set_learning_rate
from agglo.train.plan import Plan
from agglo.train.schedule import learning_rate_at
from agglo.train.step import gradients_of
from agglo.train.task import Outcome, Task
from agglo.train.team import Team, current_team

if TYPE_CHECKING:
    from lightning_fabric import Fabric


GO_ON, STOP, FAILED = range(3)
"""What each of several processes says between two steps; the highest word of all holds for all."""
SAME_S = 1.0
"""Requests to stop that come within so many seconds are one: a terminal and `torchrun` both pass Ctrl-C on."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C between two steps; the checkpoint is written and the same command goes on from it."""


@dataclass(frozen=True)
class Place:
    """Where a training happens.

    Attributes:
        folder: gets `checkpoint.pt` and `log.jsonl`.
        identity: JSON-like; what decides the result besides the plan. A checkpoint of another identity is refused.
        device: the default is the best there is.
        workers: processes that prepare samples; 0 prepares them in this one. The result does not depend on it.
    """

    folder: Path
    identity: Any = None
    device: Device = field(default_factory=Device)
    workers: int = 0


@dataclass(frozen=True)
class Watch:
    """Who looks on.

    Attributes:
        score: scores the averaged weights on held-out data; what it returns is logged under `val`.
        every: steps between two such scorings.
        select: a figure's name: the task is left with the weights of its highest scoring; None leaves it with the last ones.
        progress: told of every logged step.
        hook: makes one hook more for the training's log; it comes after the log's own.
    """

    score: Callable[[Task], Mapping[str, Any]] | None = None
    every: int = 0
    select: str | None = None
    progress: Progress = silent
    hook: Callable[[RunLog], Hook] | None = None


def fit(task: Task, source: SampleSource, plan: Plan, place: Place, watch: Watch | None = None) -> State:
    """Train `task` on `source` for `plan.steps` steps, going on from the checkpoint in `place.folder` where there is one.

    Processes that have joined (`team.joined`) call this all alike, and share out every batch; the first one alone logs, scores and
    writes. On return `task` holds, in each of them, the averaged weights if `plan.ema_decay` is set, else the last ones: those of
    the best scoring where `watch.select` names a figure, and the first one's state says which step that was. The result is the
    same, on a CPU bit for bit, whether the training was interrupted or not (same machine, versions, threads and processes).

    Raises:
        CheckpointError: the folder holds a checkpoint that cannot be gone on from.
        ConfigError: a process would have no sample of a batch.
        TrainingDiverged: a loss or gradient is not finite.
        Interrupted: Ctrl-C; everything up to the last whole step is saved.
        StoppedElsewhere: another process has raised one of these.
    """
    watch = watch or Watch()
    training = begin(task, plan, place)
    state, team = training.state, training.team
    best = None
    if watch.select is not None and team.is_first:
        best = BestWeights(place.folder / "best.pt", training.checkpoint.identity, key=watch.select)
        best.forget_after(state.step)
    if state.step < plan.steps:
        hooks = []
        if team.is_first:
            log = RunLog(place.folder / "log.jsonl", keep_until_step=state.step)
            hooks = make_hooks(log, plan, watch, best)
        training.run(training.batches(source, plan, workers=place.workers), plan, hooks)
    if state.average is not None:
        task.load_state_dict(state.average.values)
    if best is not None:
        best.load_into(task)
        state.best_step, state.best_figure = best.step, best.figure
    team.spread(task.state_dict().values())
    return state


def begin(task: Task, plan: Plan, place: Place) -> "Training":
    """Return a training ready to take its next step, gone on from the checkpoint where there is one.

    Raises:
        CheckpointError: there is one that cannot be gone on from.
        ConfigError: a process would have no sample of a batch.
    """
    team = current_team()
    require_samples_for_all(plan.batch_size, team.share, parts=plan.accumulate)
    fabric = place.device.start()
    task.to(memory_format=torch.channels_last)
    model, optimizer = fabric.setup(task, make_optimizer(task, plan))
    team.spread(task.state_dict().values())
    average = MovingAverage(task, plan.ema_decay) if plan.ema_decay else None
    identity = fingerprint({"plan": plan.identity(), "of": place.identity})
    checkpoint = Checkpoint(place.folder / "checkpoint.pt", identity, fabric)
    state = State(task, plan.steps, average=average)
    training = Training(fabric, model, task, optimizer, checkpoint, state, team)
    training.restore()
    return training


def make_hooks(log: RunLog, plan: Plan, watch: Watch, best: BestWeights | None = None) -> list[Hook]:
    """Return the hooks of a training: its log, and its scoring on held-out data where that is asked for."""
    hooks: list[Hook] = [LogHook(log, every=plan.log_every, progress=watch.progress)]
    if watch.hook is not None:
        hooks.append(watch.hook(log))
    if watch.score is not None:
        hooks.append(ValidateHook(log, watch.score, every=watch.every, best=best))
    return hooks


@dataclass
class Training:
    """A training under way: the loop and its checkpoint."""

    fabric: "Fabric"
    model: Any  # `task` as wrapped by Fabric
    task: Task
    optimizer: AdamW
    checkpoint: Checkpoint
    state: State
    team: Team
    saved_at: float = field(default_factory=time.monotonic)

    def restore(self) -> None:
        """Go back to where the checkpoint stands."""
        self.checkpoint.restore(self.task, self.optimizer, self.state)
        self.state.is_bad = torch.zeros((), dtype=torch.bool, device=self.fabric.device)

    def batches(self, source: SampleSource, plan: Plan, *, workers: int = 0) -> Iterator[Any]:
        """Return the batches of the steps that are left, this process's share of each."""
        steps = range(self.state.step, plan.steps)
        batches = make_batches(
            source,
            seed=plan.seed,
            batch_size=plan.batch_size,
            steps=steps,
            share=self.team.share,
            workers=workers,
        )
        return one_ahead(batches)

    def save(self) -> None:
        """Write the checkpoint (first process only), unless a figure has left the finite: then the last good one stays."""
        if self.team.is_first and not bool(self.state.is_bad):
            self.checkpoint.save(self.task, self.optimizer, self.state)
        self.saved_at = time.monotonic()

    def run(self, batches: Iterator[Any], plan: Plan, hooks: Sequence[Hook]) -> None:
        """Take the steps that are left."""
        state, self.saved_at = self.state, time.monotonic()
        with stop_requested() as is_stopping:
            while state.step < plan.steps:
                began = time.monotonic()
                outcome = self._step(self.fabric.to_device(next(batches)), plan)
                wait_for(self.fabric.device)  # equal wall time rests on this clock
                state.spend(time.monotonic() - began, processes=self.team.share.world)
                is_stopped = self._between_steps(hooks, outcome, is_stopping, plan)
                if is_stopped and not state.is_last:
                    raise Interrupted(
                        f"stopped after step {state.step} of {plan.steps}; the same command goes on from there"
                    )

    def _between_steps(
        self, hooks: Sequence[Hook], outcome: Outcome, is_stopping: Callable[[], bool], plan: Plan
    ) -> bool:
        """Let the hooks look, save where that is due, wait for whoever is at it, and return whether all are to stop here."""
        word = FAILED
        try:
            for hook in hooks:
                hook(self.state, outcome)
            asked = is_stopping()
            # before the others hear of it: in their next step they would wait for the disk where patience is short
            if self.state.is_last or asked or time.monotonic() - self.saved_at > plan.checkpoint_every_s:
                self.save()
            word = STOP if asked else GO_ON
        finally:  # said in any case: nobody is to wait for a process that has gone
            found = self.team.agree(word)
        if found == FAILED:
            raise StoppedElsewhere(self.team.share)
        if found == STOP and not asked and not self.state.is_last:
            self.save()  # another one was asked; nobody takes a further step
        return found == STOP

    def _step(self, batch: Any, plan: Plan) -> Outcome:
        state = self.state
        torch.manual_seed(seed_of(plan.seed, "step", state.step, self.team.share.rank))
        state.learning_rate = learning_rate_at(state.step, plan)
        set_learning_rate(self.optimizer, state.learning_rate)
        self.model.train()
        outcome = gradients_of(
            self.fabric, self.model, self.task, batch, plan, step=state.step, team=self.team
        )
        state.grad_norm = self.fabric.clip_gradients(
            self.model, self.optimizer, max_norm=plan.clip_norm, error_if_nonfinite=False
        )
        state.is_bad = state.is_bad | ~torch.isfinite(outcome.total.detach() + state.grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        state.step += 1
        if state.average is not None:
            state.average.update(self.task, state.step)
        return outcome


@contextmanager
def stop_requested() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a request that the loop answers between two steps; a second one stops at once."""
    asked = threading.Event()
    first_at = [0.0]

    def ask(number: int, frame: FrameType | None) -> None:
        if not asked.is_set():
            first_at[0] = time.monotonic()
        elif time.monotonic() - first_at[0] > SAME_S:
            raise KeyboardInterrupt
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
