"""The frame table of the native format, row by row, into frames; every problem is noted with its line.

The header (`dataset.json`) is read in `native`, which calls this.
"""

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar, final

from agglo.core.errors import DataError
from agglo.data.dataset import Frame, Header
from agglo.data.masks import mask_paths
from agglo.data.problems import Problems
from agglo.data.states import STATE_OF_WORD, State

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

REQUIRED = ("id", "image", "patient", "video", "index")
"""Columns that must be there, and cells that must not be blank."""

Value = TypeVar("Value")


def read_table(header: Header, expected_rows: int | None, problems: Problems) -> list[Frame]:
    """Return the frames of `frames.csv` in `header.folder`; rows with problems are left out, the problems are noted.

    `expected_rows` is what `dataset.json` counted, or None. Raises `DataError` where columns are amiss, since no row can be read.
    """
    columns, rows = read_cells(header.folder / "frames.csv")
    for column in [*REQUIRED, *(f"state:{structure}" for structure in header.structures)]:
        if column not in columns:
            problems.add(f"frames.csv: the column `{column}` must be there; add it")
    for column in columns:
        prefix, _, structure = column.partition(":")
        if prefix in ("state", "visible") and structure and structure not in header.structures:
            problems.add(
                f"frames.csv: the column `{column}` must name a structure of dataset.json; rename or remove it"
            )
    if len(set(columns)) < len(columns):
        problems.add(f"frames.csv: columns must be distinct, they are {columns}")
    if expected_rows is not None and expected_rows != len(rows):
        problems.add(
            f"frames.csv: must have the {expected_rows} rows that dataset.json counts, it has {len(rows)}; restore the missing "
            "ones, or remove `counts` if the change was meant"
        )
    problems.raise_if_any()
    frames = []
    for number, cells in enumerate(rows, start=2):
        if len(cells) != len(columns):
            problems.add(
                f"frames.csv line {number}: must have {len(columns)} cells like the first line, it has {len(cells)}"
            )
            continue
        frame = _Row(dict(zip(columns, cells, strict=True)), number, problems).frame(header)
        frames.extend([] if frame is None else [frame])
    _check_together(frames, problems)
    return frames


def read_cells(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the first line and the other, non-blank lines of a table; raises `DataError` if it is none."""
    if not path.is_file():
        raise DataError(
            f"{path} must be there, it is missing; the dataset was not written to its end: write it again."
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [line for line in csv.reader(file) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} must be a CSV table in UTF-8, reading it gave: {error}; save it again as such."
        ) from None
    if not lines:
        raise DataError(f"{path} must have a line of column names, it is empty; write the dataset again.")
    return lines[0], lines[1:]


@final
class _Row:
    """One row of a frame table being read; what is wrong goes to the problems with its line number."""

    def __init__(self, cells: Mapping[str, str], number: int, problems: Problems) -> None:
        """Begin with the row's cells by column, found at line `number`; blanks around a cell mean nothing ('p1 ' is patient p1)."""
        self.cells = {column: cell.strip() for column, cell in cells.items()}
        self.place = f"frames.csv line {number}"
        self.problems = problems

    def frame(self, header: Header) -> Frame | None:
        """Return the frame, or None when something in the row is wrong."""
        before = len(self.problems.found)
        states = tuple(self._state(structure) for structure in header.structures)
        spacing = [self._number("spacing_row_mm", _positive), self._number("spacing_col_mm", _positive)]
        if bool(self.cells.get("spacing_row_mm")) != bool(self.cells.get("spacing_col_mm")):
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
            facts={column: cell for column, cell in self.cells.items() if _is_fact(column)},
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
            if column in REQUIRED:
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
