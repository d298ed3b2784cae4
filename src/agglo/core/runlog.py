"""The run log: one JSON object a line, flushed as it is written, readable while the run goes on.

A process that dies may leave half a line at the end; the next one cuts it off before it goes on. On resume, lines of steps after
the checkpoint are dropped, so that the log of a resumed run is that of an uninterrupted one.
"""

import json
from pathlib import Path
from typing import Any

from agglo.core.files import write_text


class RunLog:
    """Append-only log of one stage."""

    def __init__(self, path: Path, *, keep_until_step: int | None = None) -> None:
        """Open `path` for appending; entries whose `step` is over `keep_until_step` are dropped first."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [
            entry
            for entry in read_log(path)
            if keep_until_step is None or entry.get("step", 0) <= keep_until_step
        ]
        write_text(path, "".join(_as_line(entry) for entry in kept))

    def write(self, **entry: Any) -> None:
        """Append one entry; values must be JSON-like."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_as_line(entry))


def _as_line(entry: dict[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the whole entries of a log, oldest first; an absent file gives an empty list, a torn last line is left out."""
    if not path.exists():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return entries
