"""Stage 2 with the teachers in view: masks are learned, and the embedding goes on matching teachers' features meanwhile.

Learning masks alone lets a student forget what it was taught; the features of unlabelled frames, which are in the store anyway,
hold it there. One batch has labelled frames and stored views side by side.
"""

from collections.abc import Mapping
from typing import Any, final

from agglo.align.objective import AlignTask
from agglo.core.errors import ConfigError
from agglo.core.seeds import epoch_order
from agglo.distill import DistilTask
from agglo.train import Outcome, Task
from agglo.train.batches import SampleSource


@final
class JointSource:
    """A labelled frame and a stored view together; it is as long as the labelled frames are many."""

    def __init__(self, masks: SampleSource, features: SampleSource, *, seed: int) -> None:
        """Take stage 2's source and stage 1's; `seed` orders the latter's views."""
        self.masks, self.features, self.seed = masks, features, seed

    def __len__(self) -> int:
        return len(self.masks)

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        """Return `{"masks": …, "features": …}`; over the turns every stored view comes equally often."""
        visit = turn * len(self.masks) + index
        epoch, place = divmod(visit, len(self.features))
        view = int(epoch_order(self.seed, epoch, len(self.features))[place])
        return {"masks": self.masks.sample(index, turn), "features": self.features.sample(view, epoch)}


@final
class JointTask(Task):
    """Two tasks on one student: their losses are added."""

    def __init__(self, align: AlignTask, distil: DistilTask, *, weight: float) -> None:
        """Take both tasks; `weight` is how much stage 1's loss counts beside stage 2's.

        Raises:
            ConfigError: they have two students, or the encoder is never tuned, so that features could teach it nothing.
        """
        super().__init__()
        if align.student is not distil.student:
            raise ConfigError("a joint stage needs one student for masks and features, got two")
        if align.encoder.tuned_from is None:
            raise ConfigError(
                "align.features_weight must go with `align.encoder: finetune`, got frozen: features could teach it nothing"
            )
        self.align, self.distil, self.weight = align, distil, weight

    def learning_rate_scales(self) -> Mapping[str, float]:
        """Give every part the rate that it has in the stage it is of."""
        return {f"align.{prefix}": scale for prefix, scale in self.align.learning_rate_scales().items()}

    def undecayed(self) -> tuple[str, ...]:
        """Keep weight decay off what either task keeps it off."""
        return (
            *(f"align.{prefix}" for prefix in self.align.undecayed()),
            *(f"distil.{prefix}" for prefix in self.distil.undecayed()),
        )

    def weighed(self, batch: Any) -> Any:
        """Return `batch` with what either task must know of the whole of it."""
        return {
            "masks": self.align.weighed(batch["masks"]),
            "features": self.distil.weighed(batch["features"]),
        }

    def forward(self, batch: Any, step: int) -> Outcome:
        """Return both losses of `{"masks": …, "features": …}`; while the encoder stands still, that of masks alone."""
        masks = self.align(batch["masks"], step)
        tuned_from = self.align.encoder.tuned_from
        if tuned_from is None or step < tuned_from:
            return masks
        features = self.distil(batch["features"], step)
        scalars = {**masks.scalars, **features.scalars, "features_loss": features.total.detach()}
        return Outcome(masks.total + self.weight * features.total, scalars, features.on_demand)
