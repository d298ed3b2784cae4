"""How a teacher looks: a ready one, and how many pictures it is given at once."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float16
from torch import Tensor

from agglo.teachers import Teacher, TeacherEntry, preprocess

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReadyTeacher:
    """A teacher ready to look: the model, its catalogue entry, and the identity of its weights."""

    entry: TeacherEntry
    teacher: Teacher
    identity: Mapping[str, object]


def pictures_at_once(input_px: int, device: torch.device) -> int:
    """Return how many pictures of `input_px` a forward pass takes at first: up to 16 on a CPU, a million pixels; up to 64 on a GPU.

    On a GPU that is 16 pictures of 1024 px; the number is halved as often as memory runs out.
    """
    pixels, most = (16 << 20, 64) if device.type == "cuda" else (1 << 20, 16)
    return max(1, min(most, pixels // input_px**2))


class Looker:
    """Lets teachers look at pictures, as many at once as memory holds."""

    def __init__(self, device: torch.device, batch_size: int | None = None) -> None:
        """Take the device, and the pictures of a forward pass if it is not to be `pictures_at_once`."""
        self.device, self.batch_size = device, batch_size
        self.at_once: dict[str, int] = {}
        self.forward_s = 0.0

    def look(
        self, source: ReadyTeacher, pictures: Float[np.ndarray, "samples size size"]
    ) -> Float16[np.ndarray, "samples dim h w"]:
        """Return the features of `pictures`; the seconds of the forward passes are added to `forward_s`."""
        name = source.entry.name
        self.at_once.setdefault(name, self.batch_size or pictures_at_once(pictures.shape[-1], self.device))
        seen: list[np.ndarray] = []
        while (start := sum(map(len, seen))) < len(pictures):
            some = torch.from_numpy(pictures[start : start + self.at_once[name]])
            try:
                seen.append(self._forward(source, some))
            except torch.OutOfMemoryError:
                if self.at_once[name] == 1:
                    raise
                self.at_once[name] //= 2
                _log.warning(
                    "teacher %s: out of memory; going on with %d pictures at once", name, self.at_once[name]
                )
        return np.concatenate(seen)

    def _forward(
        self, source: ReadyTeacher, pictures: Float[Tensor, "some size size"]
    ) -> Float16[np.ndarray, "some dim h w"]:
        images = preprocess(source.entry, pictures).to(self.device)
        teacher = source.teacher.to(self.device)
        began = time.monotonic()
        with torch.inference_mode():
            features = teacher.feature_map(images).float().cpu()
        self.forward_s += time.monotonic() - began
        return features.numpy().astype(np.float16)
