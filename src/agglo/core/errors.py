"""The tree of errors that a user can mend; every one derives from `AggloError`.

Each message says what must hold, what was found, where, and what to do. Bugs of our own are not here: they raise what Python
raises and keep their traceback.
"""

from agglo.core.share import Share
from agglo_runtime.errors import AggloError, ImageError

__all__ = [
    "AggloError",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "FeatureMismatch",
    "ImageError",
    "ModelFolderError",
    "PromptError",
    "RunFolderError",
    "StoppedElsewhere",
    "StoreError",
    "TrainingCollapsed",
    "TrainingDiverged",
    "WeightsError",
]


class ConfigError(AggloError, ValueError):
    """A recipe or an argument has values that cannot be used; the message lists all of them."""


class DataError(AggloError, ValueError):
    """A dataset is not as its format promises; the message lists every problem found."""


class FeatureMismatch(AggloError, ValueError):
    """Teachers, heads, weights or feature maps do not fit each other."""


class WeightsError(AggloError, ValueError):
    """Weights are absent, altered, or do not fit the model key by key."""


class StoreError(AggloError, RuntimeError):
    """A feature store is damaged, or was made from something else than what is asked for now."""


class CheckpointError(AggloError, RuntimeError):
    """A checkpoint cannot be read, or belongs to another run."""


class RunFolderError(AggloError, RuntimeError):
    """A run folder holds results of other settings than those asked for."""


class ModelFolderError(AggloError, ValueError):
    """A model folder is incomplete, altered, or of a format this version does not know."""


class PromptError(AggloError, ValueError):
    """A box, a click or a mask cannot be answered: what it says is impossible, or there is nobody to answer it."""


class StoppedElsewhere(AggloError, RuntimeError):
    """Another process of the same run could not go on; what went wrong, and what to do, is said there."""

    def __init__(self, share: Share) -> None:
        super().__init__(
            f"process {share.rank} of {share.world} stops, because another one has stopped; that one says why"
        )


class TrainingCollapsed(AggloError, RuntimeError):
    """One teacher has taken over a distillation, and the recipe asks to stop then; the last checkpoint is kept."""


class TrainingDiverged(AggloError, RuntimeError):
    """A loss or a gradient is no longer finite; the last good checkpoint is kept."""
