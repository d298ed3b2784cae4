"""One teacher's features of all samples, in fixed blocks, each whole or absent.

What makes a column is in `column.json`, written first and never changed: width, grid, the teacher's identity, how features are
kept. A coded column has a pilot next (`features/pilot.py`), whose codec is frozen in `codec.npz`. Block `b` is one shard, a file of
statistics and, written last, a marker.

Several processes may open and fill one column. Every file is written under a name of its own and renamed, so each is whole or
absent. Of two that write the same block with the same content, the last one wins and nothing is lost; other content than that of
a block that is there is refused. (Where two differ in the very same instant, one of them is told so, and `agglo store verify`
names the block.)
"""

import hashlib
import zipfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float16, Float32, Int8

from agglo.core.errors import StoreError
from agglo.core.files import fingerprint, read_json, sha256_of, write_atomic, write_json, write_json_once
from agglo.features.codec import Codec, Codes
from agglo.features.marker import is_marked, is_stale, read_marker
from agglo.features.moments import (
    Moments,
    load_mask,
    moments_of,
    reduce_in_order,
    require_finite,
    shows_picture,
)
from agglo.features.samples import Samples
from agglo.features.shards import BLOCK_SAMPLES, ShardReader, array_metadata, shard_bytes, shard_file
from agglo.features.spec import ColumnSpec


