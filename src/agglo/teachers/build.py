"""From a name to a frozen teacher, to a trainable encoder, or to a row of a table.

Architectures are imported only when one is built: they take seconds. Weights are loaded strictly or not at all; random weights
are given only to those who ask for them by name.
"""

import importlib
import logging
from pathlib import Path
from typing import Any, Literal

from torch import nn

from agglo.core.errors import ConfigError, WeightsError
from agglo.core.shapes import FeatureSpec
from agglo.teachers.catalogue import CATALOGUE, FROZEN_HASHES, TeacherEntry
from agglo.teachers.protocol import Family, Teacher
from agglo.teachers.weights import check_sha256, find_weights_file, load_strict, read_state

logger = logging.getLogger(__name__)

FAMILIES = {
    "sam2": "agglo.teachers.sam2",
    "dinov2": "agglo.teachers.dinov2",
    "medclip": "agglo.teachers.medclip",
}

Weights = Path | Literal["shipped", "random"] | None


def family_of(entry: TeacherEntry) -> Family:
    """Import and return the architecture of `entry`."""
    family: Family = importlib.import_module(FAMILIES[entry.family]).FAMILY
    return family


def entry_of(name: str) -> TeacherEntry:
    """Return the catalogue's entry `name`.

    Raises:
        ConfigError: if there is none.
    """
    if name not in CATALOGUE:
        raise ConfigError(
            f"a teacher must be one of {sorted(CATALOGUE)}, got {name!r}; see `agglo teachers`."
        )
    return CATALOGUE[name]


def build_encoder(entry: TeacherEntry) -> nn.Module:
    """Build the trainable network of `entry` with random weights from torch's global generator, in training mode.

    What `agglo lab train` trains; its state, saved with `weights.save_weights`, is what `build_teacher` loads.
    """
    return family_of(entry).build_encoder(entry.architecture).train()


def build_teacher(name: str, *, weights: Weights = None, input_px: int | None = None) -> Teacher:
    """Build the frozen teacher `name` of the catalogue.

    Args:
        name: in the catalogue.
        weights: a file or folder; `"shipped"`; `"random"` (torch's global generator; for tests and as a control); None means
            shipped where the catalogue ships them, and an error that says where to get them otherwise.
        input_px: side of the square input it will be given, if not the catalogue's.

    Raises:
        ConfigError: if name or input_px cannot be used.
        WeightsError: if the weights are absent, altered, or do not fit key by key.
    """
    return build_from_entry(entry_of(name), weights=weights, input_px=input_px)


def build_from_entry(entry: TeacherEntry, *, weights: Weights = None, input_px: int | None = None) -> Teacher:
    """Build the frozen teacher of `entry`, which need not be in the catalogue; see `build_teacher`."""
    spec = spec_of(entry, input_px=input_px)
    file = None if weights == "random" else _weights_file(entry, weights)
    family = family_of(entry)
    encoder = family.build_encoder(entry.architecture)
    if file is not None:
        load_strict(encoder, family.adapt(read_state(file)), where=f"{file} for teacher {entry.name}")
        logger.info("teacher %s: weights of %s", entry.name, file)
    return family.teacher(encoder, spec)


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
    return FeatureSpec(name=entry.name, dim=entry.dim, input_px=size_px, stride_px=entry.stride_px)


def _weights_file(entry: TeacherEntry, weights: Path | str | None) -> Path:
    """Return the checked weights file that `weights` means for `entry`."""
    if isinstance(weights, Path):
        file = find_weights_file(weights)
        if not entry.is_shipped and entry.pinned_sha256 is not None:
            check_sha256(file, entry.pinned_sha256)
        return file
    if not entry.is_shipped:
        raise WeightsError(
            f"teacher {entry.name} needs its weights, which Agglo does not ship: {entry.how_to_get}"
        )
    if not entry.shipped_path.is_file():
        raise WeightsError(
            f"teacher {entry.name} needs its shipped weights, but {entry.shipped_path} does not exist: {entry.how_to_get}"
        )
    if entry.pinned_sha256 is None:
        raise WeightsError(
            f"shipped weights must be frozen, but {FROZEN_HASHES} beside {entry.shipped_path} has no line for it: "
            f"{entry.how_to_get}"
        )
    check_sha256(entry.shipped_path, entry.pinned_sha256)
    return entry.shipped_path


def describe() -> list[dict[str, Any]]:
    """Return one JSON-like row per teacher: what it is, what it costs, whether its weights are here, how to get them."""
    return [
        {
            "name": entry.name,
            "family": entry.family,
            "parameters": entry.num_parameters,
            "dim": entry.dim,
            "grid": list(spec_of(entry).grid),
            "input_px": entry.input_px,
            "mean": list(entry.mean),
            "std": list(entry.std),
            "intensity": entry.intensity,
            "licence": entry.licence,
            "source": entry.source,
            "labels_seen": entry.labels_seen,
            "has_weights": entry.is_shipped and entry.shipped_path.is_file(),
            "how_to_get": entry.how_to_get,
        }
        for entry in CATALOGUE.values()
    ]
