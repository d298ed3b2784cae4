"""Folders spoilt in any combination of ways: every one of them is named in one report, and a sound folder stays clean."""

import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agglo.data.check import check_folder
from unit.data.spoiling import HIDDEN_BY, LAST, ON_FOLDER, ON_FRAME, SOURCE, Expected, Folder, write_sound

PATIENTS = 10
SPOILABLE = [f"p{number}" for number in range(PATIENTS) if f"p{number}" != SOURCE]


@cache
def _sound() -> Path:
    """Return a sound folder, written once and copied for every example."""
    return write_sound(Path(tempfile.mkdtemp(prefix="agglo-sound-")), patients=PATIENTS).path


@st.composite
def spoilings(draw: st.DrawFn) -> dict[str, str]:
    """Draw ways to spoil: a frame for each of some patients, and some of the folder; "" stands for the folder itself."""
    patients = draw(st.permutations(SPOILABLE))
    ways = draw(st.lists(st.sampled_from(sorted(ON_FRAME)), max_size=len(patients), unique=True))
    chosen = {
        way: f"{patient}_f{1 + draw(st.integers(0, 1))}" for way, patient in zip(ways, patients, strict=False)
    }
    whole = draw(st.lists(st.sampled_from(sorted(ON_FOLDER)), max_size=4, unique=True))
    hidden = {way for each in whole for way in HIDDEN_BY.get(each, ())}
    return {**chosen, **{way: "" for way in whole if way not in hidden}}


def _spoil(folder: Folder, ways: Mapping[str, str]) -> dict[str, Expected]:
    """Spoil the folder and return what must be reported for each way."""
    order = sorted(ways, key=lambda way: LAST.index(way) if way in LAST else -1)
    return {way: ON_FRAME[way](folder, ways[way]) if ways[way] else ON_FOLDER[way](folder) for way in order}


EVERY_FOLDER_WAY = {way: "" for way in ON_FOLDER if way != "broken header"}
EIGHT_FRAMES = {way: f"{patient}_f1" for way, patient in zip(ON_FRAME, SPOILABLE, strict=False)}


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(ways=spoilings())
@example(ways={})
@example(ways=EVERY_FOLDER_WAY | EIGHT_FRAMES)
def test_whatever_is_spoilt_is_named(ways: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Folder(Path(shutil.copytree(_sound(), Path(place) / "d")))
        expected = _spoil(folder, ways)
        report = check_folder(folder.path)
    missed = {
        way: each
        for way, each in expected.items()
        if not any(problem.kind == each[0] and each[1] in problem.where for problem in report.errors)
    }
    assert not missed
    assert bool(report.errors) == bool(ways)
    assert not [problem for problem in report.problems if problem.kind == "crashed"]
    assert ways or not report.problems


@pytest.mark.parametrize("way", [*ON_FRAME, *ON_FOLDER])
def test_each_way_alone(way: str, tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d")
    expected = _spoil(folder, {way: "p1_f2" if way in ON_FRAME else ""})
    report = check_folder(folder.path)
    for kind, where in expected.values():
        assert any(problem.kind == kind and where in problem.where for problem in report.errors)
    assert len({problem.kind for problem in report.problems}) <= 4, (
        "one fault must not set off a dozen alarms"
    )
