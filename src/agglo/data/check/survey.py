"""A dataset's folder as it is, with nothing believed yet: rows, cells and files, read as far as they can be.

Opening (`native`, `importers`) stops at what it cannot use; a survey notes it and goes on, so that one broken line hides no other.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from agglo.core.errors import DataError, ImageError
from agglo.data.check.report import Problem
from agglo.data.masks import Kind
from agglo.data.states import STATE_OF_WORD, State


@dataclass(frozen=True)
class Row:
    """One frame as the folder states it.

    Attributes:
        number: of the frame, from 0, as splits count.
        place: where it is stated, for people.
        cells: of the frame table by column; made up alike for folders without one.
        states: of every structure; None for those that are read off the masks; None as a whole where nothing is stated.
        image: the picture's path, or None where none is named.
        masks: paths of its masks, in the encoding's order.
        is_torn: whether the row has too few or too many cells to be believed.
    """

    number: int
    place: str
    cells: Mapping[str, str]
    states: tuple[State | None, ...]
    image: Path | None
    masks: tuple[Path | None, ...]
    is_torn: bool = False

    def cell(self, column: str) -> str:
        """Return a cell without blanks around it; "" where there is none."""
        return self.cells.get(column, "").strip()

    @property
    def video(self) -> tuple[str, str]:
        """The video's name, which counts within its patient."""
        return self.cell("patient"), self.cell("video")


@final
@dataclass
class Survey:
    """What a folder holds, and what was wrong with reading it.

    Attributes:
        folder: that was looked into.
        layout: "native", "plain" or "unknown".
        name: of the dataset.
        structures: names in mask order.
        encoding: of the masks; None where it cannot be told.
        content: of dataset.json or classes.json; empty where broken.
        columns: of the frame table.
        rows: its frames.
        without_pixels: what a structure without pixels is where states are read off the masks.
        raters: names of the raters.
        split_files: splits to look into.
        problems: found while reading.
    """

    folder: Path
    layout: str = "unknown"
    name: str = ""
    structures: tuple[str, ...] = ()
    encoding: Kind | None = None
    content: Mapping[str, Any] = field(default_factory=dict)
    columns: Sequence[str] = ()
    rows: list[Row] = field(default_factory=list)
    without_pixels: State = State.ABSENT
    raters: tuple[str, ...] = ()
    split_files: Sequence[Path] = ()
    problems: list[Problem] = field(default_factory=list)

    def note(self, kind: str, where: str, found: str) -> None:
        """Note one problem."""
        self.problems.append(Problem(kind, where, found))

    def relative(self, path: Path) -> str:
        """Return a path as people name it: relative to the folder where it lies inside."""
        return path.relative_to(self.folder).as_posix() if path.is_relative_to(self.folder) else str(path)


def read_lenient_json(survey: Survey, path: Path) -> Any:
    """Return the content of a JSON file; None, with a problem noted, where it has none."""
    try:
        return json.loads(_bytes_of(path).decode("utf-8-sig"))
    except FileNotFoundError:
        survey.note("broken_json", survey.relative(path), "is missing")
    except (OSError, ValueError, RecursionError) as error:
        survey.note("broken_json", survey.relative(path), f"cannot be read: {one_line(error)}")
    return None


def _bytes_of(path: Path) -> bytes:
    """Return a file's content; raises `ValueError` for a pipe or a device, at which reading would wait for ever."""
    if path.exists() and not path.is_dir() and not path.is_file():
        raise ValueError("it is a pipe or a device, not a file")
    return path.read_bytes()


def read_lenient_table(survey: Survey, path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the columns of a CSV table and its rows with their line numbers; what is amiss is noted and bridged if it can be."""
    place = survey.relative(path)
    try:
        raw = _bytes_of(path)
    except (OSError, ValueError) as error:
        is_missing = isinstance(error, FileNotFoundError)
        survey.note(
            "broken_table", place, "is missing" if is_missing else f"cannot be read: {one_line(error)}"
        )
        return [], []
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        survey.note("broken_table", f"{place} line {line}", f"is not UTF-8: byte 0x{raw[error.start]:02x}")
        text = raw.decode("utf-8-sig", errors="replace")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        survey.note("broken_table", f"{place} line {line}", "has a NUL byte in it")
        text = text.replace("\0", "")
    header = text.partition("\n")[0]
    delimiter = next((mark for mark in ";\t" if mark in header and "," not in header), ",")
    if delimiter != ",":
        survey.note("broken_table", place, f"has columns separated by {delimiter!r}")
    return _cells(survey, place, text, delimiter)


def _cells(
    survey: Survey, place: str, text: str, delimiter: str
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    lines: list[tuple[int, list[str]]] = []
    try:
        begin = 1
        for cells in reader:
            if cells:
                lines.append((begin, cells))
            begin = reader.line_num + 1
    except csv.Error as error:
        survey.note("broken_table", f"{place} line {reader.line_num}", f"is no CSV: {error}")
    if not lines:
        survey.note("broken_table", place, "has no line of column names")
        return [], []
    return lines[0][1], lines[1:]


def stated_states(cells: Mapping[str, str], structures: Sequence[str]) -> tuple[State | None, ...]:
    """Return the state of every structure; None where the cell is missing or no state at all."""
    words = [cells.get(f"state:{structure}") for structure in structures]
    return tuple(None if word is None else STATE_OF_WORD.get(word.strip()) for word in words)


def files_below(folder: Path) -> list[Path]:
    """Return every file below `folder`, hidden ones left out, sorted; none where there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def one_line(error: BaseException) -> str:
    """Return an error's words in one line, without what Agglo itself would advise; the report says that once."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ImageError | DataError) and "gave: " in text:
        text = text.partition("gave: ")[2].rpartition(";")[0]
    return text
