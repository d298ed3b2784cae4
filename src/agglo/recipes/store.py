"""`agglo store`: what a feature store holds, and whether it still holds what was written."""

from pathlib import Path
from typing import Any

from agglo.features import Column, FeatureStore


def store_info(folder: Path) -> dict[str, Any]:
    """Return `{frames, views_per_frame, columns: [{teacher, dim, grid, blocks, missing_blocks, megabytes}]}`.

    Raises:
        StoreError: there is no store in `folder`.
    """
    store = FeatureStore.open(folder)
    return {
        "frames": len(store.samples.frames),
        "views_per_frame": store.samples.views_per_frame,
        "columns": [_row(name, store.column(name)) for name in store.teachers],
    }


def store_problems(folder: Path) -> list[str]:
    """Read every byte of a store; return what is missing or damaged, one line each.

    Raises:
        StoreError: there is no store in `folder`.
    """
    store = FeatureStore.open(folder)
    return [line for name in store.teachers for line in store.column(name).verify()]


def _row(name: str, column: Column) -> dict[str, Any]:
    num_bytes = sum(file.stat().st_size for file in column.folder.rglob("*") if file.is_file())
    return {
        "teacher": name,
        "dim": column.dim,
        "grid": list(column.grid),
        "blocks": column.num_blocks,
        "missing_blocks": len(column.missing_blocks()),
        "megabytes": round(num_bytes / 1e6, 1),
    }
