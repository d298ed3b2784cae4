"""A column kept otherwise, without the teacher: whole or not at all, gone on with after a kill, and as near as is said."""

from pathlib import Path

import numpy as np
import pytest

from agglo.core.errors import StoreError
from agglo.core.files import read_json
from agglo.features import Column, FeatureStore, Storage
from agglo.features.requantise import fidelity, replace_column, requantise
from agglo.features.verify import verify
from unit.features.small_store import filled


def content(column: Column) -> dict[str, bytes]:
    """Return every file of a column."""
    files = (file for file in sorted(column.folder.rglob("*")) if file.is_file())
    return {str(file.relative_to(column.folder)): file.read_bytes() for file in files}


TARGETS = {  # name: (storage, least mean cosine)
    "int8": (Storage("int8"), 0.999),
    "int8-zstd": (Storage("int8-zstd"), 0.999),
    "int8 of 4 codes": (Storage("int8", 4), 0.9),
    "fp16 of 4 codes": (Storage("fp16", 4), 0.9),
}


@pytest.mark.parametrize(("storage", "least"), TARGETS.values(), ids=TARGETS)
def test_a_requantised_column_holds_what_the_old_one_held(
    tmp_path: Path, storage: Storage, least: float
) -> None:
    source = filled(tmp_path)
    store = FeatureStore.open(tmp_path)
    before = content(source)
    column = requantise(store, "teacher", storage, name="small")
    assert store.teachers == ("small", "teacher")
    assert column.missing_blocks() == []
    assert verify(store) == []
    near = fidelity(column, source)
    assert least < near.mean <= 1
    assert near.percentile_1 <= near.mean
    statistics = [each.moments() for each in (column, source)]
    assert (statistics[0].scatter == statistics[1].scatter).all()
    assert column.seconds == source.seconds
    assert column.spec.identity == source.spec.identity
    assert content(source) == before
    assert not (tmp_path / "unfinished").exists()


def test_codes_become_plain_features_again(tmp_path: Path) -> None:
    filled(tmp_path, storage=Storage("int8", pilot_views=8))
    store = FeatureStore.open(tmp_path)
    column = requantise(store, "teacher", Storage("fp16"), name="plain")
    assert read_json(column.folder / "column.json")["dtype"] == "float16"
    expected = store.column("teacher").features(70).astype(np.float16)
    assert (column.read(70) == expected).all()


def test_a_killed_requantisation_is_absent_and_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path / "whole")
    filled(tmp_path / "cut")
    whole = requantise(FeatureStore.open(tmp_path / "whole"), "teacher", Storage("int8"), name="small")

    class Killed(BaseException):
        pass

    def kill(done: int, total: int, note: str = "") -> None:
        raise Killed

    store = FeatureStore.open(tmp_path / "cut")
    with pytest.raises(Killed):
        requantise(store, "teacher", Storage("int8"), name="small", progress=kill)
    assert store.teachers == ("teacher",)
    first = tmp_path / "cut" / "unfinished" / "small" / "blocks" / "000000.json"
    before = first.stat().st_mtime_ns
    with pytest.raises(StoreError, match=r"was made from something else or is kept otherwise; .*--name"):
        requantise(store, "teacher", Storage("int8", 4), name="small")
    column = requantise(store, "teacher", Storage("int8"), name="small")
    assert (column.folder / "blocks" / "000000.json").stat().st_mtime_ns == before
    assert content(column) == content(whole)
    assert content(requantise(store, "teacher", Storage("int8"), name="small")) == content(whole)


def test_a_replaced_column_is_there_in_the_old_ones_name(tmp_path: Path) -> None:
    filled(tmp_path)
    store = FeatureStore.open(tmp_path)
    small = content(requantise(store, "teacher", Storage("int8"), name="small"))
    assert content(replace_column(store, "teacher", "small")) == small
    assert store.teachers == ("teacher",)
    assert verify(store) == []


@pytest.mark.parametrize("killed_after", ["the first renaming", "the second renaming"])
def test_a_replacement_killed_half_way_goes_on(tmp_path: Path, killed_after: str) -> None:
    filled(tmp_path)
    store = FeatureStore.open(tmp_path)
    requantise(store, "teacher", Storage("int8"), name="small")
    from agglo.features.requantise import _aside

    _aside(store, "teacher").parent.mkdir()
    (tmp_path / "columns" / "teacher").rename(_aside(store, "teacher"))
    if killed_after == "the second renaming":
        (tmp_path / "columns" / "small").rename(tmp_path / "columns" / "teacher")
    assert len(verify(store)) == 1
    assert replace_column(store, "teacher", "small").spec.storage.dtype == "int8"
    assert store.teachers == ("teacher",)
    assert verify(store) == []


def test_half_a_column_is_not_requantised(tmp_path: Path) -> None:
    filled(tmp_path, blocks=(1,))
    with pytest.raises(StoreError, match=r"'teacher' .* must be whole to be requantised, but 1 of 2 blocks"):
        requantise(FeatureStore.open(tmp_path), "teacher", Storage("int8"), name="small")


def test_a_column_of_another_making_is_not_taken_for_the_new_one(tmp_path: Path) -> None:
    filled(tmp_path)
    with pytest.raises(StoreError, match="must be column 'teacher' kept as asked for"):
        requantise(FeatureStore.open(tmp_path), "teacher", Storage("int8"), name="teacher")
