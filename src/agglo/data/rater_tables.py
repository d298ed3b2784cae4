"""Raters in the native format: a folder each, so that one can be added without touching what is there.

    masks/<rater>/states.csv    a row for each frame the rater has seen: `id`, and `state:<structure>` for each structure
    masks/<rater>/...           that rater's masks, laid out and encoded as those in `masks/`

`dataset.json` names them (`raters`) and says whose labels count (`reference`: "own", the default, for the frame table's; a rater's
name; "first"; or "majority").
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from agglo.core.errors import DataError
from agglo.core.files import write_text
from agglo.data.dataset import Frame, Header
from agglo.data.masks import mask_paths
from agglo.data.problems import Problems
from agglo.data.raters import OWN, RULES, RaterLabels, reference_labels
from agglo.data.states import STATE_OF_WORD, State
from agglo.data.table import read_cells


def rater_problems(names: Any, reference: Any, structures: Sequence[str]) -> list[str]:
    """Return what is wrong with `raters` and `reference` of a dataset."""
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        return [f"`raters` must be a list of names, it is {names!r}"]
    found = []
    if len(set(names)) < len(names):
        found.append(f"`raters` must be distinct, they are {list(names)}")
    for name in names:
        is_usable = bool(name) and name.isascii() and name.replace("_", "").replace("-", "").isalnum()
        if not is_usable or name in structures or name in RULES:
            found.append(
                f"rater {name!r} must be letters, digits, `_` and `-`, and be called neither like a structure nor one of "
                f"{list(RULES)}; rename it"
            )
    if reference != OWN and reference not in names and (reference not in RULES or not names):
        found.append(
            f"`reference` must be one of {[OWN, *RULES[1:], *names]}, it is {reference!r}"
            + ("" if names else "; name `raters` first")
        )
    return found


def with_raters(header: Header, frames: Sequence[Frame], problems: Problems) -> list[Frame]:
    """Return `frames` with what each rater of `header` says, and labelled as its `reference` rules; problems are noted."""
    if not header.raters:
        return list(frames)
    ids = {frame.id for frame in frames}
    tables = {rater: _read_states(header, rater, ids, problems) for rater in header.raters}
    found = []
    for frame in frames:
        raters = {
            rater: _labels(header, rater, frame.id, table[frame.id], problems)
            for rater, table in tables.items()
            if frame.id in table
        }
        found.append(replace(frame, raters=raters))
    return found if header.reference == OWN else [_by_reference(header, frame) for frame in found]


def _by_reference(header: Header, frame: Frame) -> Frame:
    states, files = reference_labels(frame.raters, header.reference, len(header.structures))
    return replace(frame, states=states, mask_files=files)


def _read_states(
    header: Header, rater: str, ids: set[str], problems: Problems
) -> dict[str, tuple[State, ...]]:
    """Return the states of every frame in a rater's table by the frame's id."""
    place = f"masks/{rater}/states.csv"
    try:
        columns, rows = read_cells(header.folder / place)
    except DataError as error:
        problems.add(str(error))
        return {}
    missing = [
        name for name in ("id", *(f"state:{each}" for each in header.structures)) if name not in columns
    ]
    if missing:
        problems.add(f"{place}: the columns {missing} must be there; add them")
        return {}
    table: dict[str, tuple[State, ...]] = {}
    for line, cells in enumerate(rows, start=2):
        row = dict(zip(columns, cells, strict=False))
        frame = row.get("id", "").strip()
        words = [row.get(f"state:{structure}", "").strip() for structure in header.structures]
        if len(cells) != len(columns) or frame not in ids or frame in table:
            problems.add(
                f"{place} line {line}: must have {len(columns)} cells and name a frame of frames.csv once, it has {len(cells)} "
                f"and names {frame!r}; mend or remove it"
            )
            continue
        for word in sorted(set(words) - set(STATE_OF_WORD)):
            problems.add(
                f"{place} line {line}: states must be of {sorted(STATE_OF_WORD)[1:]} or blank, got {word!r}"
            )
        table[frame] = tuple(STATE_OF_WORD.get(word, State.UNLABELLED) for word in words)
    return table


def _labels(
    header: Header, rater: str, frame: str, states: tuple[State, ...], problems: Problems
) -> RaterLabels:
    """Return what `rater` says of `frame`, with the files that the present structures need."""
    paths = mask_paths(header.folder, header.encoding.kind, frame, header.structures, rater=rater)
    if header.encoding.kind == "per_structure":
        needed = [state is State.PRESENT for state in states]
        files = tuple(path if is_needed else None for path, is_needed in zip(paths, needed, strict=True))
    else:
        is_needed = State.PRESENT in states
        files = tuple(paths) if is_needed or all(path.is_file() for path in paths) else ()
    for path in files:
        if path is not None and not path.is_file():
            problems.add(
                f"{path.relative_to(header.folder).as_posix()} must be a file, since {rater} calls structures in {frame} present; "
                "restore it or mend the state"
            )
    return RaterLabels(states, files)


def write_states(folder: Path, structures: Sequence[str], table: Mapping[str, Sequence[State]]) -> None:
    """Write a rater's table of states, by frame id, into the rater's `folder`."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["id", *(f"state:{structure}" for structure in structures)])
    rows.writerows([frame, *(state.word for state in states)] for frame, states in table.items())
    write_text(folder / "states.csv", text.getvalue())
