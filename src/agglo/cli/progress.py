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

    def __call__(self, done: int, total: int, note: str = "", *, left_s: float | None = None) -> None:
        filled = round(BAR_WIDTH * done / total) if total > 0 else 0
        bar = "█" * filled + "░" * (BAR_WIDTH - filled)
        end = "\n" if 0 < total <= done else ""
        text = f"\r{self.stage:<12} {bar} {done}/{total or '?'}  {_time_left(self.began, done, total, left_s)}  {note:<24}"
        print(text, end=end, file=sys.stderr, flush=True)


class _Lines:
    def __init__(self, stage: str) -> None:
        self.stage, self.began, self.told = stage, time.monotonic(), 0.0

    def __call__(self, done: int, total: int, note: str = "", *, left_s: float | None = None) -> None:
        now = time.monotonic()
        if (done < total or total <= 0) and now - self.told < LINE_EVERY_S:
            return
        self.told = now
        print(
            f"{self.stage}: {done}/{total or '?'}, {_time_left(self.began, done, total, left_s)} {note}".rstrip(),
            file=sys.stderr,
            flush=True,
        )


def _time_left(began: float, done: int, total: int, left_s: float | None) -> str:
    """Return what is left: as told, else by the mean speed so far; a `total` of 0 means that nobody knows how much there is."""
    spent = time.monotonic() - began
    if total <= 0:
        return f"{spent:.0f} s, length unknown"
    if done >= total:
        return f"{spent:.0f} s"
    if not done:
        return "…"
    return f"{spent / done * (total - done) if left_s is None else left_s:.0f} s left"
