"""How long work tells that it goes on, without any room knowing of a terminal.

Long functions take a `Progress` and call it after each piece; the command line hands in a bar, tests hand in `silent`.
"""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """Called with pieces done, pieces in all, and a short note; must be cheap."""

    def __call__(self, done: int, total: int, note: str = "") -> None: ...


def silent(done: int, total: int, note: str = "") -> None:
    """Tell nobody."""
