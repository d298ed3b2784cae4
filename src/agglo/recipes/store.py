"""`agglo store`: what a feature store holds, whether it still holds what was written, and how to mend or shrink it."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from agglo.config.schema import Recipe
from agglo.core.errors import ConfigError, StoreError
from agglo.core.files import read_json
from agglo.core.progress import Progress, silent
from agglo.evaluate.similarity import Spectrum
from agglo.features import Column, FeatureStore, Storage
from agglo.features.codec import Dtype
from agglo.features.marker import read_marker
from agglo.features.online import OnlineColumn
from agglo.features.precision import agreement_in
from agglo.features.requantise import fidelity, is_half_replaced, replace_column, requantise
from agglo.features.verify import Problem, drop_column, prune, verify
from agglo.recipes import build
from agglo.recipes.distil_parts import summary_names
from agglo.recipes.summaries import summary_identity

_log = logging.getLogger(__name__)


def store_info(folder: Path) -> dict[str, Any]:
    """Return `{frames, views_per_frame, columns: [{teacher, dim, grid, dtype, codes, blocks, missing_blocks, megabytes, …}],
    online}`.

    Columns of teachers that looked in bfloat16 have `precision`: how near that came to float32. `online` lists teachers that look
    at each batch anew.

    Whole columns also have `spectrum`: effective rank, components that hold 90 and 99 % of the variance, total variance, and the
    share of the mean square that the mean token alone makes up.

    Raises:
        StoreError: there is no store in `folder`.
    """
    store = FeatureStore.open(folder)
    return {
        "frames": len(store.samples.frames),
        "views_per_frame": store.samples.views_per_frame,
        "columns": [_row(name, store.column(name)) for name in store.teachers],
        "online": [_online_row(store, name) for name in OnlineColumn.names(folder)],
    }


def store_problems(folder: Path, recipe: Recipe | None = None) -> list[Problem]:
    """Read every byte of a store; return what is missing, damaged, foreign or left over, each by name.

    With a `recipe`, also columns that its teachers, as they are now, would not have made.

    Raises:
        StoreError: there is no store in `folder`.
    """
    store = FeatureStore.open(folder)
    strangers = [] if recipe is None else [_against_recipe(store, *asked) for asked in _asked_of(recipe)]
    return [problem for problem in strangers if problem is not None] + verify(store)


def prune_store(folder: Path, column: str | None = None) -> dict[str, Any]:
    """Remove what does not hold, or one whole column; return `{removed: [line, …], freed_bytes}`.

    Raises:
        StoreError: there is no store in `folder`, or no such column.
    """
    store = FeatureStore.open(folder)
    if column is not None:
        return {"removed": [f"{column}: the whole column"], "freed_bytes": drop_column(store, column)}
    gone, freed = prune(store)
    return {"removed": [str(problem) for problem in gone], "freed_bytes": freed}


def requantise_store(
    folder: Path,
    teachers: Sequence[str],
    storage: Storage,
    *,
    name: str | None = None,
    is_replacing: bool = False,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Make columns kept as `storage` says from those of `teachers` (all by default); return, for each, name, bytes and fidelity.

    Columns that are kept so already are left as they are.

    Raises:
        ConfigError: a name is asked for several columns at once, or for one that is to be replaced.
        StoreError: there is no store in `folder`, or a column is not whole.
    """
    store = FeatureStore.open(folder)
    chosen = list(teachers or store.teachers)
    if name is not None and (len(chosen) > 1 or is_replacing):
        raise ConfigError(
            "`--name` names one new column beside the old one: give one `--column`, and no `--replace`"
        )
    made = []
    for teacher in chosen:
        new = name or f"{teacher}-{storage.dtype}{f'-pca{storage.pca}' if storage.pca else ''}"
        made.append(_requantised(store, teacher, storage, new, is_replacing, progress))
    return made


def storage_of(dtype: str, pca: int | None) -> Storage:
    """Return how features are to be kept.

    Raises:
        ConfigError: there is no such dtype, or fewer than one code is asked for.
    """
    if dtype not in get_args(Dtype):
        raise ConfigError(f"`--dtype` must be one of {', '.join(get_args(Dtype))}, got {dtype!r}")
    if pca is not None and pca < 1:
        raise ConfigError(f"`--pca` must be a number of codes of at least 1, got {pca}")
    return Storage(dtype, pca)  # type: ignore[arg-type]


