"""The weights of the validation that scored best, kept in a file beside the checkpoint.

The file stays when the training has ended: a later `fit` of the same training takes no step, and reads its weights from there.
"""

import logging
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from agglo.core.files import forget_leftovers, write_atomic
from agglo.train.task import Task

_log = logging.getLogger(__name__)


class BestWeights:
    """Keeps the task's weights of the highest `key` so far in one file; of equal ones the earliest.

    A training that is interrupted and goes on ends with the same weights as one that was not, on a CPU, where what is scored again
    after a resume scores the same.
    """

    def __init__(self, path: Path, identity: str, *, key: str) -> None:
        """Use file `path`; one of another `identity` is not looked at, and written over."""
        self.path, self.identity, self.key = path, identity, key
        content = self._read()
        self.step: int | None = content["step"] if content else None
        self.figure: float | None = content["figure"] if content else None

    def forget_after(self, step: int) -> None:
        """Forget weights from after `step`, where the training goes on: it scores them again, or others in their place.

        What was the best before them is lost, but would lose against them again.
        """
        if self.step is not None and self.step > step:
            self.path.unlink()
            self.step = self.figure = None

    def offer(self, task: Task, step: int, figures: Mapping[str, Any]) -> None:
        """Keep the weights of `task` after `step` if their figure is the highest yet; one without a figure is not kept."""
        figure = figures.get(self.key)
        if figure is None or (self.figure is not None and figure <= self.figure):
            return
        content = {"identity": self.identity, "step": step, "figure": figure, "task": task.state_dict()}
        forget_leftovers(self.path)
        write_atomic(self.path, lambda temporary: torch.save(content, temporary))
        self.step, self.figure = step, figure

    def load_into(self, task: Task) -> None:
        """Give `task` the weights kept; where there are none it is left alone."""
        content = self._read()
        if content is not None:
            task.load_state_dict(content["task"])

    def _read(self) -> dict[str, Any] | None:
        if not self.path.exists():
            return None
        try:
            content: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        except (RuntimeError, pickle.UnpicklingError, EOFError, OSError):
            _log.warning("%s cannot be read, so earlier validations no longer count", self.path)
            return None
        return content if content.get("identity") == self.identity else None
