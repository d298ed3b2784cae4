"""The page of docs/phantom holds what the file of figures holds, and its command goes on, refuses and draws as it says."""

from pathlib import Path

import numpy as np
import prove
import pytest
from PIL import Image
from proof import charts, page, sheets

from agglo.phantom import PhantomFrame
from proof_job import job

ROOT = Path(__file__).parents[2]
HOME = ROOT / "docs" / "phantom"

MAX_PICTURE_BYTES = 300_000


def test_the_page_holds_what_the_figures_say() -> None:
    text = (HOME / "README.md").read_text(encoding="utf-8")
    results = prove.results_in(ROOT / "results" / "phantom-proof.json")
    assert page.filled(text, page.sections(results)) == text, (
        "run docs/phantom/prove.py: the page is written by it"
    )


def test_rules_that_the_page_lists_are_tested() -> None:
    results = prove.results_in(ROOT / "results" / "phantom-proof.json")
    assert set(results.get("rules", [])) <= set(page.rules_in(ROOT / page.RULE_TESTS))


def test_rules_are_read_from_a_file_of_tests(tmp_path: Path) -> None:
    path = tmp_path / "test_it.py"
    path.write_text("def a_before_b(r): ...\ndef c(r): ...\nRULES = [a_before_b, c]\n")
    assert page.rules_in(path) == ["a_before_b", "c"]
    assert "1. a before b\n2. c" in page.rules(page.rules_in(path))
    assert page.rules_in(tmp_path / "none.py") == []


def test_pictures_in_the_folder_are_small_and_shown() -> None:
    text = (HOME / "README.md").read_text(encoding="utf-8")
    for picture in HOME.glob("*.png"):
        assert picture.stat().st_size < MAX_PICTURE_BYTES, picture.name
        assert f"({picture.name})" in text, f"{picture.name} is shown nowhere"


def test_a_page_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match=r"exactly one place `<!-- proof: grey -->`"):
        page.filled("nothing here", {"grey": "x"})


DONE = {"phantom": "abc", "inputs": {"preset": "standard", "effort": 1.0, "real": True}, "figures": {}}
DONE_CASES = {  # name: (what is kept, what is wanted, whether that is done)
    "the same": (DONE, {"preset": "standard", "effort": 1.0, "real": True}, True),
    "real frames gone": (DONE, {"preset": "standard", "effort": 1.0, "real": False}, True),
    "real frames new": (
        DONE | {"inputs": {"preset": "standard", "effort": 1.0, "real": False}},
        {"preset": "standard", "effort": 1.0, "real": True},
        False,
    ),
    "another preset": (DONE, {"preset": "hard", "effort": 1.0, "real": True}, False),
    "another phantom": (
        DONE | {"phantom": "old"},
        {"preset": "standard", "effort": 1.0, "real": True},
        False,
    ),
    "skipped": (
        DONE | {"figures": {"skipped": "why"}},
        {"preset": "standard", "effort": 1.0, "real": True},
        False,
    ),
    "never": (None, {"preset": "standard", "effort": 1.0, "real": True}, False),
}


@pytest.mark.parametrize(("kept", "wanted", "expected"), DONE_CASES.values(), ids=DONE_CASES)
def test_a_part_is_measured_once(kept: dict | None, wanted: dict, expected: bool) -> None:
    assert prove.is_done(kept, wanted, "abc") == expected


REFUSED = {  # name: (words of the command, part of the message)
    "private inside": (["--private", str(ROOT / "docs")], "must lie outside of the project"),
    "trial over results": (["--effort", "0.5"], "give --out FOLDER"),
    "no real frames there": (["--real", "nowhere"], "must be a folder with vfss_clip/images"),
}


@pytest.mark.parametrize(("words", "message"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_command_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        prove.job_of(prove.parser().parse_args(words))


def test_a_trial_goes_on_where_it_stopped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    written = prove.prove(job(tmp_path), ["motion"])
    assert "A trial with 1 % of the work" in written.read_text(encoding="utf-8")
    assert (tmp_path / "motion.png").exists()
    prove.prove(job(tmp_path), ["motion", "patches"])
    assert [record.message for record in caplog.records if "done before" in record.message] == [
        "motion: done before"
    ]
    assert "Not measured: no real frames" in written.read_text(encoding="utf-8")


def test_a_sheet_keeps_its_outlines_and_says_what_it_is(tmp_path: Path, frame: PhantomFrame) -> None:
    drawn = sheets.outlined(frame, sheets.throat_box(frame), 128)
    path = tmp_path / "sheet.png"
    assert sheets.save_small(sheets.sheet([[sheets.Panel("", drawn)]], sheets.FOOT), path) < MAX_PICTURE_BYTES
    colours = {tuple(pixel) for pixel in np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)}
    assert sheets.OUTLINES["C4"] in colours
    assert "PHANTOM" in sheets.FOOT
    assert "research use only" in sheets.FOOT


def test_charts_are_drawn_for_what_was_measured_only(tmp_path: Path) -> None:
    assert charts.draw("patches", {"skipped": "why"}, tmp_path) is None
    assert list(tmp_path.iterdir()) == []
