"""A column kept otherwise, without the teacher: whole or not at all, gone on with after a kill, and as near as is said."""

from pathlib import Path

import pytest

from agglo.core.errors import StoreError
from agglo.features import Column, FeatureStore, Storage
from agglo.features.codec import Dtype
from agglo.features.requantise import fidelity, replace_column, requantise
from agglo.features.verify import prune, verify
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


@pytest.mark.parametrize(("one", "other"), [("int8", "int8-zstd"), ("int8-zstd", "int8")])
def test_codes_change_their_packing_and_nothing_else(tmp_path: Path, one: Dtype, other: Dtype) -> None:
    """What comes out is, byte for byte, what an extraction kept so would have written."""
    filled(tmp_path / "first", storage=Storage(one, 4, pilot_views=8))
    direct = filled(tmp_path / "second", storage=Storage(other, 4, pilot_views=8))
    packed = requantise(FeatureStore.open(tmp_path / "first"), "teacher", Storage(other, 4), name="packed")
    own = {name: data for name, data in content(packed).items() if name != "made_from.json"}
    expected = content(direct)
    assert own.keys() <= expected.keys()
    assert {name for name in own if own[name] != expected[name]} <= {"codec.npz"}  # zip files hold the time
    assert (packed.features(70) == direct.features(70)).all()


LOSSES = {  # name: (kept as, asked for)
    "plain from codes": (Storage("int8", pilot_views=8), Storage("fp16")),
    "all codes from some": (Storage("int8", 4, pilot_views=8), Storage("int8")),
    "fewer codes of codes": (Storage("int8", pilot_views=8), Storage("int8", 4)),
    "bytes of rounded halves": (Storage("fp16", 4, pilot_views=8), Storage("int8", 4)),
}


@pytest.mark.parametrize(("kept", "asked"), LOSSES.values(), ids=LOSSES)
def test_what_is_lost_does_not_come_back_under_another_name(
    tmp_path: Path, kept: Storage, asked: Storage
) -> None:
    filled(tmp_path, storage=kept)
    with pytest.raises(
        StoreError, match=r"must be plain fp16 to be kept as .*; only its packing .* Extract it anew"
    ):
        requantise(FeatureStore.open(tmp_path), "teacher", asked, name="new")
    assert FeatureStore.open(tmp_path).teachers == ("teacher",)


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
    if killed_after == "the first renaming":
        assert prune(store) == ([], 0), "what has no replacement yet is kept"
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
