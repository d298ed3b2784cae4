"""Teachers of a recipe: what is known of them, what decides what they see, what they lack, and what they may restrict."""

import logging
from pathlib import Path

from agglo.config.schema import Recipe, TeacherConfig
from agglo.core.files import sha256_of
from agglo.core.hub import may_ask_hub
from agglo.teachers import TeacherEntry, build_from_entry, entry_of
from agglo.teachers.custom import with_weights
from agglo.teachers.finding import expected_file, is_present
from agglo.teachers.reading import find_weights_file
from agglo.teachers.weights import state_sha256

_log = logging.getLogger(__name__)


def teacher_entry(config: TeacherConfig) -> TeacherEntry:
    """Return what is known of a teacher of a recipe, giving the map that the recipe asks for.

    Raises:
        ConfigError: there is no such teacher, or it has no such map.
    """
    return entry_of(config.name, map_name=config.map)


def entry_as_given(config: TeacherConfig) -> TeacherEntry:
    """Return the same with licence, restriction and labels of the weights that the recipe gives, where they depend on these."""
    entry = teacher_entry(config)
    if config.weights is None or not config.weights.exists():
        return entry
    return with_weights(entry, find_weights_file(config.weights))


def terms_of(config: TeacherConfig) -> dict[str, str | None]:
    """Return what a student of a teacher must remember of it: `licence`, `restriction`, `labels_seen`."""
    entry = entry_as_given(config)
    return {
        "licence": entry.licence,
        "restriction": entry.restriction,
        "labels_seen": entry.labels_seen,
    }


def weights_file(config: TeacherConfig) -> Path:
    """Return the file that a teacher's weights come from, which need not exist."""
    return (
        expected_file(teacher_entry(config)) if config.weights is None else find_weights_file(config.weights)
    )


def weights_sha256(config: TeacherConfig) -> str | None:
    """Return the SHA-256 of a teacher's weights: of their file, of the network where it needs none; None where they are absent."""
    entry = teacher_entry(config)
    if config.weights is None and not entry.needs_file:
        return state_sha256(build_from_entry(entry).encoder)
    file = weights_file(config)
    return sha256_of(file) if file.is_file() else None


def own_identity(entry: TeacherEntry) -> dict[str, object]:
    """Return what else decides what a teacher sees: which map, if not the usual one, and what a recipe's own is built from.

    Of the catalogue's usual maps nothing: stores made before there was a choice stay valid.
    """
    chosen: dict[str, object] = {} if entry.has_usual_map else {"map": entry.map}
    built_from = {
        key: value for key, value in entry.architecture.items() if key != "folder"
    }  # wherever it lies
    return {**chosen, "architecture": built_from} if entry.is_custom else chosen


def own_precision(config: TeacherConfig) -> dict[str, object]:
    """Return in what precision a teacher looks, where that is not the usual one, and so decides what it sees."""
    return {} if config.precision == "fp32" else {"precision": config.precision}


def missing_weights(teacher: TeacherConfig) -> str | None:
    """Return what a teacher lacks and how to get it; None where its weights are here."""
    entry = teacher_entry(teacher)
    if teacher.weights is None and not is_present(entry) and not (entry.hub is not None and may_ask_hub()):
        return f"{teacher.key} needs its weights: {entry.how_to_get}"
    if teacher.weights is not None and not teacher.weights.exists():
        return f"{teacher.key} must find its weights at {teacher.weights}, but they are absent"
    return None


def warn_of_restrictions(recipe: Recipe) -> None:
    """Say once, before anything is done, which teachers may bind whoever uses or passes on the student."""
    for teacher in recipe.teachers:
        entry = entry_as_given(teacher)
        if entry.is_restrictive:
            _log.warning(
                "teacher %s may restrict its student: %s (licence: %s)",
                teacher.key,
                entry.restriction,
                entry.licence,
            )
