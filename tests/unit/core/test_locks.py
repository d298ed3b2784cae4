"""A folder's lock: it keeps others out, lets sharers in, and ends with its process however that ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agglo.core import locks
from agglo.core.errors import RunFolderError
from agglo.core.locks import locked

HOLD = """
import sys, time
from pathlib import Path
from agglo.core.locks import locked
with locked(Path(sys.argv[1]), is_shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(file: Path, how: str) -> subprocess.Popen[str]:
    """Start a process that holds the lock, and return once it does."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file), how], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def holder(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    process = hold(tmp_path / "run" / ".lock", request.param)
    yield process
    process.kill()
    process.communicate()


CASES = {  # name: (held how, asked for how, whether it is given)
    "one keeps one out": ("alone", False, False),
    "one keeps sharers out": ("alone", True, False),
    "sharers keep one out": ("shared", False, False),
    "sharers let sharers in": ("shared", True, True),
}


@pytest.mark.parametrize(("holder", "is_shared", "is_given"), CASES.values(), ids=CASES, indirect=["holder"])
def test_who_gets_in(tmp_path: Path, holder: subprocess.Popen[str], is_shared: bool, is_given: bool) -> None:
    file = tmp_path / "run" / ".lock"
    if is_given:
        with locked(file, is_shared=is_shared):
            return
    with (
        pytest.raises(RunFolderError, match=r"one process at a time may work in .*run, but .* does; nothing"),
        locked(file, is_shared=is_shared),
    ):
        pytest.fail("two were let in")


@pytest.mark.parametrize("holder", ["alone", "shared"], indirect=True)
def test_the_message_names_who_is_there_and_a_killed_holder_holds_nothing(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    file = tmp_path / "run" / ".lock"
    with pytest.raises(RunFolderError, match=f"but process {holder.pid} on "), locked(file):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with locked(file):
        assert file.read_text().startswith(f"process {os.getpid()} on ")


@pytest.mark.parametrize("holder", ["alone"], indirect=True)
def test_whoever_waits_is_told_once_for_whom(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    told: list[str] = []

    def release() -> None:
        while not told:
            time.sleep(0.01)
        time.sleep(2.5 * locks.ASK_EVERY_S)
        holder.kill()

    thread = threading.Thread(target=release)
    thread.start()
    with locked(tmp_path / "run" / ".lock", on_wait=told.append):
        assert [f"process {holder.pid} on " in line for line in told] == [True]
    thread.join()


def test_without_locks_the_work_goes_on_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(handle: object, operation: int) -> None:
        raise OSError(locks.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "lockf", refuse)
    with locked(tmp_path / ".lock"):
        pass
    assert "this file system has no locks (No locks available)" in caplog.text
