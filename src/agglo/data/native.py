"""The native format, version 1: how a dataset folder is read and validated on opening, without reading a pixel.

    dataset.json    format_version, name, structures, groups, mask_encoding, description, counts
    frames.csv      one row a frame: the columns below, `state:<structure>` for each structure, `visible:<structure>` where known;
                    every other column is a fact
    images/, masks/ whatever the columns `image` and `mask` name (`;` between several files; a blank `mask` means none);
                    with `per_structure` masks there is no `mask` column: a structure that is present has
                    masks/<structure>/<id>.png

Writing is in `write`; looking into the pixels for contradictions is in `check`.
"""

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from agglo.core.errors import DataError
from agglo.core.files import read_json
from agglo.data.dataset import Frame, Header
from agglo.data.masks import KINDS, Kind, MaskEncoding, mask_paths
from agglo.data.problems import Problems
from agglo.data.states import STATE_OF_WORD, State

FORMAT_VERSION = 1
COLUMNS = (
    "id",
    "image",
    "mask",
    "patient",
    "video",
    "swallow",
    "index",
    "spacing_row_mm",
    "spacing_col_mm",
    "spacing_source",
    "fps",
    "fps_source",
)
"""The columns of a frame table that are no facts, no states and no visibilities, in the order they are written."""

_REQUIRED = ("id", "image", "patient", "video", "index")
_KEYS = ("format_version", "name", "structures", "groups", "mask_encoding", "description")

Value = TypeVar("Value")


def read_native(folder: Path) -> tuple[Header, list[Frame]]:
    """Return the header and the frames of the dataset in `folder`; raises one `DataError` with all problems found."""
    problems = Problems(str(folder))
    header = _read_header(folder, problems)
    problems.raise_if_any()
    rows, columns = _read_table(folder, header.structures, problems)
    problems.raise_if_any()
    frames = []
    for number, row in enumerate(rows, start=2):
        frame = _Row(row, columns, number, problems).frame(header)
        if frame is not None:
            frames.append(frame)
    _check_together(frames, problems)
    problems.raise_if_any()
    return header, frames


def _read_header(folder: Path, problems: Problems) -> Header:
    path = folder / "dataset.json"
    try:
        content = read_json(path)
    except ValueError as error:
        raise DataError(f"{path} must be JSON, reading it gave: {error}; write the dataset again.") from None
    if not isinstance(content, dict):
        raise DataError(
            f"{path} must be a JSON object with {', '.join(_KEYS)}, it is a {type(content).__name__}."
        )
    if content.get("format_version") != FORMAT_VERSION:
        raise DataError(
            f"{path} must have format_version {FORMAT_VERSION}, it has {content.get('format_version')!r}; "
            "use the version of Agglo that wrote it, or write it again."
        )
    for key in _KEYS:
        if key not in content:
            problems.add(f"dataset.json: `{key}` must be there; add it")
    structures = content.get("structures", [])
    problems.found.extend(structure_problems(structures, content.get("groups", {})))
    kind: Kind = content.get("mask_encoding", "bitfield")
    if kind not in KINDS:
        problems.add(f"dataset.json: `mask_encoding` must be one of {list(KINDS)}, it is {kind!r}")
    problems.raise_if_any()
    first = 1 if kind == "index" else 0
    return Header(
        folder=folder,
        name=str(content["name"]),
        structures=tuple(structures),
        groups={group: tuple(members) for group, members in content["groups"].items()},
        encoding=MaskEncoding(kind, tuple(range(first, first + len(structures)))),
        description=content["description"],
    )


def structure_problems(structures: Any, groups: Any) -> list[str]:
    """Return what is wrong with the names of structures and groups: they must be distinct, usable as folder names, and known."""
    if not isinstance(structures, list | tuple) or not all(isinstance(name, str) for name in structures):
        return [f"`structures` must be a list of names, it is {structures!r}"]
    found = []
    if len(set(structures)) < len(structures):
        found.append(f"`structures` must be distinct, they are {list(structures)}")
    for name in structures:
        if (
            not name
            or name != name.strip()
            or name.startswith(".")
            or any(letter in name for letter in '/\\:;,"')
        ):
            found.append(
                f'structure {name!r} must be a name without / \\ : ; , " and not start with a dot; rename it'
            )
    if not isinstance(groups, Mapping):
        return [*found, f"`groups` must map a name to structures, it is {groups!r}"]
    for group, members in groups.items():
        unknown = [name for name in members if name not in structures]
        if unknown:
            found.append(
                f"group {group!r} must hold structures of the dataset only, it also has {unknown}; remove them"
            )
    return found


def _read_table(
    folder: Path, structures: Sequence[str], problems: Problems
) -> tuple[list[dict[str, str]], tuple[str, ...]]:
    path = folder / "frames.csv"
    if not path.is_file():
        raise DataError(
            f"{path} must be there, it is missing; the dataset was not written to its end: write it again."
        )
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = tuple(reader.fieldnames or ())
        rows = [{column: cell or "" for column, cell in row.items() if column is not None} for row in reader]
    needed = [*_REQUIRED, *(f"state:{structure}" for structure in structures)]
    for column in needed:
        if column not in columns:
            problems.add(f"frames.csv: the column `{column}` must be there; add it")
    for column in columns:
        prefix, _, structure = column.partition(":")
        if prefix in ("state", "visible") and structure and structure not in structures:
            problems.add(
                f"frames.csv: the column `{column}` must name a structure of dataset.json; rename or remove it"
            )
    if len(set(columns)) < len(columns):
        problems.add(f"frames.csv: columns must be distinct, they are {list(columns)}")
    counted = read_json(folder / "dataset.json").get("counts", {}).get("frames", len(rows))
    if counted != len(rows):
        problems.add(
            f"frames.csv: must have the {counted} rows that dataset.json counts, it has {len(rows)}; restore the missing ones, "
            "or remove `counts` if the change was meant"
        )
    return rows, columns


