"""The loop: it learns, it logs, and an interrupted training ends in exactly the weights of an uninterrupted one."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from agglo.core.errors import CheckpointError, TrainingDiverged
from agglo.core.runlog import read_log
from agglo.train import Device, Interrupted, Outcome, Place, Plan, Task, Watch, fit
from agglo.train.checkpoint import Checkpoint
from agglo.train.hooks import State
from agglo.train.loop import FAILED, GO_ON, STOP
from agglo.train.team import Team

CPU = Device(accelerator="cpu", threads=torch.get_num_threads())
PLAN = Plan(
    steps=12,
    batch_size=4,
    learning_rate=0.02,
    warmup_steps=3,
    ema_decay=0.9,
    log_every=1,
    checkpoint_every_s=0.0,
)


class Line:
    """Samples of a noisy line, 10 of them."""

    def __len__(self) -> int:
        return 10

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        x = torch.tensor([index / 10.0])
        return {"x": x, "y": 2 * x + 0.01 * (turn % 2)}


class Regression(Task):
    """A small net with BatchNorm and dropout: all the state that resuming must carry."""

    def __init__(self, *, stop_at: int | None = None, spoil_at: int | None = None) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.net = nn.Sequential(nn.Linear(1, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))
        self.stop_at, self.spoil_at = stop_at, spoil_at

    def forward(self, batch: Any, step: int) -> Outcome:
        if step == self.stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        error: Tensor = (self.net(batch["x"]) - batch["y"]).square().mean()
        if step == self.spoil_at:
            error = error * float("nan")
        return Outcome(error, {"parts/error": error.detach()})


def weights(task: Task) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in task.state_dict().items()}


def test_an_interrupted_training_ends_in_the_same_bits(tmp_path: Path) -> None:
    whole = Regression()
    fit(whole, Line(), PLAN, Place(tmp_path / "whole", device=CPU))
    with pytest.raises(Interrupted, match="stopped after step 6 of 12; the same command goes on"):
        fit(Regression(stop_at=5), Line(), PLAN, Place(tmp_path / "cut", device=CPU))
    resumed = Regression()
    fit(resumed, Line(), PLAN, Place(tmp_path / "cut", device=CPU))
    for name, tensor in weights(whole).items():
        assert torch.equal(tensor, weights(resumed)[name]), name
    logs = [read_log(tmp_path / place / "log.jsonl") for place in ("whole", "cut")]
    for entry in (*logs[0], *logs[1]):
        entry.pop("wall_s")
    assert logs[0] == logs[1]
    assert [entry["step"] for entry in logs[0]] == list(range(1, 13))


def test_a_finished_training_takes_no_further_step(tmp_path: Path) -> None:
    first = Regression()
    fit(first, Line(), PLAN, Place(tmp_path, device=CPU))
    again = Regression(spoil_at=0)
    state = fit(again, Line(), PLAN, Place(tmp_path, device=CPU))
    assert state.step == 12
    assert all(torch.equal(tensor, weights(again)[name]) for name, tensor in weights(first).items())


def test_training_learns_and_validates_the_averaged_weights(tmp_path: Path) -> None:
    plan = Plan(steps=200, batch_size=5, learning_rate=0.05, warmup_steps=5, ema_decay=0.9, weight_decay=0.0)
    seen = []

    def score(task: Task) -> dict[str, float]:
        task.eval()
        with torch.no_grad():
            error = (task.net(torch.tensor([[0.2], [0.8]])) - torch.tensor([[0.4], [1.6]])).abs().mean()
        seen.append(float(error))
        return {"error": float(error)}

    fit(Regression(), Line(), plan, Place(tmp_path, device=CPU), Watch(score=score, every=50))
    assert len(seen) == 4
    assert seen[-1] < 0.3
    assert [entry["val"]["error"] for entry in read_log(tmp_path / "log.jsonl") if "val" in entry] == seen


def test_figures_that_leave_the_finite_stop_the_training(tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match=r"at or before step 4 of 12 .*last good checkpoint is kept"):
        fit(Regression(spoil_at=3), Line(), PLAN, Place(tmp_path, device=CPU))
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 3


def test_a_checkpoint_never_holds_what_is_not_finite(tmp_path: Path) -> None:
    """Even if the log looks only now and then: the timed checkpoints in between must not be spoilt."""
    plan = Plan(steps=12, batch_size=4, learning_rate=0.02, log_every=10, checkpoint_every_s=0.0)
    with pytest.raises(TrainingDiverged, match="at or before step 10 of 12"):
        fit(Regression(spoil_at=5), Line(), plan, Place(tmp_path, device=CPU))
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert kept["step"] == 5
    assert all(tensor.isfinite().all() for tensor in kept["task"].values())


class Told(list[object]):
    """What happens between the steps of a team, in its order, as this process sees it; another one may be asked to stop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, others: int = GO_ON, full_at: int = 99) -> None:
        """Listen; the disk is full when step `full_at` is saved."""

        def save(_: Checkpoint, task: Task, optimizer: object, state: State) -> None:
            self.append(f"saved {state.step}")
            if state.step == full_at:
                raise OSError("no space left")

        def agree(_: Team, word: int) -> int:
            self.append(word)
            return max(word, others)

        monkeypatch.setattr(Checkpoint, "save", save)
        monkeypatch.setattr(Team, "agree", agree)


