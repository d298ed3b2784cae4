"""Progress in plain lines: what is left where the end is known, and an honest word where it is not."""

import pytest

from agglo.cli.progress import show


def test_a_known_length_ends_with_what_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    show("1 of 1")(8, 8, "a.avi")
    assert capsys.readouterr().err == "1 of 1: 8/8, 0 s a.avi\n"


def test_an_unknown_length_is_called_so(capsys: pytest.CaptureFixture[str]) -> None:
    progress = show("1 of 1")
    progress(3, 0, "a.mkv")
    progress(4, 0, "a.mkv")  # too soon for another line
    assert capsys.readouterr().err == "1 of 1: 3/?, 0 s, length unknown a.mkv\n"
