"""How long work tells that it goes on, without any room knowing of a terminal.

Long functions take a `Progress` and call it after each piece; the command line hands in a bar, tests hand in `silent`.
"""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """Called with pieces done, pieces in all, and a short note; must be cheap.

    Where pieces differ in length, and it is known by how much, `left_s` says how many seconds are left.
    """

    def __call__(self, done: int, total: int, note: str = "", *, left_s: float | None = None) -> None: ...


def silent(done: int, total: int, note: str = "", *, left_s: float | None = None) -> None:
    """Tell nobody."""
