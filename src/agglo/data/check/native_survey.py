"""Surveying a folder in the native format: what its header and table say, mended by guesses where they are broken."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agglo.core.errors import AggloError
from agglo.data.check.survey import (
    Row,
    Survey,
    files_below,
    one_line,
    read_lenient_json,
    read_lenient_table,
    stated_states,
)
from agglo.data.masks import KINDS, Kind, mask_paths
from agglo.data.native import FORMAT_VERSION, structure_problems
from agglo.data.rater_tables import rater_problems
from agglo.data.raters import OWN
from agglo.data.states import State
from agglo_runtime.images import SUFFIXES, read_image

_KEYS = ("format_version", "name", "structures", "groups", "mask_encoding", "description")


def survey_native(survey: Survey) -> None:
    """Fill `survey` with what a native folder holds."""
    survey.layout = "native"
    content = read_lenient_json(survey, survey.folder / "dataset.json")
    if content is not None and not isinstance(content, dict):
        survey.note("broken_json", "dataset.json", f"is no JSON object but a {type(content).__name__}")
    survey.content = content if isinstance(content, dict) else {}
    survey.columns, lines = read_lenient_table(survey, survey.folder / "frames.csv")
    survey.name = str(survey.content.get("name") or survey.folder.absolute().name)
    survey.structures = _structures(survey)
    survey.encoding = _encoding(survey)
    survey.raters = _raters(survey)
    if isinstance(content, dict):
        _note_header(survey, survey.content)
    if survey.columns:
        survey.rows = [_row(survey, number, *line) for number, line in enumerate(lines)]
    else:
        survey.rows = [_row_of_picture(survey, number, path) for number, path in enumerate(_pictures(survey))]


def _structures(survey: Survey) -> tuple[str, ...]:
    """Return the stated structures, or those that the table's columns name."""
    stated = survey.content.get("structures")
    if isinstance(stated, list) and all(isinstance(name, str) for name in stated):
        return tuple(dict.fromkeys(stated))
    named = [column.removeprefix("state:") for column in survey.columns if column.startswith("state:")]
    return tuple(dict.fromkeys(named))


def _raters(survey: Survey) -> tuple[str, ...]:
    """Return the stated raters; without a header those whose tables are there."""
    if not survey.content:
        return tuple(sorted(path.parent.name for path in survey.folder.glob("masks/*/states.csv")))
    stated = survey.content.get("raters", [])
    return tuple(name for name in stated if isinstance(name, str)) if isinstance(stated, list) else ()


def _encoding(survey: Survey) -> Kind | None:
    """Return the stated encoding, or the one that the masks look like."""
    stated = survey.content.get("mask_encoding")
    if stated in KINDS:
        return stated
    masks = [path for path in files_below(survey.folder / "masks") if path.suffix.lower() in SUFFIXES]
    if any(path.parent.name in survey.structures for path in masks):
        return "per_structure"
    for path in masks:
        try:
            return "bitfield" if read_image(path).dtype == np.uint16 else "index"
        except (AggloError, OSError):
            continue
    return None


def _note_header(survey: Survey, content: Mapping[str, Any]) -> None:
    def note(found: str) -> None:
        survey.note("header", "dataset.json", found)

    for key in _KEYS:
        if key not in content:
            note(f"lacks `{key}`")
    if content.get("format_version", FORMAT_VERSION) != FORMAT_VERSION:
        note(f"`format_version` must be {FORMAT_VERSION}, it is {content['format_version']!r}")
    if content.get("mask_encoding", KINDS[0]) not in KINDS:
        note(f"`mask_encoding` must be one of {list(KINDS)}, it is {content['mask_encoding']!r}")
    for key in ("description", "counts"):
        if not isinstance(content.get(key, {}), dict):
            note(f"`{key}` must be an object, it is {content[key]!r}")
    structures, groups = content.get("structures", []), content.get("groups", {})
    is_sound = isinstance(groups, dict) and all(isinstance(members, list) for members in groups.values())
    if not is_sound:
        note(f"`groups` must map names to lists of structures, it is {groups!r}")
    for problem in structure_problems(structures, groups if is_sound else {}):
        is_unknown = problem.startswith("group ")
        survey.note("unknown_structure" if is_unknown else "header", "dataset.json", problem)
    for problem in rater_problems(
        content.get("raters", []), content.get("reference", OWN), survey.structures
    ):
        note(problem)


def _row(survey: Survey, number: int, line: int, cells: Sequence[str]) -> Row:
    named = {column: cell.strip() for column, cell in zip(survey.columns, cells, strict=False)}
    is_torn = len(cells) != len(survey.columns)
    frame = named.get("id", "")
    states = stated_states(named, survey.structures)
    image = named.get("image", f"images/{frame}.png" if frame else "")
    return Row(
        number=number,
        place=f"frames.csv line {line}" + (f" ({frame})" if frame else ""),
        cells=named,
        states=states,
        image=survey.folder / image if image else None,
        masks=_masks(survey, named, states),
        is_torn=is_torn,
    )


def _masks(
    survey: Survey, cells: Mapping[str, str], states: Sequence[State | None]
) -> tuple[Path | None, ...]:
    if survey.encoding == "per_structure":
        paths = mask_paths(survey.folder, "per_structure", cells.get("id", ""), survey.structures)
        return tuple(
            path if state is State.PRESENT or is_file(path) else None
            for path, state in zip(paths, states, strict=True)
        )
    return tuple(survey.folder / name for name in cells.get("mask", "").split(";") if name)


def _pictures(survey: Survey) -> list[Path]:
    return [path for path in files_below(survey.folder / "images") if path.suffix.lower() in SUFFIXES]


def _row_of_picture(survey: Survey, number: int, path: Path) -> Row:
    """Return what can be known of a picture whose table cannot be read."""
    states = (None,) * len(survey.structures)
    return Row(number, survey.relative(path), {"id": path.stem}, states, path, (), is_torn=True)


def is_file(path: Path) -> bool:
    """Return whether there is such a file; False for what cannot be a path at all."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


__all__ = ["is_file", "one_line", "survey_native"]