class _Row:
    """One row of a frame table being read; what is wrong goes to the problems with its line number."""

    def __init__(
        self, cells: Mapping[str, str], columns: Sequence[str], number: int, problems: Problems
    ) -> None:
        self.cells = cells
        self.columns = columns
        self.place = f"frames.csv line {number}"
        self.problems = problems

    def frame(self, header: Header) -> Frame | None:
        """Return the frame, or None when something in the row is wrong."""
        before = len(self.problems.found)
        states = tuple(self._state(structure) for structure in header.structures)
        spacing = [self._number("spacing_row_mm", _positive), self._number("spacing_col_mm", _positive)]
        if (spacing[0] is None) != (spacing[1] is None):
            self._problem("spacing_row_mm and spacing_col_mm must be given together or not at all")
        frame = Frame(
            id=self._text("id"),
            patient=self._text("patient"),
            video=self._text("video"),
            swallow=self.cells.get("swallow", ""),
            index=self._number("index", _whole) or 0,
            spacing_mm=None if spacing[0] is None or spacing[1] is None else (spacing[0], spacing[1]),
            spacing_source=self.cells.get("spacing_source") or "none",
            fps=self._number("fps", _positive),
            fps_source=self.cells.get("fps_source") or "none",
            states=states,
            visible=tuple(self._visible(structure) for structure in header.structures),
            image=self._file(header.folder, self._text("image")),
            mask_files=self._mask_files(header, states),
            facts={column: self.cells[column] for column in self.columns if _is_fact(column)},
        )
        return frame if len(self.problems.found) == before else None

    def _problem(self, text: str) -> None:
        self.problems.add(f"{self.place}: {text}")

    def _text(self, column: str) -> str:
        if not self.cells[column]:
            self._problem(f"`{column}` must not be blank")
        return self.cells[column]

    def _number(self, column: str, parse: Callable[[str], Value]) -> Value | None:
        cell = self.cells.get(column, "")
        if not cell:
            if column in _REQUIRED:
                self._problem(f"`{column}` must not be blank")
            return None
        try:
            return parse(cell)
        except ValueError as error:
            self._problem(f"`{column}` must be {error}, it is {cell!r}")
            return None

    def _state(self, structure: str) -> State:
        cell = self.cells[f"state:{structure}"].strip()
        if cell not in STATE_OF_WORD:
            self._problem(
                f"`state:{structure}` must be one of {sorted(STATE_OF_WORD)[1:]} or blank, it is {cell!r}"
            )
        return STATE_OF_WORD.get(cell, State.UNLABELLED)

    def _visible(self, structure: str) -> float:
        share = self._number(f"visible:{structure}", _share)
        return 1.0 if share is None else share

    def _mask_files(self, header: Header, states: Sequence[State]) -> tuple[Path | None, ...]:
        kind = header.encoding.kind
        named = [name for name in self.cells.get("mask", "").split(";") if name]
        expected = mask_paths(header.folder, kind, self.cells["id"], header.structures)
        if kind == "per_structure":
            return tuple(
                self._file(header.folder, str(path.relative_to(header.folder)))
                if state is State.PRESENT
                else None
                for path, state in zip(expected, states, strict=True)
            )
        present = [
            name for name, state in zip(header.structures, states, strict=True) if state is State.PRESENT
        ]
        if present and not named:
            self._problem(
                f"`mask` must name a file, since {present} are present; add it, or leave the states blank"
            )
        if named and len(named) != len(expected):
            self._problem(
                f"`mask` must name {len(expected)} file(s) for {len(states)} structures, it names {len(named)}"
            )
        return tuple(self._file(header.folder, name) for name in named)

    def _file(self, folder: Path, name: str) -> Path:
        path = folder / name
        if name and not path.is_file():
            self._problem(
                f"{name} must be a file in the dataset's folder, there is none; restore it or remove the row"
            )
        return path


def _is_fact(column: str) -> bool:
    return column not in COLUMNS and not column.startswith(("state:", "visible:"))


def _limited(cell: str, low: float, high: float, words: str, *, may_be_low: bool) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not (low < number <= high or (may_be_low and number == low)) or math.isinf(number):
        raise ValueError(words)
    return number


_positive = partial(_limited, low=0.0, high=math.inf, words="a number above 0", may_be_low=False)
_share = partial(_limited, low=0.0, high=1.0, words="a number from 0 to 1", may_be_low=True)


def _whole(cell: str) -> int:
    if not cell.isdecimal():
        raise ValueError("a whole number of at least 0")
    return int(cell)


def _check_together(frames: Sequence[Frame], problems: Problems) -> None:
    """Note ids used twice and places in a video taken twice."""
    for what, keys in (
        ("id", [frame.id for frame in frames]),
        ("patient, video and index", [f"{frame.patient}, {frame.video}, {frame.index}" for frame in frames]),
    ):
        seen: set[str] = set()
        for key in keys:
            if key in seen:
                problems.add(
                    f"frames.csv: {what} must be unique, {key} occurs more than once; number the frames anew"
                )
            seen.add(key)
