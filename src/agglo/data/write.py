"""Writing a dataset in the native format, frame by frame; `dataset.json` comes last, so a folder that has one is whole.

A run that was killed leaves images, masks and perhaps a table without it; writing again simply overwrites them.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Bool, UInt8, UInt16

from agglo.core.files import write_json, write_text
from agglo.data.masks import KINDS, Kind, mask_paths, write_masks, write_png
from agglo.data.native import FORMAT_VERSION, structure_problems
from agglo.data.problems import Problems
from agglo.data.rater_tables import rater_problems, write_states
from agglo.data.raters import OWN
from agglo.data.states import State
from agglo.data.table import COLUMNS


@dataclass(frozen=True)
class FrameInfo:
    """What is known of a frame besides its pixels and states; see `agglo.data.dataset.Frame`.

    Attributes:
        id: unique; letters, digits, `_`, `-` and `.`; it names the files.
        patient: not blank.
        video: not blank, unique within the patient.
        index: position in the video.
        swallow: within the video; may be blank.
        spacing_mm: mm per pixel (rows, columns), or None.
        spacing_source: where it comes from.
        fps: frames per second, or None.
        fps_source: where that comes from.
        visible: share of every structure that can be seen, or None where not known.
        facts: columns of the frame table of your own.
    """

    id: str
    patient: str
    video: str
    index: int
    swallow: str = ""
    spacing_mm: tuple[float, float] | None = None
    spacing_source: str = "none"
    fps: float | None = None
    fps_source: str = "none"
    visible: Sequence[float] | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


@final
class DatasetWriter:
    """Writes frames into a folder; `finish` makes a dataset of them."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        structures: Sequence[str],
        groups: Mapping[str, Sequence[str]] | None = None,
        description: Mapping[str, Any] | None = None,
        mask_encoding: Kind = "bitfield",
        reference: str = OWN,
    ) -> None:
        """Begin a dataset in `folder`, made if need be; an older table and `dataset.json` there are removed.

        `mask_encoding` is one of `agglo.data.masks.KINDS`; `index` cannot hold overlapping structures. `reference` says whose
        labels count where raters are added: "own", a rater's name, "first" or "majority".
        """
        self.folder = folder
        self.name = name
        self.structures = tuple(structures)
        self.groups = {group: list(members) for group, members in (groups or {}).items()}
        self.description = dict(description or {})
        self.kind: Kind = mask_encoding
        problems = Problems(f"a new dataset in {folder}")
        problems.found.extend(structure_problems(list(self.structures), self.groups))
        if mask_encoding not in KINDS:
            problems.add(f"`mask_encoding` must be one of {list(KINDS)}, it is {mask_encoding!r}")
        problems.raise_if_any()
        folder.mkdir(parents=True, exist_ok=True)
        for left_over in ("dataset.json", "frames.csv"):
            (folder / left_over).unlink(missing_ok=True)
        self.reference = reference
        self._rows: dict[str, dict[str, str]] = {}
        self._sizes: dict[str, tuple[int, ...]] = {}
        self._raters: dict[str, dict[str, Sequence[State]]] = {}

    def add(
        self,
        info: FrameInfo,
        image: UInt8[np.ndarray, "rows cols"] | UInt16[np.ndarray, "rows cols"],
        masks: Bool[np.ndarray, "structures mask_rows mask_cols"] | None,
        states: Sequence[State],
    ) -> None:
        """Write one frame: its image, its masks (None when nothing is outlined) and its row.

        Raises one `DataError` with all that is wrong: an id used twice or unfit for a file name, sizes that differ, a state that
        its mask contradicts (present and empty, absent and not empty).
        """
        self._check(info, image.shape, masks, states)
        picture = Path("images") / f"{info.id}.png"
        write_png(self.folder / picture, image)
        files: list[Path] = []
        if masks is not None and self.structures:
            files = mask_paths(self.folder, self.kind, info.id, self.structures)
            write_masks(masks, self.kind, files)
        named = (
            []
            if self.kind == "per_structure"
            else [path.relative_to(self.folder).as_posix() for path in files]
        )
        self._sizes[info.id] = image.shape
        self._rows[info.id] = _row(
            info, picture.as_posix(), ";".join(named), dict(zip(self.structures, states, strict=True))
        )

    def add_rater(
        self,
        frame: str,
        rater: str,
        masks: Bool[np.ndarray, "structures mask_rows mask_cols"],
        states: Sequence[State],
    ) -> None:
        """Write what `rater` says of the frame with the id `frame`, which was added before.

        Raises one `DataError` with all that is wrong: an unknown frame, a name that cannot be a rater's, masks that do not fit.
        """
        problems = Problems(f"rater {rater!r} of frame {frame!r} in {self.folder}")
        problems.found.extend(rater_problems([rater], OWN, self.structures))
        expected = (len(self.structures), *self._sizes.get(frame, ()))
        if frame not in self._rows or masks.shape != expected or len(states) != len(self.structures):
            problems.add(
                f"the frame must have been added, and masks be {expected} with a state each, they are {masks.shape} with "
                f"{len(states)} states; add the frame first"
            )
        else:
            problems.found.extend(contradictions(self.structures, states, masks))
        problems.raise_if_any()
        files = mask_paths(self.folder, self.kind, frame, self.structures, rater=rater)
        write_masks(masks, self.kind, files)
        self._raters.setdefault(rater, {})[frame] = tuple(states)

    def part(self) -> dict[str, Any]:
        """Return, as JSON can hold it, what the table will say of the frames added so far: another writer may `adopt` it."""
        raters = {
            rater: {frame: [int(state) for state in states] for frame, states in table.items()}
            for rater, table in self._raters.items()
        }
        return {"rows": self._rows, "sizes": self._sizes, "raters": raters}

    def adopt(self, part: Mapping[str, Any]) -> None:
        """Take over the frames of a `part` that a writer of the same folder has added; their files are there."""
        self._rows |= part["rows"]
        self._sizes |= {frame: tuple(size) for frame, size in part["sizes"].items()}
        for rater, table in part["raters"].items():
            known = {frame: tuple(State(state) for state in states) for frame, states in table.items()}
            self._raters.setdefault(rater, {}).update(known)

    def finish(self) -> None:
        """Write `frames.csv`, then `dataset.json`: from now on the folder is a dataset."""
        rows = list(self._rows.values())
        own = (*COLUMNS, *(f"state:{structure}" for structure in self.structures))
        columns = list(dict.fromkeys([*own, *(column for row in rows for column in row)]))
        text = io.StringIO()
        table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        write_text(self.folder / "frames.csv", text.getvalue())
        content = {
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "structures": list(self.structures),
            "groups": self.groups,
            "mask_encoding": self.kind,
            "description": self.description,
            "counts": {
                "frames": len(rows),
                "patients": len({row["patient"] for row in rows}),
                "videos": len({(row["patient"], row["video"]) for row in rows}),
            },
        }
        problems = Problems(f"raters of {self.folder}")
        problems.found.extend(rater_problems(list(self._raters), self.reference, self.structures))
        problems.raise_if_any()
        for rater, said in self._raters.items():
            write_states(self.folder / "masks" / rater, self.structures, said)
        if self._raters:
            content |= {"raters": list(self._raters), "reference": self.reference}
        write_json(self.folder / "dataset.json", content)

    def _check(
        self,
        info: FrameInfo,
        shape: tuple[int, ...],
        masks: Bool[np.ndarray, "structures mask_rows mask_cols"] | None,
        states: Sequence[State],
    ) -> None:
        problems = Problems(f"frame {info.id!r} of {self.folder}")
        if not re.fullmatch(r"\w[\w.-]*", info.id, flags=re.ASCII):
            problems.add(
                "its id must be letters, digits, `_`, `-` and `.`, because it names files; rename it"
            )
        if info.id in self._rows:
            problems.add("its id must be unique, a frame of that id was added before; number the frames")
        if not info.patient or not info.video or info.index < 0:
            problems.add(
                f"patient and video must be given and index be 0 or more, got {info.patient!r}, {info.video!r}, {info.index}"
            )
        taken = [fact for fact in info.facts if fact in COLUMNS or fact.startswith(("state:", "visible:"))]
        if taken:
            problems.add(f"facts must not be named like the table's own columns, got {taken}; rename them")
        if len(states) != len(self.structures) or len(info.visible or states) != len(states):
            problems.add(
                f"states and visible must be {len(self.structures)} each, got {len(states)} and {info.visible}"
            )
        elif masks is not None and masks.shape != (len(self.structures), *shape):
            problems.add(
                f"masks must be {(len(self.structures), *shape)} like structures and image, they are {masks.shape}"
            )
        else:
            problems.found.extend(contradictions(self.structures, states, masks))
        problems.raise_if_any()


