"""What is under version control: no paths or package hosts of anyone's machine, and nothing large but the lab teachers."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEACHER_WEIGHTS = "src/agglo/teachers/weights/"
MAX_TEACHERS_BYTES = 25 * 10**6
MAX_FILE_BYTES = 10**6

# Written in pieces, so that this file does not find itself.
MACHINE_TRACES = re.compile(
    r"(?<![\w.~$}/-])/(?:home|root|mnt|opt|work|Users|tm[p])/[\w.]"  # an absolute path
    r"|index-"
    + "url|/simp"
    + r"le(?:/|\b)|files\.python"
    + "hosted|pypi"
    + r"\.org"  # where packages come from
)


def tracked_files() -> list[Path]:
    """Return every file under version control that is there; skips the test where there is no checkout."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing says which files are tracked")
    answer = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in answer.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def traces(text: str) -> list[str]:
    """Return the lines of a text that name a place on a machine or a package host."""
    return [line.strip() for line in text.splitlines() if MACHINE_TRACES.search(line)]


def test_no_file_names_a_machine() -> None:
    found = {}
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" not in content and (lines := traces(content.decode("utf-8", errors="replace"))):
            found[path.relative_to(ROOT).as_posix()] = lines
    assert found == {}


def test_only_the_lab_teachers_are_large() -> None:
    sizes = {path.relative_to(ROOT).as_posix(): path.stat().st_size for path in tracked_files()}
    teachers = {name: size for name, size in sizes.items() if name.startswith(TEACHER_WEIGHTS)}
    assert sum(teachers.values()) <= MAX_TEACHERS_BYTES
    assert {name: size for name, size in sizes.items() - teachers.items() if size > MAX_FILE_BYTES} == {}


TRACE_CASES = {  # name: (line, whether it must be found)
    "temporary folder": ("open('/tm" + "p/x.png')", True),
    "home": ("data: /ho" + "me/someone/data", True),
    "package host": ("--index-" + "url https://host", True),
    "relative path": ("runs/home/x and tests/opt/y", False),
    "shell line": ("#!/usr/bin/env bash", False),
    "web address": ("https://example.org/opt/page", False),
    "fraction": ("a/b, and /or", False),
}


@pytest.mark.parametrize(("line", "is_found"), TRACE_CASES.values(), ids=TRACE_CASES)
def test_traces_are_found(line: str, is_found: bool) -> None:
    assert bool(traces(line)) == is_found
