"""The clock of a training: it counts what the device is still busy with when a step's last command is given."""

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from agglo.train import Device, Outcome, Place, Plan, Task, fit, loop

STEPS, BUSY_S = 3, 0.05


class Ones:
    """One sample of one number."""

    def __len__(self) -> int:
        return 1

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        return {"x": torch.ones(1)}


class Line(Task):
    """A line through nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(1, 1)

    def forward(self, batch: Any, step: int) -> Outcome:
        return Outcome(self.net(batch["x"]).square().mean(), {})


def test_waiting_for_the_device_is_time_of_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[torch.device] = []

    def wait(device: torch.device) -> None:
        waited.append(device)
        time.sleep(BUSY_S)

    monkeypatch.setattr(loop, "wait_for", wait, raising=False)
    plan = Plan(steps=STEPS, batch_size=1, learning_rate=0.01)
    device = Device(accelerator="cpu", threads=torch.get_num_threads())
    state = fit(Line(), Ones(), plan, Place(tmp_path, device=device))
    assert waited == [torch.device("cpu")] * STEPS
    assert state.wall_s >= STEPS * BUSY_S
