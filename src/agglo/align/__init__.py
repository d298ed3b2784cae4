"""Stage 2: a decoder learns masks from the distilled student; the same objective trains the supervised-only arm."""

from agglo.align.joint import JointSource, JointTask
from agglo.align.light import LightTask, PictureSource
from agglo.align.losses import binary_cross_entropy, dice_loss, presence_loss
from agglo.align.objective import AlignTask, EncoderTuning, known_loss, weighed
from agglo.align.source import MaskSource

__all__ = [
    "AlignTask",
    "EncoderTuning",
    "JointSource",
    "JointTask",
    "LightTask",
    "MaskSource",
    "PictureSource",
    "binary_cross_entropy",
    "dice_loss",
    "known_loss",
    "presence_loss",
    "weighed",
]
