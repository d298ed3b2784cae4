"""The pilot: which views it looks at, that it goes on after a kill, and that nothing that comes later changes its codec."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agglo.core.errors import FeatureMismatch, StoreError
from agglo.features import Column, FeatureStore, Samples, Storage
from agglo.features.pilot import PORTION_VIEWS, Pilot
from unit.features.small_store import DIM, GRID, SAMPLES, WHOLE, filled, of_samples

SPREAD_CASES = {  # name: (counted frames, views, asked for, expected)
    "fewer than asked for": ((True, False, True), 1, 9, (0, 2)),
    "even": ((True,) * 8, 1, 4, (0, 2, 4, 6)),
    "views of counted frames only": ((True, False, True), 2, 3, (0, 1, 4)),
    "none": ((False, False), 2, 3, ()),
}


@pytest.mark.parametrize(("counted", "views", "count", "expected"), SPREAD_CASES.values(), ids=SPREAD_CASES)
def test_views_are_spread_over_those_that_count(
    counted: tuple[bool, ...], views: int, count: int, expected: tuple[int, ...]
) -> None:
    samples = Samples("d", tuple(map(str, range(len(counted)))), counted, views, {}, 0)
    assert samples.spread(count) == expected


def begun(folder: Path) -> tuple[Column, Pilot]:
    column = FeatureStore.create(folder, SAMPLES).add_column(
        "teacher", dim=DIM, grid=GRID, identity={"weights": "a"}, storage=Storage("int8", pilot_views=40)
    )
    return column, Pilot(column)


def look(pilot: Pilot, portion: int) -> None:
    views = pilot.portions[portion]
    pilot.write(portion, of_samples(views), WHOLE[: len(views)], seconds=0.25)


def test_a_pilot_that_was_cut_goes_on_to_the_same_codec(tmp_path: Path) -> None:
    whole, pilot = begun(tmp_path / "whole")
    assert [len(views) for views in pilot.portions] == [PORTION_VIEWS, PORTION_VIEWS, 8]
    for portion in pilot.missing():
        look(pilot, portion)
    pilot.freeze()
    cut, first = begun(tmp_path / "cut")
    look(first, 2)
    (cut.folder / "pilot" / "000000.npz").write_bytes(b"killed before its marker")
    again = begun(tmp_path / "cut")[1]
    assert again.missing() == [0, 1]
    with pytest.raises(StoreError, match="the pilot of teacher is not at its end"):
        _ = cut.codec
    for portion in again.missing():
        look(again, portion)
    again.freeze()
    assert cut.codec_file.read_bytes() == whole.codec_file.read_bytes()
    assert (cut.folder / "pilot.json").read_text() == (whole.folder / "pilot.json").read_text()
    assert not (cut.folder / "pilot").exists()
    assert cut.seconds == 0.75


def test_a_kill_after_the_last_portion_or_while_tidying_up_changes_nothing(tmp_path: Path) -> None:
    column, pilot = begun(tmp_path)
    for portion in pilot.missing():
        look(pilot, portion)
    assert pilot.missing() == []
    assert column.needs_pilot
    pilot.freeze()
    before = column.codec_file.read_bytes()
    (column.folder / "pilot").mkdir()
    (column.folder / "pilot" / "000001.npz").write_bytes(b"left over")
    Pilot(column).freeze()
    assert not (column.folder / "pilot").exists()
    assert column.codec_file.read_bytes() == before


def test_a_frozen_codec_stays_whatever_pilot_is_asked_for_later(tmp_path: Path) -> None:
    before = filled(tmp_path, storage=Storage("int8", pilot_views=8))
    column = FeatureStore.open(tmp_path).add_column(
        "teacher", dim=DIM, grid=GRID, identity={"weights": "a"}, storage=Storage("int8", pilot_views=99)
    )
    assert column.spec.storage.pilot_views == 8
    assert column.fingerprint == before.fingerprint


def test_another_pilot_is_refused_while_one_is_under_way(tmp_path: Path) -> None:
    begun(tmp_path)
    with pytest.raises(StoreError, match="was made with another pilot_views"):
        FeatureStore.open(tmp_path).add_column(
            "teacher", dim=DIM, grid=GRID, identity={"weights": "a"}, storage=Storage("int8", pilot_views=41)
        )


def test_a_lost_portion_is_an_error_and_no_smaller_pilot(tmp_path: Path) -> None:
    column, pilot = begun(tmp_path)
    look(pilot, 0)
    with pytest.raises(FileNotFoundError):
        pilot.freeze()
    assert column.needs_pilot


def test_without_a_train_split_there_is_no_codec(tmp_path: Path) -> None:
    samples = replace(SAMPLES, counted=(False,) * 50)
    column = FeatureStore.create(tmp_path, samples).add_column(
        "teacher", dim=DIM, grid=GRID, identity={}, storage=Storage("int8")
    )
    assert Pilot(column).portions == ()
    with pytest.raises(FeatureMismatch, match="0 tokens of variance"):
        Pilot(column).freeze()


def test_padding_and_uncounted_frames_have_no_say(tmp_path: Path) -> None:
    column, pilot = begun(tmp_path)
    views = pilot.portions[0]
    coverage = WHOLE[: len(views)].copy()
    coverage[:, 2] = 0.2
    spoilt = of_samples(views)
    spoilt[:, :, 2] = 1000
    pilot.write(0, spoilt, coverage)
    look(pilot, 1)
    look(pilot, 2)
    pilot.freeze()
    assert column.codec is not None
    assert np.abs(column.codec.mean).max() < 2


def test_a_pilot_of_features_that_are_not_finite_is_refused_and_keeps_nothing(tmp_path: Path) -> None:
    column, pilot = begun(tmp_path)
    views = pilot.portions[1]
    features = of_samples(views)
    features[4, 0, 0, 0] = np.inf
    with pytest.raises(
        StoreError,
        match=rf"features of teacher must be finite .* but 1 of 16 views \(samples {views[4]}\) have",
    ):
        pilot.write(1, features, WHOLE[: len(views)])
    assert pilot.missing() == [0, 1, 2]
    assert column.needs_pilot
