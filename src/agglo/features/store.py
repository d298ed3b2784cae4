"""The feature store: one Zarr v3 column per teacher over the same samples, written in fixed blocks, each whole or absent.

A sample is one view of one frame. Block `b` of a column is one shard file with samples `64 b … 64 b + 63`, a file of statistics,
and, written last, a marker with the shard's SHA-256. A block without a marker does not exist and is done anew, so a kill at any
moment costs at most one block. Single samples inside a shard carry CRC-32C checksums that are verified on every read.

    store.json                      samples: dataset, frames, views per frame, view recipe, seed, which frames are counted
    columns/TEACHER/column.json     identity: weights, preprocessing, width, grid, dtype
    columns/TEACHER/features/       Zarr array [samples, dim, h, w]
    columns/TEACHER/moments/B.npz   statistics of the block's counted samples
    columns/TEACHER/blocks/B.json   the marker
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from jaxtyping import Float, Float16
from zarr.codecs import Crc32cCodec

from agglo.core.errors import StoreError
from agglo.core.files import read_json, sha256_of, write_json
from agglo.features.moments import Moments, reduce_in_order

FORMAT_VERSION = 1
BLOCK_SAMPLES = 64
SHOWS_PICTURE = 0.5


@dataclass(frozen=True)
class Samples:
    """Which views of which frames a store holds, in order; sample `s` is view `s % views_per_frame` of one frame.

    Attributes:
        dataset: fingerprint of the pixels, ids and polarity of all frames.
        frames: ids, in the order of the store.
        counted: for each frame, whether statistics count it (the train split).
        views_per_frame: view 0 is the whole frame where the recipe says so.
        view_recipe: ranges of the views, JSON-like.
        seed: of the views.
    """

    dataset: str
    frames: tuple[str, ...]
    counted: tuple[bool, ...]
    views_per_frame: int
    view_recipe: dict[str, Any]
    seed: int

    def __len__(self) -> int:
        return len(self.frames) * self.views_per_frame

    def locate(self, sample: int) -> tuple[int, int]:
        """Return the place of the sample's frame in `frames`, and its view number."""
        return divmod(sample, self.views_per_frame)


class FeatureStore:
    """A folder of columns over one list of samples."""

    def __init__(self, folder: Path, samples: Samples) -> None:
        self.folder, self.samples = folder, samples

    @staticmethod
    def create(folder: Path, samples: Samples) -> "FeatureStore":
        """Make a store, or open the one that is there if it holds exactly these samples.

        Raises:
            StoreError: the folder holds a store of other samples; nothing of it is touched.
        """
        path = folder / "store.json"
        if path.exists():
            store = FeatureStore.open(folder)
            differing = [key for key, value in asdict(samples).items() if asdict(store.samples)[key] != value]
            if differing:
                raise StoreError(
                    f"{folder} must hold the samples asked for, but its {', '.join(differing)} differ; "
                    "use another folder, or delete this one to extract anew"
                )
            return store
        write_json(path, {"format_version": FORMAT_VERSION, **asdict(samples)})
        return FeatureStore(folder, samples)

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
        content = read_json(path)
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
        return Column(folder, self.samples, read_json(folder / "column.json"))

    def add_column(
        self, teacher: str, *, dim: int, grid: tuple[int, int], identity: dict[str, Any]
    ) -> "Column":
        """Make an empty column, or open the one that is there if it is of the same identity.

        Raises:
            StoreError: a column of this name was made from other weights or with other preprocessing.
        """
        folder = self.folder / "columns" / teacher
        content = {"dim": dim, "grid": list(grid), "dtype": "float16", "identity": identity}
        if not (folder / "column.json").exists():
            _create_array(folder / "features", (len(self.samples), dim, *grid))
            write_json(folder / "column.json", content)
        found = read_json(folder / "column.json")
        if found != content:
            differing = sorted(key for key in content if found.get(key) != content[key])
            raise StoreError(
                f"column {teacher!r} of {self.folder} was made with another {', '.join(differing)}; "
                f"delete {folder} to extract it anew, or use another store"
            )
        return Column(folder, self.samples, content)


def _create_array(folder: Path, shape: tuple[int, ...]) -> None:
    zarr.create_array(
        store=str(folder),
        shape=shape,
        chunks=(1, *shape[1:]),
        shards=(BLOCK_SAMPLES, *shape[1:]),
        dtype="float16",
        compressors=[Crc32cCodec()],
        overwrite=True,
    )


