"""A full disk or a missing right is for the user to mend: one message, exit code 2. Other errors of files show as bugs."""

import errno
import os

import pytest

from agglo.cli import console


def fail_with(number: int) -> None:
    raise OSError(number, os.strerror(number), "runs/x/features")


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "make room on the disk"), (errno.EACCES, "choose a place"), (errno.EROFS, "written to")],
    ids=["full", "no right", "read only"],
)
def test_the_machine_refuses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, remedy: str
) -> None:
    monkeypatch.setattr(console, "app", lambda: fail_with(number))
    with pytest.raises(SystemExit) as stop:
        console.main()
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert remedy in said
    assert "runs/x/features" in said
    assert os.strerror(number) in said


def test_a_lost_file_is_not_called_the_users_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "app", lambda: fail_with(errno.ENOENT))
    with pytest.raises(FileNotFoundError):
        console.main()
