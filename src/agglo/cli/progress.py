"""Progress on a terminal: a bar; elsewhere: a plain line every few seconds."""

import sys
import time

from agglo.core.progress import Progress

LINE_EVERY_S = 10.0
BAR_WIDTH = 28


def show(stage: str) -> Progress:
    """Return the progress of one stage, written to standard error."""
    return _Bar(stage) if sys.stderr.isatty() else _Lines(stage)


class _Bar:
    def __init__(self, stage: str) -> None:
        self.stage, self.began = stage, time.monotonic()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        filled = round(BAR_WIDTH * done / max(1, total))
        bar = "█" * filled + "░" * (BAR_WIDTH - filled)
        end = "\n" if done >= total else ""
        text = f"\r{self.stage:<12} {bar} {done}/{total}  {_time_left(self.began, done, total)}  {note:<24}"
        print(text, end=end, file=sys.stderr, flush=True)


class _Lines:
    def __init__(self, stage: str) -> None:
        self.stage, self.began, self.told = stage, time.monotonic(), 0.0

    def __call__(self, done: int, total: int, note: str = "") -> None:
        now = time.monotonic()
        if done < total and now - self.told < LINE_EVERY_S:
            return
        self.told = now
        print(
            f"{self.stage}: {done}/{total}, {_time_left(self.began, done, total)} {note}".rstrip(),
            file=sys.stderr,
            flush=True,
        )


def _time_left(began: float, done: int, total: int) -> str:
    spent = time.monotonic() - began
    if done >= total:
        return f"{spent:.0f} s"
    return f"{spent / max(1, done) * (total - done):.0f} s left" if done else "…"
