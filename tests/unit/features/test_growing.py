"""A store grows by frames that join at its end, costs what is new alone, and takes nothing else for its own."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agglo.core.errors import StoreError
from agglo.features import Column, FeatureStore, Storage
from agglo.features.verify import verify
from unit.features.small_store import DIM, GRID, SAMPLES, WHOLE, features, filled, look_first, of_samples

LONGER = replace(
    SAMPLES,
    dataset="both",
    frames=(*SAMPLES.frames, *(f"more/{number}" for number in range(20))),
    counted=(*SAMPLES.counted, *(False,) * 20),
    beginnings={50: "data", 70: "both"},
)


def fill(column: Column) -> None:
    """Write what is missing of a column with more samples; those that were there before are as they were."""
    for block in column.missing_blocks():
        where = column.block_range(block)
        seen = features(block + 10, len(where))
        known = tuple(sample for sample in where if sample < len(SAMPLES))
        if known:
            seen[: len(known)] = of_samples(known)
        column.write_block(block, seen, WHOLE[: len(where)], seconds=0.5)


@pytest.mark.parametrize("storage", [None, Storage("int8", pilot_views=32)], ids=["fp16", "int8"])
def test_a_store_grows_by_samples_that_join_at_its_end(tmp_path: Path, storage: Storage | None) -> None:
    filled(tmp_path / "grown", storage=storage)
    first = tmp_path / "grown" / "columns" / "teacher" / "blocks" / "000000.json"
    before = first.stat().st_mtime_ns
    column = FeatureStore.create(tmp_path / "grown", LONGER).column("teacher")
    assert column.missing_blocks() == [1, 2], "the last block was not full"
    fill(column)
    assert first.stat().st_mtime_ns == before
    assert FeatureStore.open(tmp_path / "grown").samples == LONGER
    assert verify(FeatureStore.open(tmp_path / "grown")) == []
    whole = FeatureStore.create(tmp_path / "whole", LONGER).add_column(
        "teacher", dim=DIM, grid=GRID, identity={"weights": "a"}, storage=storage
    )
    look_first(whole)
    fill(whole)
    grown = FeatureStore.open(tmp_path / "grown").column("teacher")
    for sample in range(len(LONGER)):
        assert (grown.read(sample) == whole.read(sample)).all()
    assert (grown.moments().scatter == whole.moments().scatter).all()


NO_GROWTH = {  # what is other than in what goes on from the store
    "pixels of the first frames": {"beginnings": {50: "other", 70: "both"}},
    "order": {"frames": (*LONGER.frames[20:], *LONGER.frames[:20])},
    "frames that count": {"counted": (True,) * 70},
    "views": {"seed": 6},
    "nothing new": {"frames": SAMPLES.frames, "counted": SAMPLES.counted, "beginnings": {50: "data"}},
}


@pytest.mark.parametrize("change", NO_GROWTH.values(), ids=NO_GROWTH)
def test_what_does_not_go_on_from_a_store_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    filled(tmp_path)
    with pytest.raises(StoreError, match=r"only frames of further `data.unlabelled` can join, at its end"):
        FeatureStore.create(tmp_path, replace(LONGER, **change))
    assert FeatureStore.open(tmp_path).samples == SAMPLES
    assert FeatureStore.open(tmp_path).column("teacher").missing_blocks() == []


def test_growing_that_was_killed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path)

    class Killed(BaseException):
        pass

    def kill(path: Path, value: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("agglo.features.store.write_json", kill)
        with pytest.raises(Killed):
            FeatureStore.create(tmp_path, LONGER)
    assert FeatureStore.open(tmp_path).samples == SAMPLES
    column = FeatureStore.create(tmp_path, LONGER).column("teacher")
    fill(column)
    assert verify(FeatureStore.open(tmp_path)) == []


def test_a_block_of_before_the_store_grew_is_not_taken_for_whole(tmp_path: Path) -> None:
    before = filled(tmp_path, blocks=(0,))
    store = FeatureStore.create(tmp_path, LONGER)
    before.write_block(1, features(1, 36), WHOLE[:36])  # by a process that had opened the smaller store
    column = store.column("teacher")
    assert column.missing_blocks() == [1, 2]
    with pytest.raises(StoreError, match="block 1 of teacher is not extracted yet"):
        column.read(70)
    assert "block 1: it has 36 of its 64 samples" in str(verify(store)[1])
    fill(column)
    assert verify(store) == []
    assert store.column("teacher").missing_blocks() == []
    with pytest.raises(
        StoreError, match=r"has grown since this process opened it, .* the same command goes on"
    ):
        before.write_block(1, features(1, 36), WHOLE[:36])
    assert verify(store) == []
