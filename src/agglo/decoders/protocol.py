"""What every decoder of structures promises: K maps of logits at stride 2 in one pass, and perhaps whether each is there."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from agglo.core.shapes import StudentFeatures

RARE_FOREGROUND_LOGIT = -3.0  # sigmoid 0.05: a structure covers a few per cent of a frame
USUALLY_THERE_LOGIT = (
    2.0  # sigmoid 0.88: most frames show most structures, and what is not learned yet hides no mask
)


class StructureLogits(NamedTuple):
    """What is said of K structures: where each one is, and whether it is there at all.

    `presence` is None from a network that does not tell. It changes no mask here: what is not there is emptied when masks are made
    of logits (`agglo_runtime.finish`).
    """

    masks: Float[Tensor, "batch structures h w"]
    presence: Float[Tensor, "batch structures"] | None = None


class Decoder(nn.Module, ABC):
    """Abstract: concrete decoders implement `decode`, are `@final`, and override nothing else.

    Attributes:
        num_structures: K.
    """

    num_structures: int

    @abstractmethod
    def decode(self, features: StudentFeatures) -> StructureLogits:
        """Return logits at four times the embedding's rows and cols, and those of presence where the decoder tells."""

    def forward(self, features: StudentFeatures) -> Float[Tensor, "batch structures h2 w2"]:
        """Return one logit map per structure, whether or not it is there."""
        return self.decode(features).masks