class Column:
    """One teacher's features of all samples."""

    def __init__(self, folder: Path, samples: Samples, content: dict[str, Any]) -> None:
        self.folder, self.samples = folder, samples
        self.dim: int = content["dim"]
        self.grid: tuple[int, int] = (content["grid"][0], content["grid"][1])
        self.identity: dict[str, Any] = content["identity"]

    @property
    def num_blocks(self) -> int:
        """Blocks in all; the last one may be shorter."""
        return -(-len(self.samples) // BLOCK_SAMPLES)

    def block_range(self, block: int) -> range:
        """Return the samples of `block`."""
        return range(block * BLOCK_SAMPLES, min(len(self.samples), (block + 1) * BLOCK_SAMPLES))

    def missing_blocks(self) -> list[int]:
        """Return the blocks that are not there yet, in order."""
        return [block for block in range(self.num_blocks) if not self._marker(block).exists()]

    def write_block(
        self,
        block: int,
        features: Float16[np.ndarray, "samples dim h w"],
        coverage: Float[np.ndarray, "samples h w"],
        *,
        seconds: float = 0.0,
    ) -> None:
        """Write a block whole: features, then its statistics, then the marker.

        Args:
            block: its number.
            features: of its samples.
            coverage: how much of every cell shows the picture; statistics count cells of counted samples that do so by half.
            seconds: what the block has cost; kept in the marker, so that the sum survives an interruption.

        Raises:
            StoreError: the shape is not the block's, or float16 cannot hold a value.
        """
        where = self.block_range(block)
        if features.shape != (len(where), self.dim, *self.grid):
            raise StoreError(
                f"block {block} of {self.folder.name} must be {(len(where), self.dim, *self.grid)}, got {features.shape}"
            )
        if not np.isfinite(features).all():
            raise StoreError(
                f"features of {self.folder.name} must be finite in float16, but block {block} "
                f"(samples {where.start}-{where.stop - 1}) has infinities or NaN; check the teacher's weights and input range"
            )
        self._shard(block).unlink(missing_ok=True)  # a damaged shard would be read before it is written again
        self._array[where.start : where.stop] = features
        counted = np.array([self.samples.counted[self.samples.locate(sample)[0]] for sample in where])
        is_picture = (coverage >= SHOWS_PICTURE) & counted[:, None, None]
        tokens = np.moveaxis(features, 1, -1)[is_picture]
        Moments.of(tokens.astype(np.float32)).save(self._moments(block))
        marker = {
            "samples": len(where),
            "seconds": round(seconds, 3),
            "sha256": sha256_of(self._shard(block)),
        }
        write_json(self._marker(block), marker)

    def read(self, sample: int) -> Float16[np.ndarray, "dim h w"]:
        """Return one sample's features.

        Raises:
            StoreError: its block is not there, or its checksum does not hold.
        """
        block = sample // BLOCK_SAMPLES
        if block not in self._whole_blocks:
            raise StoreError(
                f"block {block} of {self.folder.name} is not extracted yet; run the extraction to its end first"
            )
        try:
            return np.asarray(self._array[sample])
        except (ValueError, OSError) as problem:
            raise StoreError(
                f"sample {sample} of {self.folder.name} cannot be read ({problem}); delete {self._marker(block)} and extract again"
            ) from problem

    def moments(self) -> Moments:
        """Return the statistics of all counted samples, merged in block order."""
        missing = self.missing_blocks()
        if missing:
            raise StoreError(
                f"{len(missing)} of {self.num_blocks} blocks of {self.folder.name} are missing; extract first"
            )
        return reduce_in_order(
            (Moments.load(self._moments(block)) for block in range(self.num_blocks)), self.dim
        )

    @property
    def seconds(self) -> float:
        """What all blocks that are there have cost."""
        return float(sum(read_json(self._marker(block))["seconds"] for block in self._whole_blocks))

    def verify(self) -> list[str]:
        """Return what is wrong: blocks that are missing, and blocks whose bytes are not those that were written."""
        problems = [f"{self.folder.name}: block {block} is missing" for block in self.missing_blocks()]
        for block in self._whole_blocks:
            shard = self._shard(block)
            if not shard.exists() or sha256_of(shard) != read_json(self._marker(block))["sha256"]:
                problems.append(f"{self.folder.name}: block {block} ({shard.name}) is damaged")
        return problems

    @cached_property
    def _whole_blocks(self) -> frozenset[int]:
        return frozenset(range(self.num_blocks)) - frozenset(self.missing_blocks())

    @cached_property
    def _array(self) -> Any:
        return zarr.open_array(str(self.folder / "features"), mode="r+")

    def _shard(self, block: int) -> Path:
        return self.folder / "features" / "c" / str(block) / "0" / "0" / "0"

    def _marker(self, block: int) -> Path:
        return self.folder / "blocks" / f"{block:06d}.json"

    def _moments(self, block: int) -> Path:
        return self.folder / "moments" / f"{block:06d}.npz"