def _requantised(
    store: FeatureStore, teacher: str, storage: Storage, new: str, is_replacing: bool, progress: Progress
) -> dict[str, Any]:
    found: dict[str, Any] = {"from": teacher, "column": teacher if is_replacing else new}
    is_half_done = is_replacing and is_half_replaced(store, teacher)
    if not is_half_done and teacher in store.teachers and _is_kept_as(store.column(teacher), storage):
        return {"from": teacher, "column": teacher, "megabytes": _megabytes(store.column(teacher))}
    if not is_half_done:
        source = store.column(teacher)
        column = requantise(store, teacher, storage, name=new, progress=progress)
        near = fidelity(column, source)
        found |= {"cosine_mean": round(near.mean, 6), "cosine_percentile_1": round(near.percentile_1, 6)}
        found |= {"megabytes_before": _megabytes(source), "megabytes": _megabytes(column)}
    if is_replacing:
        found["megabytes"] = _megabytes(replace_column(store, teacher, new))
    return found


def _is_kept_as(column: Column, storage: Storage) -> bool:
    return column.spec.storage.dtype == storage.dtype and column.sample_shape[0] == storage.width(column.dim)


def _asked_of(recipe: Recipe) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of every column of a recipe, and of what identity it must be."""
    summaries = summary_names(recipe)
    for teacher in recipe.teachers:
        identity = build.teacher_identity(teacher)
        if not recipe.is_online(teacher):
            yield teacher.key, identity
        if teacher.key in summaries:
            yield summaries[teacher.key], summary_identity(identity)


def _against_recipe(store: FeatureStore, name: str, asked: Mapping[str, Any]) -> Problem | None:
    if name not in store.teachers:
        return Problem("missing", name, None, "the recipe's teacher has no column")
    found = store.column(name).spec.identity
    differing = {key for key in found.keys() | asked.keys() if found.get(key) != asked.get(key)}
    if asked.get("weights_sha256") is None and "weights_sha256" in differing:
        _log.warning(
            "%s: whether it is of the recipe's weights cannot be told, because these are not here", name
        )
        differing.remove("weights_sha256")
    if not differing:
        return None
    text = f"is a foreign teacher's: made with another {', '.join(sorted(differing))} than the recipe's"
    return Problem("foreign", name, None, text)


def _row(name: str, column: Column) -> dict[str, Any]:
    row: dict[str, Any] = {
        "teacher": name,
        "dim": column.dim,
        "grid": list(column.grid),
        "dtype": column.spec.storage.dtype,
        "codes": column.sample_shape[0],
        "blocks": column.num_blocks,
        "missing_blocks": len(column.missing_blocks()),
        "megabytes": _megabytes(column),
    }
    if column.spec.storage.is_coded and not column.needs_pilot:
        row |= _coding(column)
    if precision := agreement_in(column.folder):
        row["precision"] = precision
    if not row["missing_blocks"]:
        row["spectrum"] = Spectrum.of(column.moments().covariance, column.moments().mean).to_json()
    return row


def _online_row(store: FeatureStore, name: str) -> dict[str, Any]:
    column = OnlineColumn.open(store.folder, store.samples, name)
    row: dict[str, Any] = {"teacher": name, "dim": column.dim, "needs_pilot": column.needs_pilot}
    if precision := agreement_in(column.folder):
        row["precision"] = precision
    if not column.needs_pilot:
        row |= read_json(column.folder / "pilot.json")
        row["spectrum"] = Spectrum.of(column.moments().covariance, column.moments().mean).to_json()
    return row


def _coding(column: Column) -> dict[str, Any]:
    """Return what coding has cost: the basis, the share of variance kept, and of values clipped, in the mean and the worst
    block."""
    codec = column.codec
    assert codec is not None
    markers = [read_marker(file) for file in sorted(column.folder.glob("blocks/*.json"))]
    clipped = [marker["clipped"] for marker in markers if "clipped" in marker]
    return {
        "basis": codec.basis,
        "energy": round(codec.energy, 6),
        "clipped_mean": float(np.mean(clipped)) if clipped else 0.0,
        "clipped_worst_block": max(clipped, default=0.0),
    }


def _megabytes(column: Column) -> float:
    """Return the size of a column's files.

    Raises:
        StoreError: another process removes the column at this moment.
    """
    try:
        num_bytes = sum(file.stat().st_size for file in column.folder.rglob("*") if file.is_file())
    except FileNotFoundError as problem:
        raise StoreError(f"{column.folder} is being changed by another process; try again") from problem
    return round(num_bytes / 1e6, 1)