def contradictions(
    structures: Sequence[str], states: Sequence[State], masks: Bool[np.ndarray, "structures rows cols"] | None
) -> list[str]:
    """Return where a mask says otherwise than its state: present and empty, or absent and not empty."""
    found = []
    for index, (structure, state) in enumerate(zip(structures, states, strict=True)):
        has_pixels = masks is not None and bool(masks[index].any())
        if state is State.PRESENT and not has_pixels:
            found.append(
                f"{structure} is `present`, so its mask must have pixels, it has none; outline it or mend the state"
            )
        if state is State.ABSENT and has_pixels:
            found.append(
                f"{structure} is `absent`, so its mask must be empty, it is not; erase it or mend the state"
            )
    return found


def _row(info: FrameInfo, image: str, mask: str, states: Mapping[str, State]) -> dict[str, str]:
    row_mm, col_mm = info.spacing_mm or ("", "")
    cells = (
        info.id,
        image,
        mask,
        info.patient,
        info.video,
        info.swallow,
        str(info.index),
        str(row_mm),
        str(col_mm),
        info.spacing_source,
        "" if info.fps is None else str(info.fps),
        info.fps_source,
    )
    row = dict(zip(COLUMNS, cells, strict=True))
    row.update({f"state:{structure}": state.word for structure, state in states.items()})
    if info.visible is not None:
        row.update(
            {
                f"visible:{name}": str(round(float(share), 4))
                for name, share in zip(states, info.visible, strict=True)
            }
        )
    return row | dict(info.facts)
