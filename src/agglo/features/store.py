"""The feature store: one Zarr v3 column per teacher over the same samples, written in fixed blocks, each whole or absent.

A sample is one view of one frame. Block `b` of a column is one shard file with samples `64 b … 64 b + 63`, a file of statistics,
and, written last, a marker with the SHA-256 of both. A block without a marker does not exist and is done anew, so a kill at any
moment costs the blocks under way at most. Single samples inside a shard carry CRC-32C checksums that are verified on every read.

    store.json                      samples: dataset, frames, views per frame, view recipe, seed, which frames are counted
    columns/TEACHER/column.json     identity: weights, preprocessing, width, grid, how features are kept
    columns/TEACHER/codec.npz       of coded columns: mean, rotation and scale, fitted to the pilot, then frozen
    columns/TEACHER/pilot.json      of coded columns: what the pilot looked at, and what it has cost
    columns/TEACHER/features/       Zarr array [samples, codes, h, w]
    columns/TEACHER/moments/B.npz   statistics of the block's counted samples, and which cells show the picture
    columns/TEACHER/blocks/B.json   the marker

Frames that join later, of further datasets and after those that are there, make a store grow: what is whole stays, but for a last
block with room in it, which is made anew.

Several processes may create, open and fill one store at once: whoever comes first writes what makes the store and its columns, the
others compare, and refuse what differs (`features/column.py` says what holds for blocks).
"""

import logging
from pathlib import Path
from typing import Any

from agglo.core.errors import StoreError
from agglo.core.files import read_json, write_json, write_json_once
from agglo.core.locks import locked
from agglo.features.codec import Storage
from agglo.features.column import Column
from agglo.features.samples import Samples
from agglo.features.spec import ColumnSpec

_log = logging.getLogger(__name__)
FORMAT_VERSION = 1


class FeatureStore:
    """A folder of columns over one list of samples."""

    def __init__(self, folder: Path, samples: Samples) -> None:
        self.folder, self.samples = folder, samples

    @staticmethod
    def create(folder: Path, samples: Samples) -> "FeatureStore":
        """Make a store, or open the one that is there if it holds exactly these samples; let it grow if it holds the first of them.

        Two processes may do so at once: the first one writes, the other compares.

        Raises:
            StoreError: the folder holds a store of other samples; nothing of it is touched.
        """
        write_json_once(folder / "store.json", {"format_version": FORMAT_VERSION, **samples.to_json()})
        store = FeatureStore.open(folder)
        if samples.goes_on_from(store.samples):
            with locked(folder / ".grow.lock", on_wait=_wait_to_grow):
                store = FeatureStore.open(folder)
                if samples.goes_on_from(store.samples):
                    return store._grown(samples)
        own, asked = store.samples.to_json(), samples.to_json()
        differing = [key for key, value in asked.items() if own[key] != value]
        if differing:
            raise StoreError(
                f"{folder} must hold the samples asked for, but its {', '.join(differing)} differ (it has {len(own['frames'])} "
                f"frames, and {len(asked['frames'])} are asked for; only frames of further `data.unlabelled` can join, at its "
                "end); use another folder, or delete this one to extract anew"
            )
        return store

    def _grown(self, samples: Samples) -> "FeatureStore":
        """Make room for more samples; killed at any moment, the same call goes on."""
        for name in self.teachers:
            self.column(name).grow(len(samples))
        write_json(self.folder / "store.json", {"format_version": FORMAT_VERSION, **samples.to_json()})
        _log.info("%s: grown from %d to %d views", self.folder, len(self.samples), len(samples))
        return FeatureStore.open(self.folder)

    @staticmethod
    def exists(folder: Path) -> bool:
        """Return whether there is a store in `folder`."""
        return (folder / "store.json").exists()

    @staticmethod
    def open(folder: Path) -> "FeatureStore":
        """Open a store that exists.

        Raises:
            StoreError: there is none, or its format is unknown.
        """
        path = folder / "store.json"
        if not path.exists():
            raise StoreError(
                f"{folder} must be a feature store, but has no store.json; make one with `agglo extract RECIPE`"
            )
        content = _read(path)
        version = content.pop("format_version", None)
        if version != FORMAT_VERSION:
            raise StoreError(
                f"{path} has format {version}, this version of Agglo reads {FORMAT_VERSION}; extract anew"
            )
        content["frames"], content["counted"] = tuple(content["frames"]), tuple(content["counted"])
        return FeatureStore(folder, Samples(**content))

    @property
    def teachers(self) -> tuple[str, ...]:
        """Names of the columns, complete or not."""
        return tuple(sorted(path.parent.name for path in self.folder.glob("columns/*/column.json")))

    def column(self, teacher: str) -> "Column":
        """Open a column.

        Raises:
            StoreError: there is none of this name.
        """
        folder = self.folder / "columns" / teacher
        if not (folder / "column.json").exists():
            known = ", ".join(self.teachers) or "none"
            raise StoreError(
                f"{self.folder} has no column {teacher!r} (there are: {known}); run `agglo extract RECIPE` first"
            )
        return Column(folder, self.samples, ColumnSpec.of_json(_read(folder / "column.json")))

    def add_column(
        self,
        teacher: str,
        *,
        dim: int,
        grid: tuple[int, int],
        identity: dict[str, Any],
        storage: Storage | None = None,
    ) -> Column:
        """Make an empty column, or open the one that is there if it is of the same identity, kept in the same way.

        Two processes may do so at once: the first one writes, the other compares. A coded column (`storage`, plain fp16 by
        default) needs a pilot before its first block.

        Raises:
            StoreError: a column of this name was made from other weights, with other preprocessing, or is kept otherwise.
        """
        spec = ColumnSpec(dim, grid, identity, storage or Storage())
        write_json_once(self.folder / "columns" / teacher / "column.json", spec.to_json())
        column = self.column(teacher)
        differing = column.spec.differences(spec, is_frozen=not column.needs_pilot)
        if differing:
            raise StoreError(
                f"column {teacher!r} of {self.folder} was made with another {', '.join(differing)}; "
                f"`agglo store prune {self.folder} --column {teacher}` removes it, to extract it anew, or use another store"
            )
        column.describe_array()
        return column


def _wait_to_grow(holder: str) -> None:
    _log.info("%s lets the store grow; waiting", holder)


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = read_json(path)
    except ValueError as problem:
        raise StoreError(
            f"{path} must be JSON as Agglo writes it, but cannot be read ({problem}); nothing beside it can be trusted without it: "
            f"put it back from a copy, or delete {path.parent} and extract anew"
        ) from problem
    return content
