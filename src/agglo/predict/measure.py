"""One frame, measured: picture and masks in, the rows of the two tables out. The flags are in `flags`, geometry in `anatomy`.

`Watch` goes through the frames of one input in order and remembers just the frame before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from agglo.predict import flags
from agglo.predict.anatomy import Anatomy, describe
from agglo.predict.predictor import Segmentation

AREA_COLUMNS = (
    "file",
    "frame",
    "structure",
    "area_px",
    "area_mm2",
    "spacing_source",
    "area_percent_c2c4",
    "confidence",
    "flags",
)
FRAME_COLUMNS = ("file", "frame", "time_s", "time_source", "c2_c4_px", "facing", "flags")
ABOUT_FRAME = (flags.BEAM_OFF, flags.NOT_LATERAL, flags.DUPLICATE, flags.HELD, flags.UNSTEADY)

Row = tuple[str, ...]


class Moment(NamedTuple):
    """Which frame: its file's name, its number, its time in seconds (None if unknown) and where that comes from."""

    file: str
    frame: int
    time_s: float | None = None
    time_source: str = ""


@dataclass(frozen=True)
class Measured:
    """What is said about one frame.

    Attributes:
        anatomy: where things are.
        flags: by name, the structures concerned (none for a flag of the whole frame).
        masks: to be shown; None where a flag withholds them.
    """

    anatomy: Anatomy
    flags: dict[str, tuple[str, ...]]
    masks: Bool[np.ndarray, "structures rows cols"] | None

    def words(self) -> list[str]:
        """Return the flags as words, with the structures concerned: `jump: C4 C5`."""
        return [f"{name}: {' '.join(of)}" if of else name for name, of in self.flags.items()]


class Watch:
    """Judges the frames of one input, in their order."""

    def __init__(self, names: Sequence[str], *, step_s: float | None = None) -> None:
        """Start before the first frame; `step_s` is the time between frames, where it is known."""
        self.names = tuple(names)
        self._step_s = step_s
        self._picture: Float[np.ndarray, "rows cols"] | None = None
        self._anatomy: Anatomy | None = None
        self._copies = 0
        self._since = 0

    def look(self, unit: Float[np.ndarray, "rows cols"], found: Segmentation) -> Measured:
        """Return what is to be said about the next frame: its picture in `[0, 1]`, as the model sees it, and its masks."""
        raised: dict[str, tuple[str, ...]] = {}
        is_copy = flags.is_duplicate(unit, self._picture)
        self._copies = self._copies + 1 if is_copy else 0
        if is_copy:
            raised[flags.HELD if flags.is_held(self._copies, self._step_s) else flags.DUPLICATE] = ()
        anatomy = describe(found.masks, self.names)
        if flags.is_beam_off(unit):
            raised[flags.BEAM_OFF] = ()
        elif flags.is_not_lateral(anatomy, self.names):
            raised[flags.NOT_LATERAL] = ()
        is_shown = not any(name in raised for name in flags.WITHHOLDING)
        self._since += 1
        if is_shown:
            elapsed_s = self._since * flags.bounded_step(self._step_s)
            raised |= self._about_structures(unit, found, anatomy, elapsed_s)
            if not is_copy:  # a copy shows the same moment, so time goes on counting from the first
                self._anatomy, self._since = anatomy, 0
        self._picture = unit
        return Measured(
            anatomy if is_shown else Anatomy(anatomy.picture_px), raised, found.masks if is_shown else None
        )

    def _about_structures(
        self, unit: Float[np.ndarray, "rows cols"], found: Segmentation, anatomy: Anatomy, elapsed_s: float
    ) -> dict[str, tuple[str, ...]]:
        concerned = {
            flags.OUT_OF_ORDER: flags.out_of_order(anatomy),
            flags.JUMP: flags.jumps(anatomy, self._anatomy, elapsed_s),
            flags.OUTSIDE_FIELD: flags.outside_field(found.masks, self.names, flags.lit_field(unit)),
            flags.LOW_CONFIDENCE: flags.unsure(found.confidence, self.names),
        }
        unsteady = {flags.UNSTEADY: ()} if flags.is_unsteady(anatomy, self._anatomy) else {}
        return unsteady | {name: structures for name, structures in concerned.items() if structures}


def area_rows(
    moment: Moment,
    names: Sequence[str],
    measured: Measured,
    confidence: Float[np.ndarray, " structures"],
    spacing_mm: float | None,
) -> list[Row]:
    """Return one row a structure for `areas.csv`; cells are empty where something is withheld, unknown, or not there."""
    rows: list[Row] = []
    distance = measured.anatomy.c2_c4_px
    source = "" if spacing_mm is None else "user"
    for index, name in enumerate(names):
        about = [flag for flag, of in measured.flags.items() if name in of or flag in ABOUT_FRAME]
        end = ";".join(about)
        if measured.masks is None:
            rows.append((moment.file, str(moment.frame), name, "", "", "", "", "", end))
            continue
        area = int(measured.masks[index].sum())
        rows.append(
            (
                moment.file,
                str(moment.frame),
                name,
                str(area),
                "" if spacing_mm is None else f"{area * spacing_mm**2:.2f}",
                source,
                "" if distance is None else f"{100 * area / distance**2:.2f}",
                "" if np.isnan(confidence[index]) else f"{confidence[index]:.3f}",
                end,
            )
        )
    return rows


def frame_row(moment: Moment, measured: Measured) -> Row:
    """Return the row of a frame for `frames.csv`."""
    distance = measured.anatomy.c2_c4_px
    return (
        moment.file,
        str(moment.frame),
        "" if moment.time_s is None else f"{moment.time_s:.3f}",
        "" if moment.time_s is None else moment.time_source,
        "" if distance is None else f"{distance:.1f}",
        measured.anatomy.facing or "",
        "; ".join(measured.words()),
    )
