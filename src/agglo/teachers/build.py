"""From a name to a frozen teacher, to a trainable encoder, or to a row of a table.

Architectures are imported only when one is built: they take seconds. Weights are loaded strictly or not at all; random weights
are given only to those who ask for them by name.
"""

import importlib
import json
import logging
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from agglo.core.errors import ConfigError, WeightsError
from agglo.core.shapes import FeatureSpec
from agglo.teachers.catalogue import CATALOGUE
from agglo.teachers.checking import require_sound
from agglo.teachers.custom import KINDS, custom_entry, is_custom
from agglo.teachers.entry import TeacherEntry
from agglo.teachers.finding import is_present, locate
from agglo.teachers.layout import Loaded, load_published, problems_of
from agglo.teachers.protocol import Family, Teacher

logger = logging.getLogger(__name__)

FAMILIES = {
    "sam2": "agglo.teachers.sam2",
    "dinov2": "agglo.teachers.dinov2",
    "medclip": "agglo.teachers.medclip",
    "resnet": "agglo.teachers.resnet",
    "clip": "agglo.teachers.clip",
    "sam": "agglo.teachers.sam",
    **KINDS,
}

Weights = Path | Literal["shipped", "random"] | None


def family_of(entry: TeacherEntry) -> Family:
    """Import and return the architecture of `entry`."""
    family: Family = importlib.import_module(FAMILIES[entry.family]).FAMILY
    return family


def entry_of(name: str, *, map_name: str | None = None) -> TeacherEntry:
    """Return the catalogue's entry `name`, or that of a teacher that a recipe brings, giving the map `map_name` or its usual one.

    Raises:
        ConfigError: if there is none, or it has no such map.
    """
    if is_custom(name):
        return custom_entry(name).with_map(map_name)
    if name not in CATALOGUE:
        raise ConfigError(
            f"a teacher must be one of {sorted(CATALOGUE)}, got {name!r}; see `agglo teachers`, or bring your own as "
            "timm:NAME, hf:NAME_OR_FOLDER or python:MODULE:CALLABLE."
        )
    return CATALOGUE[name].with_map(map_name)


def build_encoder(entry: TeacherEntry) -> nn.Module:
    """Build the trainable network of `entry` with random weights from torch's global generator, in training mode.

    What `agglo lab train` trains; its state, saved with `weights.save_weights`, is what `build_teacher` loads.
    """
    return family_of(entry).build_encoder(entry.architecture).train()


def build_teacher(
    name: str, *, weights: Weights = None, input_px: int | None = None, map_name: str | None = None
) -> Teacher:
    """Build the frozen teacher `name` of the catalogue.

    Args:
        name: in the catalogue.
        weights: a file or folder; `"shipped"`; `"random"` (torch's global generator; for tests and as a control); None means
            shipped where the catalogue ships them, the hub's file where that is on hand or may be fetched, and an error that
            says where to get them otherwise.
        input_px: side of the square input it will be given, if not the catalogue's.
        map_name: which of its maps it gives, if not the usual one.

    Raises:
        ConfigError: if name, input_px or map_name cannot be used.
        WeightsError: if the weights are absent, altered, or do not fit key by key.
        FeatureMismatch: if a teacher that a recipe brings lacks what every teacher must keep.
    """
    return build_from_entry(entry_of(name, map_name=map_name), weights=weights, input_px=input_px)


def build_from_entry(entry: TeacherEntry, *, weights: Weights = None, input_px: int | None = None) -> Teacher:
    """Build the frozen teacher of `entry`, which need not be in the catalogue; see `build_teacher`."""
    spec = spec_of(entry, input_px=input_px)
    file = locate(entry, weights)
    family = family_of(entry)
    if family.loads_itself:
        encoder, loaded = family.build_encoder({**entry.architecture, "weights": file}), None
    else:
        encoder = family.build_encoder(entry.architecture)
        loaded = None if file is None else _load(encoder, entry, family, file)
    teacher = family.teacher(encoder, spec, entry.map)
    teacher.loaded = loaded
    if entry.is_custom:
        require_sound(teacher)
    return teacher


def _load(encoder: nn.Module, entry: TeacherEntry, family: Family, file: Path) -> Loaded:
    """Fill an encoder from a file and log what became of its keys; a file of another entry is called by that entry's name."""
    state = family.read(file)
    where = f"{file} for teacher {entry.name}"
    problems = problems_of(state, family.layout, encoder)
    fitting = [name for name, other in CATALOGUE.items() if _fits(state, other, entry)] if problems else []
    if fitting:
        raise WeightsError(
            f"weights of teacher {entry.name} must be of its architecture, but {file} holds that of {' or '.join(fitting)}; "
            "name that teacher, or give another file."
        )
    if problems:
        raise WeightsError(
            f"weights must fit the model key by key; {where} does not: {'; '.join(problems)}. "
            "Check that the file belongs to this entry of the catalogue."
        )
    is_pinned = entry.pinned_sha256 is not None and (not entry.is_shipped or file == entry.shipped_path)
    loaded = load_published(encoder, state, family.layout, where=where, is_pinned=is_pinned)
    logger.info("teacher %s: %s", entry.name, loaded.in_words())
    return loaded


def _fits(state: dict[str, Tensor], other: TeacherEntry, asked: TeacherEntry) -> bool:
    """Return whether a file that does not fit `asked` would fit `other`."""
    if (other.family, other.architecture) == (asked.family, asked.architecture):
        return False
    skeleton = _skeleton(other.family, json.dumps(dict(other.architecture)))
    return not problems_of(state, family_of(other).layout, skeleton)


@lru_cache(maxsize=64)
def _skeleton(family: str, architecture: str) -> nn.Module:
    """Return a network without numbers: names and shapes alone."""
    with torch.device("meta"):
        return importlib.import_module(FAMILIES[family]).FAMILY.build_encoder(json.loads(architecture))


def spec_of(entry: TeacherEntry, *, input_px: int | None = None) -> FeatureSpec:
    """Return what the map of `entry` is at `input_px`, or at the catalogue's input.

    Raises:
        ConfigError: if `input_px` does not fit the architecture.
    """
    size_px = entry.input_px if input_px is None else input_px
    if size_px <= 0 or size_px % entry.input_multiple_px:
        raise ConfigError(
            f"input_px of teacher {entry.name} must be a positive multiple of {entry.input_multiple_px}, got {size_px}."
        )
    return FeatureSpec(entry.name, entry.dim, size_px, entry.stride_px, entry.summary_dim)


def describe() -> list[dict[str, Any]]:
    """Return one JSON-like row per teacher: what it is, what it costs, whether its weights are here, how to get them."""
    return [
        {
            "name": entry.name,
            "family": entry.family,
            "parameters": entry.num_parameters,
            "dim": entry.dim,
            "summary_dim": entry.summary_dim,
            "maps": {name: choice.what for name, choice in entry.maps.items()},
            "grid": list(spec_of(entry).grid),
            "input_px": entry.input_px,
            "mean": list(entry.mean),
            "std": list(entry.std),
            "intensity": entry.intensity,
            "licence": entry.licence,
            "restriction": entry.restriction,
            "source": entry.source,
            "labels_seen": entry.labels_seen,
            "has_weights": is_present(entry),
            "sha256": entry.pinned_sha256,
            "revision": entry.hub.revision if entry.hub else None,
            "how_to_get": entry.how_to_get,
        }
        for entry in CATALOGUE.values()
    ]
