"""`agglo data`: what it prints can be printed, and it starts quickly."""

import subprocess
import sys

import pytest

from agglo.cli.data import _say


def test_a_terminal_without_lines_and_bullets(capsys: pytest.CaptureFixture[str]) -> None:
    _say("ERRORS ── 1\n  → mend\n    • Zoë.png … ✗", "ascii")
    assert capsys.readouterr().out == "ERRORS -- 1\n  > mend\n    * Zo\\xeb.png ... x\n"


def test_a_name_that_is_in_no_encoding(capsys: pytest.CaptureFixture[str]) -> None:
    _say("• p\udce4.png", "utf-8")
    assert capsys.readouterr().out == "• p\\udce4.png\n"


def test_looking_into_a_folder_needs_no_torch() -> None:
    code = "import sys, agglo.recipes.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
