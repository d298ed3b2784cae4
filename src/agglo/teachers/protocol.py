"""What every teacher is: a frozen encoder that gives a dense map and perhaps a summary, and how a grey image becomes its input.

Here live the abstract `Teacher`, the record `Family` that each architecture fills in, and `preprocess`. Which teachers exist
is data (`catalogue`); how weights are read is `weights`; no architecture is named here.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from agglo.core.channels import grey_to_channels
from agglo.core.errors import FeatureMismatch
from agglo.core.shapes import FeatureSpec, TeacherFeatures
from agglo.teachers.entry import TeacherEntry
from agglo.teachers.layout import Layout, Loaded
from agglo.teachers.reading import read_state


class Teacher(nn.Module, ABC):
    """Abstract: a frozen encoder. Concrete teachers implement `look`, are `@final`, and override nothing else.

    A teacher is always in eval mode, none of its parameters asks for a gradient, and `look` runs without a graph; it may run
    under autocast.

    Attributes:
        encoder: the network.
        spec: name, width, intended input and stride of its map, width of its summary.
        loaded: what became of the keys of its weights file; None for random weights.
    """

    loaded: Loaded | None = None

    def __init__(self, encoder: nn.Module, spec: FeatureSpec) -> None:
        """Freeze `encoder` and keep what its map is."""
        super().__init__()
        self.encoder = encoder
        self.spec = spec
        self.requires_grad_(False)
        self.train(False)

    @abstractmethod
    def look(self, images: Float[Tensor, "batch 3 rows cols"]) -> TeacherFeatures:
        """Return, in one pass, the dense map of preprocessed `images` and their summary where the teacher has one.

        The map has one cell per `spec.stride_px` pixels and `spec.dim` channels; the summary is `[batch, spec.summary_dim]`.

        Raises:
            FeatureMismatch: if rows or cols do not fit the network.
        """

    def feature_map(self, images: Float[Tensor, "batch 3 rows cols"]) -> Float[Tensor, "batch dim h w"]:
        """Return the map alone."""
        return self.look(images).map

    def summary(self, images: Float[Tensor, "batch 3 rows cols"]) -> Float[Tensor, "batch summary_dim"]:
        """Return one vector per image; who wants the map as well calls `look`, once.

        Raises:
            FeatureMismatch: the teacher has no summary.
        """
        summary = self.look(images).summary
        if summary is None:
            raise FeatureMismatch(
                f"teacher {self.spec.name} must have a summary vector to give one, but has only a map; ask teachers whose "
                "`spec.summary_dim` is not None."
            )
        return summary

    def forward(self, images: Float[Tensor, "batch 3 rows cols"]) -> Float[Tensor, "batch dim h w"]:
        """Return `feature_map(images)`."""
        return self.feature_map(images)

    def train(self, mode: bool = True) -> "Teacher":
        """Stay in eval mode, whatever is asked."""
        return super().train(False)


@dataclass(frozen=True)
class Family:
    """One architecture: how to build it, how to wrap it, and how to read the layouts its weights are published in.

    Attributes:
        build_encoder: catalogue architecture -> trainable network with random weights (torch's global generator).
        teacher: network, spec and name of the map -> frozen `Teacher`.
        layout: how published keys are read.
        read: file -> state, where not simply what is in the file.
        loads_itself: whether `build_encoder` takes the file, as `weights` in the architecture, and fills the network itself.
    """

    build_encoder: Callable[[Mapping[str, Any]], nn.Module]
    teacher: Callable[[nn.Module, FeatureSpec, str], Teacher]
    layout: Layout
    read: Callable[[Path], dict[str, Tensor]] = read_state
    loads_itself: bool = False


def tokens_to_map(
    tokens: Float[Tensor, "batch {rows*cols} dim"], *, rows: int, cols: int
) -> Float[Tensor, "batch dim {rows} {cols}"]:
    """Lay row-major tokens out as a map."""
    tokens_BNF = tokens
    map_BHWF = tokens_BNF.reshape(len(tokens_BNF), rows, cols, -1)
    return map_BHWF.permute(0, 3, 1, 2)


def require_multiple(images: Float[Tensor, "batch 3 rows cols"], spec: FeatureSpec, multiple: int) -> None:
    """Raise `FeatureMismatch` unless rows and cols of `images` are multiples of `multiple`."""
    rows, cols = images.shape[-2:]
    if rows % multiple or cols % multiple:
        raise FeatureMismatch(
            f"teacher {spec.name} needs rows and cols that are multiples of {multiple} px, got {rows} x {cols}; "
            f"render its views at {spec.input_px} px or another multiple."
        )


def preprocess(
    entry: TeacherEntry, unit_images: Float[Tensor, "batch size size"]
) -> Float[Tensor, "batch 3 size size"]:
    """Turn grey images in `[0, 1]` into what the teacher of `entry` was trained on.

    With `intensity="minmax"` each view is first stretched to its own full range (a constant one becomes 0), its padding, which is
    0, with it; then grey is repeated to three channels and normalised with the entry's mean and standard deviation. No resizing
    happens here: a view is sampled from the source pixels at the teacher's own size.
    """
    grey = unit_images
    if entry.intensity == "minmax":
        low = grey.amin(dim=(1, 2), keepdim=True)
        extent = grey.amax(dim=(1, 2), keepdim=True) - low
        grey = (grey - low) / torch.where(extent > 0, extent, torch.ones_like(extent))
    return grey_to_channels(grey, entry.mean, entry.std)
