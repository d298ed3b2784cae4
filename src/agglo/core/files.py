"""Files that are whole or absent: written beside their place, flushed, then renamed over it; and how things are fingerprinted."""

import errno
import hashlib
import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

WITHOUT_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
"""How file systems without hard links say so."""


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, flush it to disk, then move it into place in one step.

    The temporary file's name is its own, so that two processes that write the same file do not get into each other's way: the last
    one wins, whole.
    """
    temporary = _filled(path, write)
    try:
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_once(path: Path, write: Callable[[Path], None]) -> bool:
    """Do as `write_atomic` unless `path` is there: of several processes the first one wins; return whether that was this one.

    What is there is never touched; whether it is what was to be written, the caller compares.
    """
    if path.exists():
        return False
    temporary = _filled(path, write)
    try:
        os.link(temporary, path)  # unlike a renaming, it refuses to replace
    except FileExistsError:
        return False
    except OSError as problem:
        if problem.errno not in WITHOUT_LINKS or path.exists():
            raise
        temporary.replace(
            path
        )  # of two in the very same instant the last one wins here; both compare afterwards
    finally:
        temporary.unlink(missing_ok=True)
    return True


def is_temporary(path: Path) -> bool:
    """Return whether a file is one that `write_atomic` had begun when its process was killed."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


def _filled(path: Path, write: Callable[[Path], None]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def forget_leftovers(path: Path) -> None:
    """Remove what a process that was killed while it wrote `path` has left beside it; for whoever is alone in writing it."""
    for left in path.parent.glob(f".{path.name}.*.tmp"):
        left.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    write_atomic(path, lambda temporary: _write_text(temporary, text))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all; NaN is refused because JSON has none."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def write_json_once(path: Path, value: Any) -> bool:
    """Write `value` as `write_json` does unless `path` is there; return whether this call wrote it."""
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    return write_once(path, lambda temporary: _write_text(temporary, text))


def read_json(path: Path) -> Any:
    """Read a JSON file in UTF-8, with or without a byte order mark (some editors write one)."""
    return json.loads(path.read_text(encoding="utf-8-sig"))


def fingerprint(value: Any) -> str:
    """Return 16 hex digits that stand for a JSON-like `value`, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
