"""Rows of the two tables: cells are empty where nothing can be said, and mm exist only where a spacing was stated."""

import numpy as np
import pytest

from agglo.predict import flags
from agglo.predict.measure import AREA_COLUMNS, FRAME_COLUMNS, Measured, Moment, Watch, area_rows, frame_row
from agglo.predict.predictor import Segmentation
from agglo_runtime.prepare import to_unit
from unit.predict.necks import NAMES, SIZE, neck, picture

MOMENT = Moment("a.avi", 7, 0.25, "container")


def found(masks: np.ndarray, sure: float = 0.95) -> Segmentation:
    return Segmentation(masks, np.where(masks.any((1, 2)), sure, np.nan))


def look(masks: np.ndarray) -> Measured:
    return Watch(NAMES).look(to_unit(picture()), found(masks))


def rows_of(masks: np.ndarray, spacing_mm: float | None = None) -> dict[str, dict[str, str]]:
    rows = area_rows(MOMENT, NAMES, look(masks), found(masks).confidence, spacing_mm)
    return {row[2]: dict(zip(AREA_COLUMNS, row, strict=True)) for row in rows}


def test_areas_in_pixels_and_in_percent_of_c2_c4() -> None:
    row = rows_of(neck())["C5"]
    assert row["area_px"] == str(15 * 13)
    assert float(row["area_percent_c2c4"]) == pytest.approx(100 * 15 * 13 / 32**2, rel=0.03)
    assert (row["file"], row["frame"], row["confidence"], row["flags"]) == ("a.avi", "7", "0.950", "")


def test_mm_only_with_a_stated_spacing_and_its_source() -> None:
    assert {(row["area_mm2"], row["spacing_source"]) for row in rows_of(neck()).values()} == {("", "")}
    stated = rows_of(neck(), spacing_mm=0.5)["C5"]
    assert (stated["area_mm2"], stated["spacing_source"]) == ("48.75", "user")


def test_what_is_not_found_has_no_area_and_no_confidence() -> None:
    row = rows_of(neck("bolus"))["bolus"]
    assert (row["area_px"], row["confidence"]) == ("0", "")


def test_without_c4_there_are_no_percents() -> None:
    assert {row["area_percent_c2c4"] for row in rows_of(neck("C4")).values()} == {""}


def test_nothing_is_measured_in_a_frame_that_shows_no_lateral_neck() -> None:
    rows = rows_of(neck("C4", "C5", "C6", "C7"), spacing_mm=0.5)
    assert len(rows) == 12
    assert {tuple(row.values())[3:] for row in rows.values()} == {("", "", "", "", "", flags.NOT_LATERAL)}


def test_a_flag_stands_with_the_structures_it_is_about() -> None:
    rows = rows_of(neck(C3=(0, 16), C4=(0, -16)))
    assert rows["C3"]["flags"] == flags.OUT_OF_ORDER
    assert rows["C6"]["flags"] == ""


def test_the_row_of_a_frame() -> None:
    row = dict(zip(FRAME_COLUMNS, frame_row(MOMENT, look(neck())), strict=True))
    assert float(row.pop("c2_c4_px")) == pytest.approx(32, abs=0.5)
    assert row == {
        "file": "a.avi",
        "frame": "7",
        "time_s": "0.250",
        "time_source": "container",
        "facing": "right",
        "flags": "",
    }
    unknown = dict(zip(FRAME_COLUMNS, frame_row(Moment("a.png", 0), look(neck())), strict=True))
    assert (unknown["time_s"], unknown["time_source"]) == ("", "")


def test_a_watch_remembers_the_last_picture_that_was_new() -> None:
    """A bone moves by 0.34 of C2-C4 in one frame: a jump; after ten copies there was time enough."""
    pictures = [to_unit(picture(seed=seed)) for seed in range(3)]
    watch = Watch(NAMES, step_s=1 / 30)
    assert watch.look(pictures[0], found(neck())).flags == {}
    assert watch.look(pictures[1], found(neck(C5=(11, 0)))).flags == {flags.JUMP: ("C5",)}
    for _ in range(10):
        assert watch.look(pictures[1], found(neck(C5=(11, 0)))).flags == {flags.DUPLICATE: ()}
    assert watch.look(pictures[2], found(neck())).flags == {}


def test_a_watch_calls_a_picture_held_after_half_a_second() -> None:
    watch = Watch(NAMES, step_s=0.1)
    said = [watch.look(to_unit(picture()), found(neck())).words() for _ in range(7)]
    assert said == [[], *[[flags.DUPLICATE]] * 4, *[[flags.HELD]] * 2]


def test_a_dark_frame_is_not_asked_for_its_view() -> None:
    measured = Watch(NAMES).look(np.zeros(SIZE, np.float32), found(neck()))
    assert (measured.flags, measured.masks) == ({flags.BEAM_OFF: ()}, None)


def test_unsure_structures_are_named() -> None:
    measured = Watch(NAMES).look(to_unit(picture()), found(neck(), sure=0.6))
    assert measured.words() == [f"{flags.LOW_CONFIDENCE}: {' '.join(NAMES)}"]
