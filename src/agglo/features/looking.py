"""How a teacher looks: a ready one, and how many pictures it is given at once."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float16
from torch import Tensor

from agglo.teachers import Teacher, TeacherEntry, preprocess
from agglo.teachers.summary import map_of, who_looks

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

    @property
    def eye(self) -> tuple[Teacher, Precision]:
        """Who really looks, and how: what is of one eye (a map and the summary beside it) can be had from one look."""
        return who_looks(self.teacher), self.precision


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
        return self.look_for((source,), pictures)[0]

    def look_for(
        self, sources: Sequence[ReadyTeacher], pictures: Float[np.ndarray, "samples size size"]
    ) -> list[Float16[np.ndarray, "samples _ _ _"]]:
        """Return what `look` does for each of `sources`, which are of one `eye`, from one look."""
        specs, start = [source.teacher.spec for source in sources], 0
        seen = [np.empty((len(pictures), spec.dim, *spec.grid), np.float16) for spec in specs]
        for several in self._in_portions(sources, torch.from_numpy(pictures), torch.device("cpu")):
            for kept, features in zip(seen, several, strict=True):
                kept[start : start + len(features)] = features.numpy()
            start += len(several[0])
        return seen

    def see_for(
        self, sources: Sequence[ReadyTeacher], pictures: Float[Tensor, "batch size size"]
    ) -> list[Float16[Tensor, "batch _ _ _"]]:
        """Return what `look_for` does, on the looker's device, for whoever learns from it at once."""
        portions = self._in_portions(sources, pictures, self.device)
        return [torch.cat(features) for features in zip(*portions, strict=True)]

    def _in_portions(
        self,
        sources: Sequence[ReadyTeacher],
        pictures: Float[Tensor, "samples size size"],
        where: torch.device,
    ) -> Iterator[list[Float16[Tensor, "some _ _ _"]]]:
        """Yield the features of `pictures` in order, of each of `sources`, as many at once as memory holds."""
        name, start = sources[0].entry.name, 0
        self.at_once.setdefault(name, self.batch_size or pictures_at_once(pictures.shape[-1], self.device))
        while start < len(pictures):
            try:
                several = self._forward(sources, pictures[start : start + self.at_once[name]], where)
            except torch.OutOfMemoryError:
                if self.at_once[name] == 1:
                    raise
                self.at_once[name] //= 2
                _log.warning(
                    "teacher %s: out of memory; going on with %d pictures at once", name, self.at_once[name]
                )
                continue
            yield several
            start += len(several[0])

    def _forward(
        self, sources: Sequence[ReadyTeacher], pictures: Float[Tensor, "some size size"], where: torch.device
    ) -> list[Float16[Tensor, "some _ _ _"]]:
        images = preprocess(sources[0].entry, pictures).to(self.device)
        teacher, precision = sources[0].eye
        teacher, is_bf16 = teacher.to(self.device), precision == "bf16"
        began = time.monotonic()
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=is_bf16):
            seen = teacher.look(images)
            several = [map_of(source.teacher, seen).float().half().to(where) for source in sources]
        self.forward_s += time.monotonic() - began
        return several
