"""A column's array on disk: Zarr v3, one shard a block, one checksummed chunk a sample.

Shards are made in memory, so that they can be hashed and then written whole. They are written and read here without zarr, chunk
by chunk: the layout is that of the `sharding_indexed` codec (an index of offsets and lengths at the end, CRC-32C over the index
and over every chunk), and zarr itself takes many times as long for a chunk of one megabyte. Any Zarr v3 reader can read the
array; a test compares every byte with what zarr writes.
"""

import os
import threading
from pathlib import Path
from typing import Any, Literal

import google_crc32c
import numpy as np
import zarr
from jaxtyping import Shaped, UInt8, UInt64
from numcodecs import zstd
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import MemoryStore

from agglo.core.errors import StoreError

BLOCK_SAMPLES = 64
ZSTD_LEVEL = 1
"""Codes of equal variance are nearly noise: higher levels find nothing more and take longer."""
CRC_BYTES = 4
ALL_ZERO = 2**64 - 1
"""Offset and length of a chunk that is left out."""

Packing = Literal["plain", "zstd"]


def array_metadata(shape: tuple[int, ...], dtype: str, packing: Packing) -> bytes:
    """Return the `zarr.json` of an array of samples: one chunk a sample, `BLOCK_SAMPLES` of them a shard."""
    files: dict[str, Any] = {}
    compressors = [ZstdCodec(level=ZSTD_LEVEL)] if packing == "zstd" else []
    zarr.create_array(
        store=MemoryStore(files),
        shape=shape,
        chunks=(1, *shape[1:]),
        shards=(BLOCK_SAMPLES, *shape[1:]),
        dtype=dtype,
        compressors=[*compressors, Crc32cCodec()],
    )
    return bytes(files["zarr.json"].to_bytes())


def shard_bytes(samples: Shaped[np.ndarray, "samples dim h w"], packing: Packing) -> bytes:
    """Return the shard that holds at most `BLOCK_SAMPLES` samples.

    As zarr does, samples of nothing but zeros are left out, unless there are no others: zarr would make no file of such a shard.
    """
    index = np.full((BLOCK_SAMPLES, 2), ALL_ZERO, "<u8")
    parts: list[Any] = []
    end, keeps_zeros = 0, not samples.any()
    for place, sample in enumerate(samples):
        chunk = np.ascontiguousarray(sample).reshape(-1).view(np.uint8)
        if keeps_zeros or chunk.any():
            packed = zstd.compress(chunk, ZSTD_LEVEL) if packing == "zstd" else chunk
            parts += [packed, _crc(packed)]
            index[place] = end, len(packed) + CRC_BYTES
            end += len(packed) + CRC_BYTES
    flat = index.reshape(-1).view(np.uint8)
    parts += [flat, _crc(flat)]
    return b"".join(parts)


def _crc(content: Any) -> bytes:
    return google_crc32c.value(content).to_bytes(CRC_BYTES, "little")


def shard_file(folder: Path, block: int) -> Path:
    """Return where the shard of `block` lies in an array's folder."""
    return folder / "c" / str(block) / "0" / "0" / "0"


class ShardReader:
    """Reads single samples, each of `shape`, and checks the CRC of each; may be used by several threads and sent to processes."""

    def __init__(self, folder: Path, shape: tuple[int, ...], dtype: str, packing: Packing) -> None:
        """Read the array in `folder`; nothing is opened yet."""
        self.folder, self.shape, self.dtype, self.packing = folder, shape, np.dtype(dtype), packing
        self._indices: dict[int, UInt64[np.ndarray, "samples 2"]] = {}

    def read(self, sample: int) -> Shaped[np.ndarray, "dim h w"]:
        """Return one sample; the array is its own and can be written to.

        Raises:
            StoreError: the shard is absent or shorter than it must be, or a checksum does not hold.
        """
        block, place = divmod(sample, BLOCK_SAMPLES)
        offset, length = (int(value) for value in self._index(block)[place])
        if offset == length == ALL_ZERO:  # Zarr leaves out chunks without a value other than 0
            return np.zeros(self.shape, self.dtype)
        found = np.empty(self.shape, self.dtype)
        flat = found.reshape(-1).view(np.uint8)
        chunk = flat if self.packing == "plain" else _scratch_of(length - CRC_BYTES)
        if len(chunk) != length - CRC_BYTES:
            raise StoreError(f"sample {sample} must have {len(chunk)} bytes, but has {length - CRC_BYTES}")
        _read_checked(shard_file(self.folder, block), offset, chunk, f"sample {sample}")
        if self.packing == "zstd":
            _unpack(chunk, flat, f"sample {sample}")
        return found

    def _index(self, block: int) -> UInt64[np.ndarray, "samples 2"]:
        if block not in self._indices:
            file = shard_file(self.folder, block)
            index = np.empty((BLOCK_SAMPLES, 2), "<u8")
            start = (file.stat().st_size if file.exists() else 0) - index.nbytes - CRC_BYTES
            if start < 0:
                raise StoreError(f"shard {block} is absent or cut short")
            _read_checked(file, start, index.reshape(-1).view(np.uint8), f"the index of shard {block}")
            self._indices[block] = index
        return self._indices[block]


def _read_checked(file: Path, offset: int, into: UInt8[np.ndarray, " bytes"], what: str) -> None:
    """Fill `into` with the bytes of `file` from `offset` on; the CRC-32C that follows them must hold."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        num_read = os.preadv(descriptor, [into.data], offset)
        crc = os.pread(descriptor, CRC_BYTES, offset + len(into))
    finally:
        os.close(descriptor)
    is_whole = num_read == len(into) and len(crc) == CRC_BYTES
    if not is_whole or google_crc32c.value(into) != int.from_bytes(crc, "little"):
        raise StoreError(f"the checksum of {what} does not hold")


def _unpack(chunk: UInt8[np.ndarray, " packed"], into: UInt8[np.ndarray, " bytes"], what: str) -> None:
    try:
        zstd.decompress(chunk, into)
    except (RuntimeError, ValueError) as problem:
        raise StoreError(f"{what} cannot be unpacked ({problem})") from problem


_scratch = threading.local()


def _scratch_of(length: int) -> UInt8[np.ndarray, " bytes"]:
    """Return this thread's own memory for packed chunks: asking the system for a megabyte a read costs as much as the reading."""
    if getattr(_scratch, "memory", None) is None or len(_scratch.memory) < length:
        _scratch.memory = np.empty(length, np.uint8)
    return _scratch.memory[:length]
