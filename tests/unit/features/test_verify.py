"""Damage is found and named, pruning removes what does not hold and nothing else, and writing again heals."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agglo.core.errors import StoreError
from agglo.features import Column, FeatureStore, Moments, Storage
from agglo.features.online import OnlineColumn
from agglo.features.verify import drop_column, prune, verify
from unit.features.small_store import DIM, GRID, SAMPLES, WHOLE, features, filled

CODED = Storage("int8", pilot_views=8)


def flip(file: Path, place: int = 20) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 0x01
    file.write_bytes(bytes(content))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def take_from_another_teacher(column: Column) -> None:
    other = FeatureStore.create(column.folder.parent.parent, column.samples).add_column(
        "other", dim=DIM, grid=GRID, identity={"weights": "b"}
    )
    other.write_block(1, features(3, 36), WHOLE[:36])
    for mine, theirs in ((column.marker_file, other.marker_file), (column.shard_file, other.shard_file)):
        shutil.copy(theirs(1), mine(1))
    drop_column(FeatureStore.open(column.folder.parent.parent), "other")


DAMAGE: dict[str, tuple[Callable[[Column], object], str]] = {
    "a flipped bit": (
        lambda column: flip(column.shard_file(1)),
        "teacher: block 1: its features are not those that were written (flipped bits)",
    ),
    "a shard cut short": (
        lambda column: cut(column.shard_file(1)),
        "teacher: block 1: its features are cut short",
    ),
    "a lost shard": (lambda column: column.shard_file(1).unlink(), "teacher: block 1: its features are gone"),
    "a flipped bit in the statistics": (
        lambda column: flip(column.moments_file(1), 200),
        "teacher: block 1: its statistics are not those that were written",
    ),
    "lost statistics": (
        lambda column: column.moments_file(1).unlink(),
        "teacher: block 1: its statistics are gone",
    ),
    "a marker cut short": (
        lambda column: cut(column.marker_file(1)),
        "teacher: block 1: its marker (000001.json) is damaged",
    ),
    "a foreign teacher's block": (
        take_from_another_teacher,
        "teacher: block 1: was made by another teacher, with other preprocessing, or with another codec than its column",
    ),
}


@pytest.mark.parametrize("storage", [None, CODED], ids=["fp16", "int8"])
@pytest.mark.parametrize(("spoil", "text"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_named_pruned_and_healed(
    tmp_path: Path, spoil: Callable[[Column], object], text: str, storage: Storage | None
) -> None:
    column = filled(tmp_path, storage=storage)
    sound = {file: file.read_bytes() for file in column.folder.rglob("*") if file.is_file()}
    spoil(column)
    store = FeatureStore.open(tmp_path)
    (found,) = verify(store)
    assert str(found).startswith(text)
    gone, freed = prune(store)
    assert gone == [found]
    assert freed > 0
    assert [str(problem) for problem in verify(store)] == ["teacher: block 1: is missing"]
    assert column.marker_file(0).exists()
    filled(tmp_path, blocks=(1,), storage=storage)
    assert verify(FeatureStore.open(tmp_path)) == []
    assert {file: file.read_bytes() for file in column.folder.rglob("*") if file.is_file()} == sound


def test_a_whole_store_has_nothing_to_prune(tmp_path: Path) -> None:
    filled(tmp_path, storage=CODED)
    assert prune(FeatureStore.open(tmp_path)) == ([], 0)


LEFT = {  # what a killed process leaves: (path, sentence)
    "half a marker": ("columns/teacher/blocks/.000001.json.0123456789ab.tmp", "is a half-written file"),
    "half a shard of an older version": (
        "columns/teacher/features/c/1/0/0/0.6cd1f0.partial",
        "is a half-written file",
    ),
    "half a store": (".store.json.0123456789ab.tmp", "is a half-written file"),
    "a pilot's portion": ("columns/teacher/pilot/000000.npz", "teacher: its pilot is over"),
    "a column half requantised": (
        "unfinished/teacher-int8/column.json",
        "`agglo store requantise` has begun",
    ),
}


@pytest.mark.parametrize(("place", "text"), LEFT.values(), ids=LEFT)
def test_what_a_killed_process_left_is_named_and_removed(tmp_path: Path, place: str, text: str) -> None:
    filled(tmp_path, storage=CODED)
    file = tmp_path / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"{}")
    store = FeatureStore.open(tmp_path)
    (found,) = verify(store)
    assert found.kind == "leftover"
    assert text in str(found)
    assert prune(store) == ([found], 2)
    assert not file.exists()
    assert verify(store) == []


def swap_codec(column: Column) -> None:
    other = filled(column.folder / "elsewhere", storage=Storage("int8", pilot_views=40))
    shutil.copy(other.codec_file, column.codec_file)
    shutil.rmtree(column.folder / "elsewhere")


CODECS: dict[str, tuple[Callable[[Column], object], list[str]]] = {
    "damaged": (
        lambda column: flip(column.codec_file, 80),
        ["teacher: its codec is damaged, and without it codes mean nothing"],
    ),
    "gone": (
        lambda column: column.codec_file.unlink(),
        ["teacher: its codec is gone, and without it codes mean nothing"],
    ),
    "of another pilot": (
        swap_codec,
        [f"teacher: block {block}: was made by another teacher, with other" for block in (0, 1)],
    ),
}


@pytest.mark.parametrize(("spoil", "texts"), CODECS.values(), ids=CODECS)
def test_codes_without_their_codec_are_never_trusted(
    tmp_path: Path, spoil: Callable[[Column], object], texts: list[str]
) -> None:
    column = filled(tmp_path, storage=CODED)
    spoil(column)
    store = FeatureStore.open(tmp_path)
    found = verify(store)
    assert len(found) == len(texts)
    assert all(str(problem).startswith(text) for problem, text in zip(found, texts, strict=True))
    if found[0].kind == "codec":
        assert prune(store) == ([], 0)  # a whole column is removed by name only
        with pytest.raises(StoreError, match="codec"):
            store.column("teacher").features(0)


def test_a_whole_column_is_removed_by_name_and_no_other(tmp_path: Path) -> None:
    column = filled(tmp_path)
    store = FeatureStore.open(tmp_path)
    other = store.add_column("other", dim=DIM, grid=GRID, identity={})
    other.write_block(0, features(0, 64), WHOLE)
    size = sum(file.stat().st_size for file in column.folder.rglob("*") if file.is_file())
    assert drop_column(store, "teacher") == size
    assert store.teachers == ("other",)
    assert not column.folder.exists()
    with pytest.raises(StoreError, match=r"has no column 'teacher' \(there are: other\)"):
        drop_column(store, "teacher")


def test_blocks_made_before_sizes_were_kept_are_still_verified(tmp_path: Path) -> None:
    from agglo.core.files import read_json, write_json

    column = filled(tmp_path)
    marker = read_json(column.marker_file(1))
    write_json(column.marker_file(1), {key: marker[key] for key in ("samples", "seconds", "sha256")})
    store = FeatureStore.open(tmp_path)
    assert verify(store) == []
    cut(column.shard_file(1))
    assert [problem.kind for problem in verify(store)] == ["damaged"]


def test_what_is_left_of_a_removed_column_is_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    column = filled(tmp_path, storage=CODED)
    store = FeatureStore.open(tmp_path)
    with monkeypatch.context() as killed:
        killed.setattr("agglo.features.verify.shutil.rmtree", lambda path: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            drop_column(store, "teacher")
    assert not column.folder.exists()
    (left,) = verify(store)
    assert "is what is left of a removed column" in str(left)
    again = store.add_column("teacher", dim=DIM, grid=GRID, identity={"weights": "b"}, storage=CODED)
    assert again.needs_pilot
    assert again.missing_blocks() == [0, 1]
    drop_column(store, "teacher")
    assert verify(store) == []
    assert not (tmp_path / "unfinished").exists()


def test_markers_of_another_making_are_no_blocks(tmp_path: Path) -> None:
    column = filled(tmp_path, storage=CODED)
    swap_codec(column)
    again = FeatureStore.open(tmp_path).column("teacher")
    assert again.missing_blocks() == [0, 1]
    again.write_block(0, features(0, 64), WHOLE)
    assert FeatureStore.open(tmp_path).column("teacher").missing_blocks() == [1]
    again.codec_file.unlink()
    assert FeatureStore.open(tmp_path).column("teacher").missing_blocks() == [0, 1]


def test_a_damaged_marker_is_one_sentence(tmp_path: Path) -> None:
    cut(filled(tmp_path).marker_file(1))
    column = FeatureStore.open(tmp_path).column("teacher")
    for ask in (
        column.missing_blocks,
        lambda: column.read(70),
        lambda: column.write_block(1, features(1, 36), WHOLE[:36]),
    ):
        with pytest.raises(
            StoreError, match=r"the marker of block 1 of teacher is damaged .*`agglo store prune"
        ):
            ask()


def test_damaged_statistics_of_an_online_teacher_are_named(tmp_path: Path) -> None:
    store = FeatureStore.create(tmp_path, SAMPLES)
    about = {"dim": 4, "grid": [3, 4], "identity": {}, "pilot_views": 8}
    column = OnlineColumn.create(tmp_path, SAMPLES, "teacher", about)
    assert verify(store) == [], "a pilot that is still to be made is no damage"
    column.freeze(Moments.of(np.ones((9, 4), np.float32)), {"seconds": 1.0})
    assert verify(store) == []
    cut(column.moments_file)
    (found,) = verify(store)
    assert str(found).startswith(
        "online/teacher: the statistics of the online teacher teacher cannot be read"
    )
    assert prune(store) == ([], 0), "a student may be tied to them"
