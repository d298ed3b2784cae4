"""Teachers that look at each batch while the student learns from it, in place of a store.

They stand beside the task and not in it: nothing of them is trained, averaged or written into a checkpoint. What they see is
rounded to float16, as a store would have kept it, so that with the same normaliser both routes give the same student within
rounding.
"""

from collections.abc import Mapping
from typing import Any, final

from agglo.distill.objective import DistilTask
from agglo.features.looking import Looker, ReadyTeacher
from agglo.train import Outcome, Task


@final
class OnlineTask(Task):
    """Stage 1's task for batches that bring pictures in place of some teachers' features."""

    def __init__(self, task: DistilTask, teachers: Mapping[str, ReadyTeacher]) -> None:
        """Take the task and the teachers that are asked anew, by the name that the task knows them by."""
        super().__init__()
        self.task = task
        self.eyes = _Eyes(teachers)

    def undecayed(self) -> tuple[str, ...]:
        """Keep weight decay off what the task keeps it off."""
        return tuple(f"task.{prefix}" for prefix in self.task.undecayed())

    def learning_rate_scales(self) -> Mapping[str, float]:
        """Scale the rates that the task scales."""
        return {f"task.{prefix}": scale for prefix, scale in self.task.learning_rate_scales().items()}

    def weighed(self, batch: Any) -> Any:
        """Return `batch` as the task weighs it."""
        return self.task.weighed(batch)

    def forward(self, batch: Any, step: int) -> Outcome:
        """Return the task's loss of `{…, "pictures": {teacher: [B,P,P]}}`, with what these teachers see of the pictures."""
        features = {**batch["features"], **self.eyes.see(batch["pictures"])}
        return self.task({**batch, "features": features}, step)


class _Eyes:
    """Teachers outside of torch's tree of modules, on the device of the pictures they are shown."""

    def __init__(self, teachers: Mapping[str, ReadyTeacher]) -> None:
        self.teachers = teachers
        self.looker: Looker | None = None

    def see(self, pictures: Mapping[str, Any]) -> dict[str, Any]:
        device = next(iter(pictures.values())).device
        if self.looker is None or self.looker.device != device:
            self.looker = Looker(device)
        seen: dict[str, Any] = {}
        for together in self._looks():
            features = self.looker.see_for([self.teachers[name] for name in together], pictures[together[0]])
            seen.update(zip(together, features, strict=True))
        return seen

    def _looks(self) -> list[list[str]]:
        """Return the names of teachers, those together that one look is enough for."""
        looks: dict[Any, list[str]] = {}
        for name, source in self.teachers.items():
            looks.setdefault(source.eye, []).append(name)
        return list(looks.values())
