"""The numbers of one training: how long, how fast, with what care. No parts, no paths."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Plan:
    """How a `Task` is trained.

    Attributes:
        steps: optimizer steps in all.
        batch_size: samples per step, over all processes and parts.
        learning_rate: peak rate; a group may scale it (`Task.learning_rate_scales`).
        final_learning_rate: rate at the last step (cosine).
        warmup_steps: steps of linear warm-up from zero.
        weight_decay: of AdamW; never on 1-D parameters.
        betas: of AdamW.
        clip_norm: largest norm of the gradient; larger ones are scaled down.
        ema_decay: of the weights' moving average; `None` keeps none.
        seed: of sample order, views and dropout.
        log_every: steps between log entries.
        checkpoint_every_s: seconds between checkpoints; one is always written at the end.
        accumulate: parts into which a batch is cut to save memory, one after the other; the step is that of the whole batch.
    """

    steps: int
    batch_size: int
    learning_rate: float
    final_learning_rate: float = 0.0
    warmup_steps: int = 0
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float = 1.0
    ema_decay: float | None = None
    seed: int = 0
    log_every: int = 10
    checkpoint_every_s: float = 60.0
    accumulate: int = 1

    def identity(self) -> dict[str, Any]:
        """Return what decides the result; how often is logged or saved does not, nor how a batch is shared out or cut."""
        values = asdict(self)
        return {key: values[key] for key in values if key not in _COSMETIC}


_COSMETIC = {"log_every", "checkpoint_every_s", "accumulate"}
