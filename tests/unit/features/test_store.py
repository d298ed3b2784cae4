"""The store: blocks are whole or absent, damage is seen, other samples and other weights are refused."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import MemoryStore

from agglo.core.errors import StoreError
from agglo.core.seeds import generator
from agglo.features import Column, FeatureStore, Moments, Storage
from agglo.features.shards import BLOCK_SAMPLES, ZSTD_LEVEL, Packing, shard_bytes
from agglo.features.verify import verify_column
from unit.features.small_store import DIM, GRID, SAMPLES, WHOLE, features, filled

EVERY_KIND = {
    "fp16": Storage(),
    "int8": Storage("int8", pilot_views=8),
    "int8-zstd": Storage("int8-zstd", pilot_views=8),
    "int8 of 4 codes": Storage("int8", 4, 8),
    "fp16 of 4 codes": Storage("fp16", 4, 8),
}


@pytest.mark.parametrize("storage", EVERY_KIND.values(), ids=EVERY_KIND)
def test_what_is_written_is_read_and_summed_up(tmp_path: Path, storage: Storage) -> None:
    column = filled(tmp_path, storage=storage)
    everything = np.concatenate([features(0, 64), features(1, 36)])
    assert len(SAMPLES) == 100
    kept = everything if column.codec is None else column.codec.encode(everything)[0]
    assert all((column.read(sample) == kept[sample]).all() for sample in (0, 63, 64, 99))
    assert column.read(99).dtype == kept.dtype
    counted = np.moveaxis(everything[:80], 1, -1).reshape(-1, DIM)  # both views of 40 frames
    whole = Moments.of(counted.astype(np.float32))
    moments = column.moments()
    assert moments.count == 80 * 12
    np.testing.assert_allclose(moments.mean, whole.mean, atol=1e-7)
    np.testing.assert_allclose(moments.covariance, whole.covariance, atol=1e-6)
    assert verify_column(column) == []


@pytest.mark.parametrize("storage", EVERY_KIND.values(), ids=EVERY_KIND)
def test_any_zarr_reader_reads_the_same(tmp_path: Path, storage: Storage) -> None:
    column = filled(tmp_path, storage=storage)
    array = zarr.open_array(str(column.folder / "features"), mode="r")
    assert array.shape == (100, *column.sample_shape)
    for sample in (0, 40, 63, 64, 99):
        assert (np.asarray(array[sample]) == column.read(sample)).all()


SHARDS = {  # name: (samples, samples of zeros, their sign)
    "whole": (BLOCK_SAMPLES, (), 0.0),
    "short": (5, (), 0.0),
    "one": (1, (), 0.0),
    "some of zeros": (7, (0, 3), 0.0),
    "some of negative zeros": (7, (2,), -0.0),
    "nothing but zeros": (3, (0, 1, 2), 0.0),
}


@pytest.mark.parametrize(("count", "empty", "zero"), SHARDS.values(), ids=SHARDS)
@pytest.mark.parametrize(("dtype", "packing"), [("float16", "plain"), ("int8", "plain"), ("int8", "zstd")])
def test_a_shard_is_what_zarr_writes(
    count: int, empty: tuple[int, ...], zero: float, dtype: str, packing: Packing
) -> None:
    samples = (20 * generator(3, "shard").standard_normal((count, DIM, *GRID))).astype(dtype)
    samples[list(empty)] = zero
    files: dict[str, Any] = {}
    zarr.create_array(
        store=MemoryStore(files),
        shape=samples.shape,
        chunks=(1, *samples.shape[1:]),
        shards=(BLOCK_SAMPLES, *samples.shape[1:]),
        dtype=dtype,
        compressors=[*([ZstdCodec(level=ZSTD_LEVEL)] if packing == "zstd" else []), Crc32cCodec()],
        config={"write_empty_chunks": len(empty) == count},
    )[:] = samples
    assert shard_bytes(samples, packing) == files["c/0/0/0/0"].to_bytes()


def test_chunks_of_zeros_which_zarr_leaves_out_are_read(tmp_path: Path) -> None:
    column = FeatureStore.create(tmp_path, SAMPLES).add_column("teacher", dim=DIM, grid=GRID, identity={})
    column.write_block(0, np.zeros((64, DIM, *GRID), np.float16), WHOLE)
    assert (FeatureStore.open(tmp_path).column("teacher").read(5) == 0).all()


def test_padding_is_not_counted_and_costs_add_up(tmp_path: Path) -> None:
    column = FeatureStore.create(tmp_path, SAMPLES).add_column("teacher", dim=DIM, grid=GRID, identity={})
    coverage = WHOLE.copy()
    coverage[:, 0] = 0.4
    for block in (0, 1):
        count = len(column.block_range(block))
        column.write_block(block, features(block, count), coverage[:count], seconds=0.5)
    column = FeatureStore.open(tmp_path).column("teacher")
    assert column.moments().count == 80 * 8
    assert column.seconds == 1.0
    kept = column.is_picture(70)
    assert kept is not None
    assert (kept == (coverage[0] > 0.5)).all()


def test_a_block_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    column = filled(tmp_path)
    before = column.shard_file(1).stat().st_mtime_ns
    column.write_block(1, features(1, 36), WHOLE[:36])
    assert column.shard_file(1).stat().st_mtime_ns == before
    with pytest.raises(StoreError, match="block 1 of teacher is there with other content"):
        column.write_block(1, features(2, 36), WHOLE[:36])
    assert verify_column(column) == []


def test_a_damaged_block_can_be_written_again(tmp_path: Path) -> None:
    column = filled(tmp_path)
    column.shard_file(1).write_bytes(b"no shard")
    column.marker_file(1).unlink()
    column = FeatureStore.open(tmp_path).column("teacher")
    column.write_block(1, features(1, 36), WHOLE[:36])
    reopened = FeatureStore.open(tmp_path).column("teacher")
    assert verify_column(reopened) == []
    assert (reopened.read(99) == features(1, 36)[35]).all()


def test_an_unfinished_block_does_not_exist(tmp_path: Path) -> None:
    column = filled(tmp_path, blocks=(1,))
    assert column.missing_blocks() == [0]
    assert (column.read(64) == features(1, 36)[0]).all()
    with pytest.raises(StoreError, match="block 0 of teacher is not extracted yet"):
        column.read(3)
    with pytest.raises(StoreError, match="1 of 2 blocks of teacher are missing"):
        column.moments()


@pytest.mark.parametrize("storage", EVERY_KIND.values(), ids=EVERY_KIND)
def test_one_flipped_bit_spoils_one_sample_and_is_seen(tmp_path: Path, storage: Storage) -> None:
    column = filled(tmp_path, storage=storage)
    content = bytearray(column.shard_file(1).read_bytes())
    content[10] ^= 0x10
    column.shard_file(1).write_bytes(bytes(content))
    damaged = []
    for sample in range(64, 100):
        try:
            column.read(sample)
        except StoreError as problem:
            damaged.append(str(problem))
    assert len(damaged) == 1
    assert "cannot be read (the checksum of sample" in damaged[0]
    assert "then extract again" in damaged[0]


@pytest.mark.parametrize("length", [0, 30, -5])
def test_a_shard_cut_short_is_refused(tmp_path: Path, length: int) -> None:
    column = filled(tmp_path)
    content = column.shard_file(1).read_bytes()
    column.shard_file(1).write_bytes(content[:length])
    with pytest.raises(StoreError, match=r"cannot be read \((shard 1 is absent|the checksum of the index)"):
        column.read(64)


REFUSED = {
    "other views": (replace(SAMPLES, seed=6), "its seed differ"),
    "other frames": (replace(SAMPLES, frames=("g",), counted=(True,)), "its frames, counted differ"),
}


@pytest.mark.parametrize(("samples", "text"), REFUSED.values(), ids=REFUSED)
def test_a_store_of_other_samples_is_left_alone(tmp_path: Path, samples: object, text: str) -> None:
    filled(tmp_path)
    with pytest.raises(StoreError, match=text):
        FeatureStore.create(tmp_path, samples)
    assert filled(tmp_path, blocks=()).missing_blocks() == []


OTHER_COLUMNS = {
    "weights": ({"identity": {"weights": "b"}}, "another identity"),
    "grid": ({"grid": (3, 5)}, "another grid"),
    "dtype": ({"storage": Storage("int8")}, "another codes, dtype, pilot_views"),
}


@pytest.mark.parametrize(("options", "text"), OTHER_COLUMNS.values(), ids=OTHER_COLUMNS)
def test_a_column_of_something_else_is_left_alone(
    tmp_path: Path, options: dict[str, object], text: str
) -> None:
    filled(tmp_path)
    with pytest.raises(StoreError, match=rf"was made with {text}; `agglo store prune .* --column teacher`"):
        FeatureStore.open(tmp_path).add_column(
            "teacher", **{"dim": DIM, "grid": GRID, "identity": {"weights": "a"}, **options}
        )


@pytest.mark.parametrize("storage", EVERY_KIND.values(), ids=EVERY_KIND)
def test_eight_writers_of_one_store_leave_one_store(tmp_path: Path, storage: Storage) -> None:
    filled(tmp_path / "one", storage=storage)
    with ThreadPoolExecutor(8) as writers:
        list(writers.map(lambda _: filled(tmp_path / "many", storage=storage), range(16)))
    one, many = (
        {
            file.relative_to(folder): file.read_bytes()
            for file in sorted((tmp_path / folder.name).rglob("*"))
            if file.is_file()
        }
        for folder in (tmp_path / "one", tmp_path / "many")
    )
    assert one == many


def test_of_two_stores_made_at_once_one_is_refused(tmp_path: Path) -> None:
    others = [replace(SAMPLES, seed=seed) for seed in range(6)]

    def make(samples: object) -> str:
        try:
            FeatureStore.create(tmp_path / "store", samples)
        except StoreError:
            return "refused"
        return "made"

    with ThreadPoolExecutor(6) as writers:
        assert sorted(writers.map(make, others)) == ["made", *["refused"] * 5]


def test_features_that_float16_cannot_hold_are_refused(tmp_path: Path) -> None:
    column = FeatureStore.create(tmp_path, SAMPLES).add_column("teacher", dim=DIM, grid=GRID, identity={})
    bad = features(0, 64)
    bad[3, 0, 0, 0] = np.inf
    with pytest.raises(StoreError, match=r"must be finite in float16, but 1 of 64 views \(samples 3\) have"):
        column.write_block(0, bad, WHOLE)
    assert column.missing_blocks() == [0, 1]


@pytest.mark.parametrize("name", ["store.json", "columns"])
def test_what_is_no_store_is_said_to_be_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(StoreError, match=r"has no store.json|has no column"):
        FeatureStore.open(tmp_path / "elsewhere") if name == "store.json" else FeatureStore.create(
            tmp_path, SAMPLES
        ).column("nobody")


@pytest.mark.parametrize("name", ["store.json", "columns/teacher/column.json"])
def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path: Path, name: str) -> None:
    filled(tmp_path)
    (tmp_path / name).write_text('{"dim": 6,')
    with pytest.raises(
        StoreError, match=r"must be JSON as Agglo writes it, but cannot be read .* extract anew"
    ):
        FeatureStore.open(tmp_path).column("teacher")


def test_a_coded_column_without_its_codec_says_so(tmp_path: Path) -> None:
    column = FeatureStore.create(tmp_path, SAMPLES).add_column(
        "teacher", dim=DIM, grid=GRID, identity={}, storage=Storage("int8")
    )
    assert isinstance(column, Column)
    with pytest.raises(StoreError, match="the pilot of teacher is not at its end"):
        column.write_block(0, features(0, 64), WHOLE)
    with pytest.raises(StoreError, match=r"`store.pca` must be between 1 and the teacher's width, 6, got 7"):
        FeatureStore.open(tmp_path).add_column(
            "wide", dim=DIM, grid=GRID, identity={}, storage=Storage("int8", 7)
        )
