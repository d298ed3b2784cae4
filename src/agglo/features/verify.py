"""Whether a store still holds what was written, and how to rid it of what does not hold."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agglo.core.errors import StoreError
from agglo.core.files import fingerprint, is_temporary, sha256_of
from agglo.features.column import Column
from agglo.features.marker import is_stale, read_marker
from agglo.features.online import OnlineColumn
from agglo.features.store import FeatureStore

Kind = Literal["missing", "damaged", "foreign", "leftover", "codec"]
UNFINISHED = "unfinished"
"""Folder of columns that are being requantised, put aside or removed."""
DROPPED, REPLACED = "-dropped", "-replaced"
"""Ends of the names, there, of columns that are being removed, or have been put aside for the one that takes their place."""


@dataclass(frozen=True)
class Problem:
    """Something that does not hold.

    Attributes:
        kind: `missing` (not extracted yet), `damaged` (other bytes than were written), `foreign` (made from something else),
        `leftover`
            (what a killed process left behind), `codec` (of a whole column, without which its codes mean nothing).
        column: of which column; None for files of the store.
        block: of which block; None where it is not of one.
        text: the rest of the sentence.
        files: what pruning removes.
    """

    kind: Kind
    column: str | None
    block: int | None
    text: str
    files: tuple[Path, ...] = ()

    def __str__(self) -> str:
        """Return one line that names column, block and what is wrong."""
        place = [self.column or "", f"block {self.block}" if self.block is not None else ""]
        return ": ".join(each for each in (*place, self.text) if each)

    def to_json(self) -> dict[str, Any]:
        """Return kind, column, block and text."""
        return {"kind": self.kind, "column": self.column, "block": self.block, "text": self.text}


def verify(store: FeatureStore) -> list[Problem]:
    """Read every byte of a store; return what is wrong, by column and block, leftover files last."""
    found = [problem for name in store.teachers for problem in verify_column(store.column(name))]
    return found + list(_online_problems(store)) + list(_leftovers(store))


def _online_problems(store: FeatureStore) -> Iterator[Problem]:
    """Yield which teachers that look at each batch anew have lost the statistics that a student is tied to."""
    for name in OnlineColumn.names(store.folder):
        column = OnlineColumn.open(store.folder, store.samples, name)
        try:
            if not column.needs_pilot:
                column.moments()
        except StoreError as problem:
            yield Problem("damaged", f"online/{name}", None, str(problem))


def verify_column(column: Column) -> list[Problem]:
    """Read every byte of a column; return what is missing, damaged or of another column."""
    blocks = range(column.num_blocks)
    there = [block for block in blocks if column.marker_file(block).exists()]
    missing = sorted(set(blocks) - set(there))
    if text := _codec_problem(column, has_blocks=bool(there)):
        return [Problem("codec", column.folder.name, None, f"{text}, and without it codes mean nothing")]
    found = [Problem("missing", column.folder.name, block, "is missing") for block in missing]
    for block in there:
        files = (column.marker_file(block), column.shard_file(block), column.moments_file(block))
        if wrong := _block_problem(column, block):
            found.append(Problem(wrong[0], column.folder.name, block, wrong[1], files))
    return found


def _codec_problem(column: Column, *, has_blocks: bool) -> str:
    if column.needs_pilot:
        return "its codec is gone" if has_blocks else ""
    try:
        codec = column.codec
    except StoreError:
        return "its codec is damaged"
    if codec is not None and codec.rotation.shape != (column.sample_shape[0], column.dim):
        return f"its codec is another column's (of shape {codec.rotation.shape})"
    return ""


def _block_problem(column: Column, block: int) -> tuple[Kind, str] | None:
    marker_file, shard = column.marker_file(block), column.shard_file(block)
    try:
        marker = read_marker(marker_file)
    except StoreError:
        return "damaged", f"its marker ({marker_file.name}) is damaged"
    sha256, size = str(marker["sha256"]), marker.get("bytes")
    if marker.get("column", column.fingerprint) != column.fingerprint:
        return (
            "foreign",
            "was made by another teacher, with other preprocessing, or with another codec than its column",
        )
    if is_stale(marker, column.fingerprint, expected := len(column.block_range(block))):
        return "damaged", f"it has {marker['samples']} of its {expected} samples: the store has grown since"
    if not shard.exists():
        return "damaged", "its features are gone"
    found = shard.stat().st_size
    if size is not None and found != size:
        return (
            "damaged",
            f"its features are {'cut short' if found < size else 'too long'} ({found} bytes, {size} were written)",
        )
    if sha256_of(shard) != sha256:
        return "damaged", "its features are not those that were written (flipped bits)"
    text = _statistics_problem(column, block, marker.get("moments_sha256"))
    return ("damaged", text) if text else None


def _statistics_problem(column: Column, block: int, sha256: str | None) -> str:
    file = column.moments_file(block)
    if not file.exists():
        return "its statistics are gone"
    if sha256 is not None and sha256_of(file) != sha256:
        return "its statistics are not those that were written"
    try:
        column.block_moments(block)
    except StoreError:
        return "its statistics cannot be read"
    return ""


def _leftovers(store: FeatureStore) -> Iterator[Problem]:
    """Yield what killed processes left behind: half-written files, pilots that are over, unfinished columns."""
    for file in sorted(store.folder.rglob("*")):
        if is_temporary(file) or file.name.endswith(".partial"):
            where = file.relative_to(store.folder)
            yield Problem("leftover", None, None, f"{where} is a half-written file", (file,))
    for name in store.teachers:
        column = store.column(name)
        pilot = column.folder / "pilot"
        if pilot.exists() and not column.needs_pilot:
            yield Problem(
                "leftover", name, None, "its pilot is over, but its portions are still there", (pilot,)
            )
    unfinished = store.folder / UNFINISHED
    for folder in sorted(unfinished.iterdir()) if unfinished.exists() else ():
        yield _unfinished(store, folder)


def _unfinished(store: FeatureStore, folder: Path) -> Problem:
    """Say what a column outside of the others is; one that was put aside is kept until another one has its place."""
    where = f"{UNFINISHED}/{folder.name}"
    if folder.name.endswith(DROPPED):
        return Problem("leftover", None, None, f"{where} is what is left of a removed column", (folder,))
    if not folder.name.endswith(REPLACED):
        text = f"{where} is a column that `agglo store requantise` has begun: go on with it, or prune"
        return Problem("leftover", None, None, text, (folder,))
    if folder.name.removesuffix(REPLACED) in map(fingerprint, store.teachers):
        text = f"{where} is a column that has been replaced: the same `agglo store requantise --replace` removes it, or prune"
        return Problem("leftover", None, None, text, (folder,))
    text = f"{where} is a column that was put aside to be replaced: run the same `agglo store requantise --replace` again"
    return Problem("leftover", None, None, text)


def prune(store: FeatureStore) -> tuple[list[Problem], int]:
    """Remove blocks that are damaged or foreign, and what killed processes left behind; return what was removed, and bytes freed.

    Blocks that hold, and columns as such, are left alone: a column whose codec is damaged is named by `verify`, and removed by
    `drop_column`. Nothing else may write to the store meanwhile.
    """
    gone = [problem for problem in verify(store) if problem.files]
    return gone, sum(_remove(file) for problem in gone for file in problem.files)


def drop_column(store: FeatureStore, teacher: str) -> int:
    """Remove a whole column; return the bytes freed. The other columns are not touched.

    Raises:
        StoreError: there is none of this name.
    """
    folder, aside = (
        store.column(teacher).folder,
        store.folder / UNFINISHED / f"{fingerprint(teacher)}{DROPPED}",
    )
    freed = _remove(aside)  # of a removal that was killed
    aside.parent.mkdir(exist_ok=True)
    folder.rename(aside)  # at once: of half a column, what is left would be taken for another one's
    freed += _remove(aside)
    if not any(aside.parent.iterdir()):
        aside.parent.rmdir()
    return freed


def _remove(path: Path) -> int:
    """Remove a file or a folder, if it is there; return its bytes."""
    if path.is_dir():
        freed = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        shutil.rmtree(path)
        return freed
    freed = path.stat().st_size if path.exists() else 0
    path.unlink(missing_ok=True)
    return freed
