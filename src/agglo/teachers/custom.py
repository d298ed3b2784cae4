"""Teachers that a recipe brings: `timm:NAME`, `hf:NAME_OR_FOLDER`, `python:MODULE:CALLABLE` in place of a name of the catalogue.

Each gets an entry of the same kind as the catalogue's, and whatever it is built from is checked when it is built (`checking`).
How the three are built is `from_timm`, `from_transformers` and `from_python`.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from agglo.core.errors import ConfigError
from agglo.core.shapes import FeatureSpec, TeacherFeatures
from agglo.teachers.entries import IMAGENET_MEAN, IMAGENET_STD
from agglo.teachers.entry import TeacherEntry
from agglo.teachers.layout import Layout
from agglo.teachers.protocol import Family, Teacher

KINDS = {
    "timm": "agglo.teachers.from_timm",
    "hf": "agglo.teachers.from_transformers",
    "python": "agglo.teachers.from_python",
}

HEADS = ("head*", "fc.*", "classifier*", "pooler.*", "lm_head.*", "decoder.*")
NOT_STATED = "not stated: a teacher of your own"


@dataclass(frozen=True)
class OwnTeacher:
    """What a callable named by `python:MODULE:CALLABLE` returns: a network and the facts that no one else can know.

    Attributes:
        network: `[batch, 3, rows, cols]` -> `[batch, dim, rows / stride_px, cols / stride_px]`, or that and `[batch, summary_dim]`.
        dim: channels of its map.
        stride_px: input pixels per cell of its map.
        input_px: side of the square input it is meant for.
        mean, std: per channel, for images in `[0, 1]`.
        intensity: `minmax` stretches each image to its own full range first.
        summary_dim: width of its summary; None where it has none.
        licence, labels_seen, restriction: as in an entry of the catalogue, of the weights that the callable was given.
    """

    network: nn.Module
    dim: int
    stride_px: int
    input_px: int
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    intensity: Literal["as_is", "minmax"] = "as_is"
    summary_dim: int | None = None
    licence: str = NOT_STATED
    labels_seen: str = NOT_STATED
    restriction: str | None = None


@final
class CustomTeacher(Teacher):
    """Whatever a network gives: a map, or a map and a summary."""

    @torch.no_grad()
    def look(self, images: Float[Tensor, "batch 3 rows cols"]) -> TeacherFeatures:
        """Return what the network gives for `images`."""
        seen = self.encoder(images)
        return TeacherFeatures(*seen) if isinstance(seen, tuple) else TeacherFeatures(seen)


def is_custom(name: str) -> bool:
    """Return whether `name` is of a teacher that a recipe brings."""
    return name.partition(":")[0] in KINDS and ":" in name


def with_weights(entry: TeacherEntry, weights: Path) -> TeacherEntry:
    """Return the entry of a `python:` teacher with the licence, restriction and labels that its callable states for a file.

    Of other kinds, and where there is no such file, the entry as it is: without a file a callable speaks of no weights at all.
    """
    if entry.family != "python" or not weights.exists():
        return entry
    name = entry.name.partition(":")[2]
    terms: Mapping[str, Any] = importlib.import_module(KINDS["python"]).terms(
        name, weights, weights.stat().st_mtime_ns
    )
    return replace(entry, **terms)


@lru_cache(maxsize=16)
def custom_entry(name: str) -> TeacherEntry:
    """Return the entry of a teacher that a recipe brings.

    Raises:
        ConfigError: there is nothing of that name, or it has no dense map.
    """
    kind, _, rest = name.partition(":")
    if not rest:
        raise ConfigError(f"a teacher {kind}: must name something, as `{kind}:NAME`, got {name!r}.")
    make: Callable[[str], TeacherEntry] = importlib.import_module(KINDS[kind]).entry
    return make(rest)


def own_entry(name: str, **facts: Any) -> TeacherEntry:
    """Return an entry with what holds for all teachers that a recipe brings."""
    common: dict[str, Any] = {
        "name": name,
        "family": name.partition(":")[0],
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "intensity": "as_is",
        "num_parameters": 0,
        "licence": NOT_STATED,
        "labels_seen": NOT_STATED,
        "source": name,
        "weights_file": "a weights file",
        "is_shipped": False,
        "sha256": None,
        "is_custom": True,
    }
    return TeacherEntry(**{**common, "input_multiple_px": facts["stride_px"], **facts})


def wrap(encoder: nn.Module, spec: FeatureSpec, map_name: str) -> Teacher:
    """Return the frozen teacher of a network that someone else made."""
    return CustomTeacher(encoder, spec)


def family(build_encoder: Callable[..., nn.Module], *, inner: str = "", **more: Any) -> Family:
    """Return the family of a kind; `inner` is the attribute under which the network keeps the model that files are of."""
    renames = ((r"^", f"{inner}."),) if inner else ()
    dropped = {
        f"{inner}.{head}": "a head or a pooling layer, which is no part of a dense map" for head in HEADS
    }
    return Family(build_encoder=build_encoder, teacher=wrap, layout=Layout(renames, dropped=dropped), **more)