TWO_STEPS = Plan(steps=2, batch_size=4, learning_rate=0.02, checkpoint_every_s=0.0)


def test_others_go_on_when_the_checkpoint_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would wait for a slow disk inside the next step's messages, whose timeout is short."""
    told = Told(monkeypatch)
    fit(Regression(), Line(), TWO_STEPS, Place(tmp_path, device=CPU))
    assert told == ["saved 1", GO_ON, "saved 2", GO_ON]


def test_others_are_told_of_a_checkpoint_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(monkeypatch, full_at=1)
    with pytest.raises(OSError, match="no space left"):
        fit(Regression(), Line(), TWO_STEPS, Place(tmp_path, device=CPU))
    assert told == ["saved 1", FAILED]


def test_a_stop_that_another_one_was_asked_for_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(monkeypatch, others=STOP)
    with pytest.raises(Interrupted, match="stopped after step 1 of 2"):
        fit(Regression(), Line(), replace(TWO_STEPS, checkpoint_every_s=60.0), Place(tmp_path, device=CPU))
    assert told == [GO_ON, "saved 1"]


SPOILT = {
    "other settings": (lambda path: None, {"is": "another"}, "belongs to a training with other settings"),
    "torn file": (lambda path: path.write_bytes(path.read_bytes()[:100]), None, "must be a whole checkpoint"),
}


@pytest.mark.parametrize(("spoil", "identity", "text"), SPOILT.values(), ids=SPOILT)
def test_a_checkpoint_that_does_not_fit_is_refused(
    tmp_path: Path, spoil: Any, identity: Any, text: str
) -> None:
    fit(Regression(), Line(), PLAN, Place(tmp_path, device=CPU))
    spoil(tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match=text):
        fit(Regression(), Line(), PLAN, Place(tmp_path, identity=identity, device=CPU))


VAL_FIGURES = {3: 0.2, 6: 0.7, 9: 0.7, 12: 0.5}
"""What a scoring gives after a step: two are equally good."""


def watching(seen: list[int], *, factor: float = 1.0) -> Watch:
    """Return a watch that scores by the table above, times `factor`; what it was asked is in `seen`."""
    steps = iter(VAL_FIGURES)

    def score(task: Task) -> dict[str, float | None]:
        seen.append(next(steps))
        return {"dice": factor * VAL_FIGURES[seen[-1]]}

    return Watch(score, every=3, select="dice")


def test_the_best_validation_is_kept_and_the_earliest_of_equals(tmp_path: Path) -> None:
    plain, chosen = Regression(), Regression()
    fit(plain, Line(), PLAN, Place(tmp_path / "plain", device=CPU))
    seen: list[int] = []
    state = fit(chosen, Line(), PLAN, Place(tmp_path / "chosen", device=CPU), watching(seen))
    assert (state.best_step, state.best_figure) == (6, 0.7)
    assert seen == [3, 6, 9, 12]
    assert any(not torch.equal(weights(plain)[name], weights(chosen)[name]) for name in weights(plain))
    again = Regression()
    fit(again, Line(), PLAN, Place(tmp_path / "chosen", device=CPU), watching([]))
    assert all(torch.equal(weights(again)[name], tensor) for name, tensor in weights(chosen).items())


def test_a_selection_survives_an_interruption(tmp_path: Path) -> None:
    def scored(task: Task) -> dict[str, float]:
        return {"dice": -abs(float(weights(task)["net.0.weight"].mean()) - 0.1)}

    watch = Watch(scored, every=2, select="dice")
    whole, resumed = Regression(), Regression()
    first = fit(whole, Line(), PLAN, Place(tmp_path / "whole", device=CPU), watch)
    with pytest.raises(Interrupted):
        fit(Regression(stop_at=6), Line(), PLAN, Place(tmp_path / "cut", device=CPU), watch)
    second = fit(resumed, Line(), PLAN, Place(tmp_path / "cut", device=CPU), watch)
    assert (first.best_step, first.best_figure) == (second.best_step, second.best_figure)
    assert all(torch.equal(weights(resumed)[name], tensor) for name, tensor in weights(whole).items())


def test_a_training_begun_anew_knows_nothing_of_scorings_before(tmp_path: Path) -> None:
    """Whoever deletes the checkpoint, as its message says, must not get the weights of the training before."""
    fit(Regression(), Line(), PLAN, Place(tmp_path, device=CPU), watching([]))
    (tmp_path / "checkpoint.pt").unlink()
    state = fit(Regression(), Line(), PLAN, Place(tmp_path, device=CPU), watching([], factor=0.5))
    assert (state.best_step, state.best_figure) == (6, 0.35)


def test_without_any_figure_the_last_weights_stay(tmp_path: Path) -> None:
    plain, chosen = Regression(), Regression()
    fit(plain, Line(), PLAN, Place(tmp_path / "plain", device=CPU))
    watch = Watch(lambda task: {"dice": None}, every=3, select="dice")
    state = fit(chosen, Line(), PLAN, Place(tmp_path / "chosen", device=CPU), watch)
    assert state.best_step is None
    assert all(torch.equal(weights(chosen)[name], tensor) for name, tensor in weights(plain).items())
