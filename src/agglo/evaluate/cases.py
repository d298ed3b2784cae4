"""One frame and one structure as one record, and the file that keeps them: `cases.csv`.

A case holds what was measured and whether it counts; nothing is averaged here. What a table says of structures can be made again
from the file, and a second model's file is compared with it case by case. What a table says of an ordered group and of raters
cannot: that is measured on the masks.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from agglo.core.errors import RunFolderError
from agglo.core.files import write_text


@dataclass(frozen=True)
class Case:
    """One structure on one frame.

    Attributes:
        frame: id of the frame.
        patient: whose it is.
        swallow: which swallow of the patient.
        structure: name.
        state: `present`, `absent`, `unlabelled` or `not_assessable`: what the reference says about it here.
        visible_fraction: the share of the structure that can be seen, in `[0, 1]`; 1 where nobody has said.
        spacing_source: where the frame's spacing comes from; `none` where it has none.
        is_detected: the predicted mask is not empty.
        is_scored: the state is present and the reference not empty; only such cases have Dice, HD95 and NSD.
        dice: in `[0, 1]`, 0 for a miss; None unless scored.
        hd95_px: in pixels of the frame's native size; None unless scored and detected.
        hd95_penalised_px: the same, where a miss costs the diagonal of the collimated field; None unless scored.
        nsd_1mm: normalised surface Dice at 1 mm, 0 for a miss; None unless scored with a known spacing.
        nsd_2mm: the same at 2 mm.
        false_area_px: predicted pixels where the structure is absent; None for other states.
        false_area_mm2: the same in mm²; None too where the spacing is unknown.
    """

    frame: str
    patient: str
    swallow: str
    structure: str
    state: str
    visible_fraction: float
    spacing_source: str
    is_detected: bool
    is_scored: bool = False
    dice: float | None = None
    hd95_px: float | None = None
    hd95_penalised_px: float | None = None
    nsd_1mm: float | None = None
    nsd_2mm: float | None = None
    false_area_px: int | None = None
    false_area_mm2: float | None = None


COLUMNS = tuple(field.name for field in fields(Case))


def write_cases(path: Path, cases: Iterable[Case]) -> None:
    """Write `cases`, one a row, whole or not at all; an unknown figure is an empty cell, a truth value 0 or 1.

    Numbers keep all their digits: a rounded `visible_fraction` could pass a bound that the case itself does not.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_as_cell(getattr(case, name)) for name in COLUMNS] for case in cases)
    write_text(path, buffer.getvalue())


def read_cases(path: Path) -> list[Case]:
    """Read what `write_cases` wrote.

    Raises:
        RunFolderError: the file is not there, lacks columns, or has cells that cannot be read; all of them are named.
    """
    if not path.is_file():
        raise RunFolderError(
            f"a scored run must hold {path.name}, but there is none in {path.parent}; run the evaluation first."
        )
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise RunFolderError(
                f"{path} must have the columns of `Case`, but lacks {missing}; run the evaluation again."
            )
        problems: list[str] = []
        cases = [_read_row(row, number, problems) for number, row in enumerate(reader, start=2)]
    if problems:
        raise RunFolderError(
            f"{path}: {len(problems)} cells cannot be read; run the evaluation again.\n  "
            + "\n  ".join(problems)
        )
    return [case for case in cases if case is not None]


def _as_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return repr(float(value)) if isinstance(value, float) else str(value)


_HINTS = get_type_hints(Case)


def _read_row(row: dict[str, str], number: int, problems: list[str]) -> Case | None:
    values: dict[str, Any] = {}
    for name in COLUMNS:
        try:
            values[name] = _from_cell(row[name], _HINTS[name])
        except (TypeError, ValueError):
            problems.append(f"line {number}, {name}: {row[name]!r}")
    return Case(**values) if len(values) == len(COLUMNS) else None


def _from_cell(cell: str | None, kind: Any) -> Any:
    if cell is None:
        raise ValueError("the row is cut short")
    if not cell and type(None) in get_args(kind):
        return None
    plain = next((each for each in get_args(kind) if each is not type(None)), kind)
    if plain is bool:
        return {"0": False, "1": True}[cell] if cell in ("0", "1") else _refuse(cell)
    return plain(cell)


def _refuse(cell: str) -> bool:
    raise ValueError(cell)