class Column:
    """One teacher's features of all samples of a store."""

    def __init__(self, folder: Path, samples: Samples, spec: ColumnSpec) -> None:
        """Take the column's folder; what is in it is looked up when it is asked for."""
        self.folder, self.samples, self.spec = folder, samples, spec
        self.dim, self.grid = spec.dim, spec.grid
        self.sample_shape = (spec.storage.width(spec.dim), *spec.grid)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the features that are read: the teacher's identity, and of a coded column how they are kept."""
        if not self.spec.storage.is_coded:
            return self.spec.identity
        return {**self.spec.to_json(), "codec_sha256": sha256_of(self.codec_file)}

    @property
    def codec_file(self) -> Path:
        """Where a coded column's frozen codec lies."""
        return self.folder / "codec.npz"

    @property
    def needs_pilot(self) -> bool:
        """Whether a codec must be fitted before a block can be written."""
        return self.spec.storage.is_coded and not self.codec_file.exists()

    @property
    def pilot_views(self) -> int | None:
        """Views of the train split that a coded column's codec is fitted to; None for all of them."""
        return self.spec.storage.pilot_views

    def freeze(self, moments: Moments, about: Mapping[str, Any]) -> None:
        """Fit the codec to the pilot's moments and freeze it; of several processes the first one wins.

        Raises:
            FeatureMismatch: the pilot's features do not vary.
        """
        codec = Codec.fit(moments, self.spec.storage)
        write_json(self.folder / "pilot.json", about)
        codec.save_once(self.codec_file)

    @cached_property
    def codec(self) -> Codec | None:
        """The frozen codec; None where features are kept as they are.

        Raises:
            StoreError: the pilot has not come to its end, or the file is damaged.
        """
        if self.needs_pilot:
            raise StoreError(
                f"the pilot of {self.folder.name} is not at its end, so it has no codec yet; run the extraction to its end first"
            )
        return Codec.load(self.codec_file) if self.spec.storage.is_coded else None

    @property
    def num_blocks(self) -> int:
        """Blocks in all; the last one may be shorter."""
        return -(-len(self.samples) // BLOCK_SAMPLES)

    def block_range(self, block: int) -> range:
        """Return the samples of `block`."""
        return range(block * BLOCK_SAMPLES, min(len(self.samples), (block + 1) * BLOCK_SAMPLES))

    def missing_blocks(self) -> list[int]:
        """Return the blocks that are not there yet, in order: without a marker, or with one that is not (or no longer) theirs.

        Raises:
            StoreError: a marker is damaged.
        """
        blocks = range(self.num_blocks)
        return [block for block in blocks if not self.marker_file(block).exists() or self._is_stale(block)]

    def write_block(
        self,
        block: int,
        features: Float16[np.ndarray, "samples dim h w"],
        coverage: Float[np.ndarray, "samples h w"],
        *,
        seconds: float = 0.0,
    ) -> None:
        """Write a block whole: features or their codes, then statistics, then the marker.

        Statistics are of the features that are given, whatever is kept of them.

        Args:
            block: its number.
            features: of its samples.
            coverage: how much of every cell shows the picture; statistics count what `shows_picture` of counted samples.
            seconds: what the block has cost; kept in the marker, so that the sum survives an interruption.

        Raises:
            StoreError: the shape is not the block's, float16 cannot hold a value, or the block is there with other content.
        """
        self._require_sound(block, features)
        is_picture = shows_picture(coverage)
        statistics = moments_of(self.samples, self.block_range(block), features, is_picture)
        codes, clipped = (features, 0.0) if self.codec is None else self.codec.encode(features)
        self.write_codes(block, codes, statistics, is_picture, {"seconds": seconds, "clipped": clipped})

    def write_codes(
        self,
        block: int,
        codes: Codes,
        statistics: Moments,
        is_picture: Bool[np.ndarray, "samples h w"] | None,
        facts: dict[str, float],
    ) -> None:
        """Write a block of what is kept on disk as it is; `facts` are `seconds`, and `clipped`, the share of clipped values.

        Raises:
            StoreError: the block is there with other content.
        """
        content = shard_bytes(codes, self.spec.storage.packing)
        sha256 = hashlib.sha256(content).hexdigest()
        if self._is_there(block, sha256):
            return
        write_atomic(self.shard_file(block), lambda temporary: _write_bytes(temporary, content))
        statistics.save(self.moments_file(block), is_picture=is_picture)
        marker: dict[str, Any] = {
            "samples": len(codes),
            "seconds": round(facts["seconds"], 3),
            "bytes": len(content),
            "sha256": sha256,
            "moments_sha256": sha256_of(self.moments_file(block)),
            "column": self.fingerprint,
        }
        if self.spec.storage.array_dtype == "int8":
            marker["clipped"] = facts["clipped"]
        if not write_json_once(self.marker_file(block), marker):
            self._is_there(block, sha256)

    @cached_property
    def fingerprint(self) -> str:
        """Of `column.json` and the codec: every block's marker has it, so that blocks of another column are known."""
        codec = sha256_of(self.codec_file) if self.spec.storage.is_coded else None
        return fingerprint([self.spec.to_json(), codec])

    def read(self, sample: int) -> Float16[np.ndarray, "codes h w"] | Int8[np.ndarray, "codes h w"]:
        """Return what is kept of one sample: features, or codes that `codec` or a normaliser made with it turns back.

        Raises:
            StoreError: its block is not there, or its checksum does not hold.
        """
        block = sample // BLOCK_SAMPLES
        if block not in self._whole_blocks:
            _ = self.codec  # what is lacking may be that
            raise StoreError(
                f"block {block} of {self.folder.name} is not extracted yet; run the extraction to its end first"
            )
        try:
            return self._reader.read(sample)
        except (StoreError, OSError) as problem:
            raise StoreError(
                f"sample {sample} of {self.folder.name} cannot be read ({problem}); "
                f"`agglo store prune {self.folder.parent.parent}` removes its block, then extract again"
            ) from problem

    def features(self, sample: int) -> Float32[np.ndarray, "dim h w"]:
        """Return one sample's features in float32, decoded where they are coded."""
        kept = self.read(sample)
        return kept.astype(np.float32) if self.codec is None else self.codec.decode(kept[None])[0]

    def is_picture(self, sample: int) -> Bool[np.ndarray, "h w"] | None:
        """Return which cells show the picture; None where the block was made before this was kept."""
        block, place = divmod(sample, BLOCK_SAMPLES)
        kept = load_mask(self.moments_file(block), (len(self.block_range(block)), *self.grid))
        return None if kept is None else kept[place]

    def moments(self) -> Moments:
        """Return the statistics of all counted samples, merged in block order."""
        missing = self.missing_blocks()
        if missing:
            raise StoreError(
                f"{len(missing)} of {self.num_blocks} blocks of {self.folder.name} are missing; extract first"
            )
        return reduce_in_order((self.block_moments(block) for block in range(self.num_blocks)), self.dim)

    def block_moments(self, block: int) -> Moments:
        """Return the statistics of one block.

        Raises:
            StoreError: the file is absent or damaged.
        """
        try:
            return Moments.load(self.moments_file(block))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as problem:
            raise StoreError(
                f"the statistics of block {block} of {self.folder.name} cannot be read ({problem}); "
                f"`agglo store prune {self.folder.parent.parent}` removes the block, then extract again"
            ) from problem

    @property
    def seconds(self) -> float:
        """What the pilot and all blocks that are there have cost."""
        markers = [self.marker_file(block) for block in sorted(self._whole_blocks)]
        pilot = self.folder / "pilot.json"
        own = read_json(pilot)["seconds"] if pilot.exists() else 0.0
        return float(own + sum(read_marker(file)["seconds"] for file in markers))

    def marker_file(self, block: int) -> Path:
        """Return where the marker of `block` lies; without it the block does not exist."""
        return self.folder / "blocks" / f"{block:06d}.json"

    def moments_file(self, block: int) -> Path:
        """Return where the statistics of `block` lie."""
        return self.folder / "moments" / f"{block:06d}.npz"

    def shard_file(self, block: int) -> Path:
        """Return where the features or codes of `block` lie."""
        return shard_file(self.folder / "features", block)

    def describe_array(self) -> None:
        """Write the array's `zarr.json`, which follows from the spec, unless it is there."""
        if not self._array_file.exists():
            self._describe_array(len(self.samples))

    @property
    def _array_file(self) -> Path:
        return self.folder / "features" / "zarr.json"

    def _describe_array(self, count: int) -> None:
        storage = self.spec.storage
        content = array_metadata((count, *self.sample_shape), storage.array_dtype, storage.packing)
        write_atomic(self._array_file, lambda temporary: _write_bytes(temporary, content))

    def grow(self, count: int) -> None:
        """Make room for `count` samples: a last block that is not full is given up, because more belongs into it."""
        if len(self.samples) % BLOCK_SAMPLES:
            self.marker_file(self.num_blocks - 1).unlink(missing_ok=True)
        self._describe_array(count)

    def _require_sound(self, block: int, features: Float16[np.ndarray, "samples dim h w"]) -> None:
        where = self.block_range(block)
        if features.shape != (len(where), self.dim, *self.grid):
            raise StoreError(
                f"block {block} of {self.folder.name} must be {(len(where), self.dim, *self.grid)}, got {features.shape}"
            )
        require_finite(features, where, self.folder.name)

    def _is_stale(self, block: int) -> bool:
        marker = read_marker(self.marker_file(block))  # codes without their codec mean nothing
        return self.needs_pilot or is_stale(marker, self.fingerprint, len(self.block_range(block)))

    def _is_there(self, block: int, sha256: str) -> bool:
        return is_marked(self.marker_file(block), sha256, self.fingerprint, len(self.block_range(block)))

    @cached_property
    def _whole_blocks(self) -> frozenset[int]:
        return frozenset(range(self.num_blocks)) - frozenset(self.missing_blocks())

    @cached_property
    def _reader(self) -> ShardReader:
        storage = self.spec.storage
        return ShardReader(self.folder / "features", self.sample_shape, storage.array_dtype, storage.packing)


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)
