"""The store: blocks are whole or absent, damage is seen, other samples and other weights are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agglo.core.errors import StoreError
from agglo.core.seeds import generator
from agglo.features.moments import Moments
from agglo.features.store import Column, FeatureStore, Samples

SAMPLES = Samples(
    "data", tuple(f"f{number}" for number in range(50)), (True,) * 40 + (False,) * 10, 2, {"zoom": [1, 2]}, 5
)
DIM, GRID = 6, (3, 4)
WHOLE = np.ones((64, *GRID), np.float32)


def features(block: int, count: int) -> np.ndarray:
    return generator(9, "features", block).standard_normal((count, DIM, *GRID)).astype(np.float16)


def filled(folder: Path, blocks: tuple[int, ...] = (0, 1)) -> Column:
    column = FeatureStore.create(folder, SAMPLES).add_column(
        "teacher", dim=DIM, grid=GRID, identity={"weights": "a"}
    )
    for block in blocks:
        count = len(column.block_range(block))
        column.write_block(block, features(block, count), WHOLE[:count], seconds=0.5)
    return FeatureStore.open(folder).column("teacher")


def test_what_is_written_is_read_and_summed_up(tmp_path: Path) -> None:
    column = filled(tmp_path)
    everything = np.concatenate([features(0, 64), features(1, 36)])
    assert len(SAMPLES) == 100
    assert all((column.read(sample) == everything[sample]).all() for sample in (0, 63, 64, 99))
    counted = np.moveaxis(everything[:80], 1, -1).reshape(-1, DIM)  # both views of 40 frames
    whole = Moments.of(counted.astype(np.float32))
    moments = column.moments()
    assert moments.count == 80 * 12
    np.testing.assert_allclose(moments.mean, whole.mean, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(moments.covariance, whole.covariance, rtol=1e-10)
    assert column.verify() == []


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


def test_a_damaged_block_can_be_written_again(tmp_path: Path) -> None:
    column = filled(tmp_path)
    (tmp_path / "columns/teacher/features/c/1/0/0/0").write_bytes(b"no shard")
    (tmp_path / "columns/teacher/blocks/000001.json").unlink()
    column = FeatureStore.open(tmp_path).column("teacher")
    column.write_block(1, features(1, 36), WHOLE[:36])
    reopened = FeatureStore.open(tmp_path).column("teacher")
    assert reopened.verify() == []
    assert (reopened.read(99) == features(1, 36)[35]).all()


def test_an_unfinished_block_does_not_exist(tmp_path: Path) -> None:
    column = filled(tmp_path, blocks=(1,))
    assert column.missing_blocks() == [0]
    assert (column.read(64) == features(1, 36)[0]).all()
    with pytest.raises(StoreError, match="block 0 of teacher is not extracted yet"):
        column.read(3)
    with pytest.raises(StoreError, match="1 of 2 blocks of teacher are missing"):
        column.moments()


def test_damage_is_seen_by_reading_and_by_verifying(tmp_path: Path) -> None:
    column = filled(tmp_path)
    shard = tmp_path / "columns/teacher/features/c/1/0/0/0"
    content = bytearray(shard.read_bytes())
    content[10] ^= 0xFF
    shard.write_bytes(bytes(content))
    assert column.verify() == ["teacher: block 1 (0) is damaged"] or "block 1" in column.verify()[0]
    damaged = []
    for sample in range(64, 100):
        try:
            column.read(sample)
        except StoreError as problem:
            damaged.append(str(problem))
    assert len(damaged) == 1
    assert "cannot be read" in damaged[0]
    assert "extract again" in damaged[0]


REFUSED = {
    "other views": (replace(SAMPLES, seed=6), "its seed differ"),
    "other frames": (replace(SAMPLES, frames=("g",), counted=(True,)), "its frames, counted differ"),
}


@pytest.mark.parametrize(("samples", "text"), REFUSED.values(), ids=REFUSED)
def test_a_store_of_other_samples_is_left_alone(tmp_path: Path, samples: Samples, text: str) -> None:
    filled(tmp_path)
    with pytest.raises(StoreError, match=text):
        FeatureStore.create(tmp_path, samples)
    assert filled(tmp_path, blocks=()).missing_blocks() == []


def test_a_column_of_other_weights_is_left_alone(tmp_path: Path) -> None:
    filled(tmp_path)
    with pytest.raises(StoreError, match="was made with another identity"):
        FeatureStore.open(tmp_path).add_column("teacher", dim=DIM, grid=GRID, identity={"weights": "b"})


def test_features_that_float16_cannot_hold_are_refused(tmp_path: Path) -> None:
    column = FeatureStore.create(tmp_path, SAMPLES).add_column("teacher", dim=DIM, grid=GRID, identity={})
    bad = features(0, 64)
    bad[3, 0, 0, 0] = np.inf
    with pytest.raises(StoreError, match="must be finite in float16, but block 0"):
        column.write_block(0, bad, WHOLE)
    assert column.missing_blocks() == [0, 1]


@pytest.mark.parametrize("name", ["store.json", "columns"])
def test_what_is_no_store_is_said_to_be_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(StoreError, match=r"has no store.json|has no column"):
        FeatureStore.open(tmp_path / "elsewhere") if name == "store.json" else FeatureStore.create(
            tmp_path, SAMPLES
        ).column("nobody")
