"""Checkpoints: all that a training needs to go on as if it had never stopped, in one file that is whole or absent."""

import logging
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.optim import AdamW

from agglo.core.errors import CheckpointError
from agglo.core.files import forget_leftovers, write_atomic
from agglo.train.hooks import State
from agglo.train.task import Task
from agglo.train.team import current_team

if TYPE_CHECKING:
    from lightning_fabric import Fabric

FORMAT_VERSION = 1
_log = logging.getLogger(__name__)


class Checkpoint:
    """Saves and restores one training in one file."""

    def __init__(self, path: Path, identity: str, fabric: "Fabric") -> None:
        """Use file `path`; `identity` is the fingerprint of everything that decides the result."""
        self.path, self.identity, self.fabric = path, identity, fabric

    def save(self, task: Task, optimizer: AdamW, state: State) -> None:
        """Write the state between two steps; the file before it stays until this one is whole on disk.

        The learning rate, the order of samples and the random numbers of a step are functions of the step, so its number says
        them all; the generator's state is kept for tasks that draw outside of the loop.
        """
        content = {
            "format_version": FORMAT_VERSION,
            "identity": self.identity,
            "step": state.step,
            "wall_s": state.wall_s,
            "process_s": state.process_s,
            "task": task.state_dict(),
            "optimizer": optimizer.state_dict(),
            "average": state.average.values if state.average else None,
            "scaler": self.fabric.strategy.precision.state_dict(),
            "generator": torch.get_rng_state(),
        }
        forget_leftovers(self.path)
        write_atomic(self.path, lambda temporary: torch.save(content, temporary))

    def restore(self, task: Task, optimizer: AdamW, state: State) -> None:
        """Bring everything back to where it was saved, which may have been by another number of processes; else leave it alone.

        The first process reads for all: what is on a shared disk is not seen by all machines at the same time.

        Raises:
            CheckpointError: the file is damaged, of another format, or of a training with other settings.
        """
        content = current_team().first_does(lambda: self._read() if self.path.exists() else None)
        if content is None:
            return
        task.load_state_dict(content["task"])
        optimizer.load_state_dict(content["optimizer"])
        if state.average is not None:
            state.average.load(content["average"])
        self.fabric.strategy.precision.load_state_dict(content["scaler"])
        torch.set_rng_state(content["generator"])
        state.step, state.wall_s = int(content["step"]), float(content["wall_s"])
        state.process_s = float(
            content.get("process_s", state.wall_s)
        )  # absent where one process trained alone
        _log.info("resumed %s at step %d", self.path.parent.name, state.step)

    def _read(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        except (RuntimeError, pickle.UnpicklingError, EOFError, OSError) as problem:
            raise CheckpointError(
                f"{self.path} must be a whole checkpoint, but it cannot be read ({problem}); delete it to start this stage anew"
            ) from problem
        if content.get("format_version") != FORMAT_VERSION or content.get("identity") != self.identity:
            raise CheckpointError(
                f"{self.path} belongs to a training with other settings or another version of Agglo "
                f"(identity {content.get('identity')}, now {self.identity}); use another `out` folder, or delete it to start anew"
            )
        return content
