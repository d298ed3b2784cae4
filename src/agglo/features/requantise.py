"""A column kept otherwise, made from one that is there: smaller or plainer, and without the teacher.

The new column grows in `STORE/unfinished` and is moved into place once it is whole, so it is there whole or not at all, and the
same call goes on after a kill. Its codec is fitted to the statistics of the whole train split, which are there already; they go
with it unchanged. A coded column becomes another packing of the same codes at most: what has been rounded or left out cannot come
back, and kept plainer it would pass for what the teacher saw.
"""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from agglo.core.errors import StoreError
from agglo.core.files import fingerprint, read_json, write_json, write_json_once
from agglo.core.progress import Progress, silent
from agglo.features.codec import Codec, Storage
from agglo.features.column import Column
from agglo.features.marker import read_marker
from agglo.features.moments import load_mask
from agglo.features.spec import ColumnSpec
from agglo.features.store import FeatureStore
from agglo.features.verify import REPLACED, UNFINISHED

PRECISION = "precision.json"
LOOKED_AT = 64
"""Views by which a new column is compared with the one it was made from."""


@dataclass(frozen=True)
class Fidelity:
    """How near a column's features are to another's: cosines of single tokens, both centred by the train split's mean."""

    mean: float
    percentile_1: float


def requantise(
    store: FeatureStore, teacher: str, storage: Storage, *, name: str, progress: Progress = silent
) -> Column:
    """Make column `name` from column `teacher`, kept as `storage` says; done already, it is returned as it is.

    Raises:
        StoreError: the column is not whole, it is coded and other codes are asked for, there is another column of the new name, or
            one was begun from something else.
    """
    source = store.column(teacher)
    _require_codes_kept(source, storage)
    if source.missing_blocks():
        raise StoreError(
            f"column {teacher!r} of {store.folder} must be whole to be requantised, but {len(source.missing_blocks())} of "
            f"{source.num_blocks} blocks are missing; run the extraction to its end first"
        )
    views = None if source.codec is None else source.pilot_views  # of the codec that it has, or will have
    spec = ColumnSpec(source.dim, source.grid, source.spec.identity, replace(storage, pilot_views=views))
    final = store.folder / "columns" / name
    if (final / "column.json").exists():
        _require_same(final, spec, source)
        return store.column(name)
    column = _begun(store.folder / UNFINISHED / name, spec, source)
    missing = column.missing_blocks()
    for done, block in enumerate(missing):
        _copy_block(source, column, block)
        progress(done + 1, len(missing), name)
    column.folder.rename(final)
    _remove_if_empty(store.folder / UNFINISHED)
    return store.column(name)


def replace_column(store: FeatureStore, teacher: str, new: str) -> Column:
    """Put column `new` in the place of `teacher`, which is removed; killed in between, the same call goes on.

    Raises:
        StoreError: there is no column `new`.
    """
    columns, aside = store.folder / "columns", _aside(store, teacher)
    if not is_half_replaced(store, teacher):
        store.column(new)
        aside.parent.mkdir(exist_ok=True)
        (columns / teacher).rename(aside)
    if not (columns / teacher).exists():
        (columns / new).rename(columns / teacher)
    shutil.rmtree(aside)
    _remove_if_empty(store.folder / UNFINISHED)
    return store.column(teacher)


def is_half_replaced(store: FeatureStore, teacher: str) -> bool:
    """Return whether `replace_column` was killed half-way."""
    return _aside(store, teacher).exists()


def fidelity(column: Column, other: Column) -> Fidelity:
    """Return how near the features of `column` are to those of `other`, over some views of the train split."""
    mean = other.moments().mean.astype(np.float32)
    cosines = [
        token_cosines(column.features(sample), other.features(sample), mean)
        for sample in other.samples.spread(LOOKED_AT)
    ]
    together = np.concatenate(cosines)
    return Fidelity(float(together.mean()), float(np.percentile(together, 1)))


def token_cosines(
    first: Float[np.ndarray, "dim h w"], second: Float[np.ndarray, "dim h w"], mean: Float[np.ndarray, " dim"]
) -> Float[np.ndarray, " tokens"]:
    """Return the cosine of every token of two maps, both centred by `mean`; 0 where one is the mean itself."""
    one, two = (each.reshape(len(mean), -1).astype(np.float64) - mean[:, None] for each in (first, second))
    lengths = np.linalg.norm(one, axis=0) * np.linalg.norm(two, axis=0)
    return np.divide((one * two).sum(axis=0), lengths, out=np.zeros(one.shape[1]), where=lengths > 0)


def _require_codes_kept(source: Column, storage: Storage) -> None:
    own = source.spec.storage
    if source.codec is None or (own.array_dtype, own.pca) == (storage.array_dtype, storage.pca):
        return
    raise StoreError(
        f"column {source.folder.name!r} must be plain fp16 to be kept as {_words(storage)}, but is kept as {_words(own)}, and what "
        "that has lost does not come back; only its packing (int8, int8-zstd) can change. Extract it anew with the recipe's "
        "`store` as you want it"
    )


def _words(storage: Storage) -> str:
    return storage.dtype if storage.pca is None else f"{storage.dtype} of {storage.pca} codes"


def _begun(folder: Path, spec: ColumnSpec, source: Column) -> Column:
    column = Column(folder, source.samples, spec)
    write_json_once(folder / "made_from.json", {"column": source.fingerprint})
    write_json_once(folder / "column.json", spec.to_json())
    _require_same(folder, spec, source)
    column.describe_array()
    _take_along(source.folder / PRECISION, folder / PRECISION)
    if column.needs_pilot:
        codec = source.codec or Codec.fit(source.moments(), spec.storage)
        codec.save_once(column.codec_file)
    return column


def _take_along(file: Path, to: Path) -> None:
    """Copy a file, if there is one."""
    if file.exists():
        write_json(to, read_json(file))


def _require_same(folder: Path, spec: ColumnSpec, source: Column) -> None:
    made_from = folder / "made_from.json"
    origin = read_json(made_from)["column"] if made_from.exists() else None
    if read_json(folder / "column.json") != spec.to_json() or origin != source.fingerprint:
        raise StoreError(
            f"{folder} must be column {source.folder.name!r} kept as asked for, but it was made from something else or is kept "
            "otherwise; choose another name (`--name`), or remove it"
        )


def _copy_block(source: Column, column: Column, block: int) -> None:
    kept = np.stack([source.read(sample) for sample in source.block_range(block)])
    mask = load_mask(source.moments_file(block), (len(kept), *source.grid))
    told = read_marker(source.marker_file(block))
    facts = {name: float(told.get(name, 0.0)) for name in ("seconds", "clipped")}
    if source.codec is None and column.codec is not None:
        kept, facts["clipped"] = column.codec.encode(kept.astype(np.float32))
    column.write_codes(block, kept, source.block_moments(block), mask, facts)


def _aside(store: FeatureStore, teacher: str) -> Path:
    return store.folder / UNFINISHED / f"{fingerprint(teacher)}{REPLACED}"


def _remove_if_empty(folder: Path) -> None:
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()
