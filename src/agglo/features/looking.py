"""How a teacher looks: a ready one, and how many pictures it is given at once."""

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float16
from torch import Tensor

from agglo.teachers import Teacher, TeacherEntry, preprocess

_log = logging.getLogger(__name__)
Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class ReadyTeacher:
    """A teacher ready to look: the model, its catalogue entry, the identity of its weights, and in what precision it looks.

    `bf16` is autocast: float32 weights, products in bfloat16 where torch thinks that safe; `features/precision.py` asks
    whether it is.
    """

    entry: TeacherEntry
    teacher: Teacher
    identity: Mapping[str, object]
    precision: Precision = "fp32"


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
        spec, start = source.teacher.spec, 0
        seen = np.empty((len(pictures), spec.dim, *spec.grid), np.float16)
        for features in self._in_portions(source, torch.from_numpy(pictures), torch.device("cpu")):
            seen[start : start + len(features)] = features.numpy()
            start += len(features)
        return seen

    def see(
        self, source: ReadyTeacher, pictures: Float[Tensor, "batch size size"]
    ) -> Float16[Tensor, "batch dim h w"]:
        """Return what `look` does, on the looker's device, for whoever learns from it at once."""
        return torch.cat(list(self._in_portions(source, pictures, self.device)))

    def _in_portions(
        self, source: ReadyTeacher, pictures: Float[Tensor, "samples size size"], where: torch.device
    ) -> Iterator[Float16[Tensor, "some dim h w"]]:
        """Yield the features of `pictures` in order, as many at once as memory holds."""
        name, start = source.entry.name, 0
        self.at_once.setdefault(name, self.batch_size or pictures_at_once(pictures.shape[-1], self.device))
        while start < len(pictures):
            try:
                features = self._forward(source, pictures[start : start + self.at_once[name]], where)
            except torch.OutOfMemoryError:
                if self.at_once[name] == 1:
                    raise
                self.at_once[name] //= 2
                _log.warning(
                    "teacher %s: out of memory; going on with %d pictures at once", name, self.at_once[name]
                )
                continue
            yield features
            start += len(features)

    def _forward(
        self, source: ReadyTeacher, pictures: Float[Tensor, "some size size"], where: torch.device
    ) -> Float16[Tensor, "some dim h w"]:
        images = preprocess(source.entry, pictures).to(self.device)
        teacher, is_bf16 = source.teacher.to(self.device), source.precision == "bf16"
        began = time.monotonic()
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=is_bf16):
            features = teacher.feature_map(images).float().half().to(where)
        self.forward_s += time.monotonic() - began
        return features
