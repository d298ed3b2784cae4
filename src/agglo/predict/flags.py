"""What may be wrong with a frame: pure functions of its picture, its masks, and those of the frame before.

A flag never changes a mask. Two of them (`beam_off`, `not_lateral`) say that there is nothing to measure; then areas and contours
are withheld (`measure`). Every threshold stands here with where it comes from; docs/predict.md says how often each is right.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float

from agglo.predict.anatomy import BODIES, LEVELS, Anatomy

BEAM_OFF = "beam_off"
DUPLICATE = "duplicate"
HELD = "last_image_held"
NOT_LATERAL = "not_lateral"
OUT_OF_ORDER = "vertebrae_out_of_order"
JUMP = "jump"
UNSTEADY = "c2_c4_unsteady"
OUTSIDE_FIELD = "outside_field"
LOW_CONFIDENCE = "low_confidence"

WITHHOLDING = (BEAM_OFF, NOT_LATERAL)
"""Flags of frames that show no lateral neck: nothing is measured in them."""

DARK_LEVEL = 0.12
"""With the beam off even the 99th percentile is under this (of 1). Chosen: frames of phantoms and of a real clip have 0.9 there."""

FLAT_RANGE = 0.04
"""... or the picture is one grey from its 1st to its 99th percentile."""

SAME_LEVEL = 0.3 / 255
"""Successive frames that differ by less than this in the mean of their mid-tones are one picture. Chosen: frames of different
pulses differ by at least 0.48 of 255 in phantoms and 1.2 in a real clip, where nothing moves too; copies by 0, or codec noise."""

HELD_S = 0.5
"""A picture that stands this long is a held one: no pulse rate in use is under 2 per second."""

SLOWEST_STEP_S, FASTEST_STEP_S = 1 / 4, 1 / 30
"""Time between two frames is taken to lie in this range, whatever the container claims."""

BODY_RATIO = (0.5, 1.5)
"""Side of a vertebral body (root of its area) over the distance to the next one's centre: 0.85 by anatomy."""

MIN_PAIRS = 2
"""Neighbouring bodies of plausible size that a lateral neck must show (5 are possible)."""

AHEAD_BODIES = (0.8, 12.0)
"""How far the jaw's or pharynx's centre lies in front of the column, in body sides: 1.6 to 4.6 in a real clip; 0 from the front."""

MIN_SURE = 0.85
"""Confidence (`predictor.Segmentation`) under which a mask is called unsure. Chosen on phantoms, before presence counted in it:
there 1.4 % of masks are, 97 % of them with a Dice under 0.5, and half of all with such a Dice (192 frames of 24 patients, one
model)."""

MAX_OUTSIDE = 0.2
"""Share of a mask that may lie outside of the lit field."""

LIT_LEVEL, LIT_SHARE = 0.06, 0.05
"""A row or column belongs to the lit field if this share of it is brighter than the level (collimator 0.02, body 0.2 of 1)."""

SPEEDS: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(LEVELS, (0.15, 1.5)),
    "mandible": (0.15, 3.0),
    "trachea": (0.15, 4.5),
    "pharynx": (0.2, 6.0),
    "epiglottis": (0.3, 9.0),
    "bolus": (0.6, 15.0),
}
"""Centre movement no structure exceeds, in C2-C4 distances: (jitter, per second). Speeds are twice the mean of the quickest
movement of the phantom's ranges (larynx 25 mm in 0.3 s, epiglottis half its length in 0.1 s, bolus 100 mm in 0.4 s, C2-C4 37 mm);
jitter covers the 99th percentile of a model's own on phantoms. Others have no limit."""

GROWTH = 1.6
"""Factor by which the area of a bone or the trachea cannot change between two frames; jitter stays under 1.2 on phantoms."""

STRETCH = 1.1
"""Factor by which the C2-C4 distance cannot change between two frames, for bones do not stretch; a model's own jitter on
phantoms stays under 1.06. Percents of its square would move by 1.2."""

_RIGID = (*LEVELS, "mandible", "trachea")


def is_beam_off(unit: Float[np.ndarray, "rows cols"]) -> bool:
    """Return whether a picture in `[0, 1]` shows nothing: dark throughout, or one grey throughout."""
    low, high = np.percentile(unit[::2, ::2], (1, 99))
    return bool(high < DARK_LEVEL or high - low < FLAT_RANGE)


def is_duplicate(
    unit: Float[np.ndarray, "rows cols"], previous: Float[np.ndarray, "rows_before cols_before"] | None
) -> bool:
    """Return whether a picture is the one before it; mid-tones decide, since black and saturated parts never change."""
    if previous is None or previous.shape != unit.shape:
        return False
    difference = np.abs(unit - previous)
    middle = (previous > 0.03) & (previous < 0.94)
    share = difference[middle] if middle.mean() > 0.01 else difference
    return bool(share.mean() < SAME_LEVEL)


def is_held(copies: int, step_s: float | None) -> bool:
    """Return whether `copies` repeats in a row, `step_s` apart (30 a second if unknown), make a held picture."""
    return copies * bounded_step(step_s) >= HELD_S


def bounded_step(step_s: float | None) -> float:
    """Return the time between frames, held to what fluoroscopy does; the shortest where it is unknown."""
    return min(max(step_s or FASTEST_STEP_S, FASTEST_STEP_S), SLOWEST_STEP_S)


def is_not_lateral(anatomy: Anatomy, names: Sequence[str]) -> bool | None:
    """Return whether the masks show no lateral neck; None for a model that does not know one (three bodies, jaw or pharynx).

    A lateral neck has at least `MIN_PAIRS` pairs of neighbouring bodies whose size fits their distance, and jaw or pharynx in front
    of them. This judges what the network found: a lateral picture in which it finds no neck is flagged too.
    """
    if len([name for name in names if name in BODIES]) < 3 or not {"mandible", "pharynx"} & set(names):
        return None
    if len(plausible_pairs(anatomy)) < MIN_PAIRS or anatomy.forward is None:
        return True
    bodies = [name for name in BODIES if name in anatomy.centres]
    middle = np.mean([anatomy.centres[name] for name in bodies], axis=0)
    side = float(np.median([np.sqrt(anatomy.areas[name]) for name in bodies]))
    ahead = [
        float((anatomy.centres[name] - middle) @ anatomy.forward) / side
        for name in ("mandible", "pharynx")
        if name in anatomy.centres
    ]
    return not any(AHEAD_BODIES[0] <= each <= AHEAD_BODIES[1] for each in ahead)


def plausible_pairs(anatomy: Anatomy) -> list[tuple[str, str]]:
    """Return the pairs of neighbouring bodies whose size fits the distance between them."""
    found = []
    for upper, lower in pairwise(BODIES):
        if upper in anatomy.centres and lower in anatomy.centres:
            gap = float(np.hypot(*(anatomy.centres[upper] - anatomy.centres[lower])))
            side = float(np.sqrt((anatomy.areas[upper] + anatomy.areas[lower]) / 2))
            if gap > 0 and BODY_RATIO[0] < side / gap < BODY_RATIO[1]:
                found.append((upper, lower))
    return found


def out_of_order(anatomy: Anatomy) -> tuple[str, ...]:
    """Return the vertebrae that do not follow each other downwards: each lower one whose centre is not below the one above.

    Down is down the picture (no study is filmed head down); a neck leans by less than 60 degrees, so centres must also be further
    apart downwards than half their distance.
    """
    found = [name for name in LEVELS if name in anatomy.centres]
    wrong: list[str] = []
    for upper, lower in pairwise(found):
        step = anatomy.centres[lower] - anatomy.centres[upper]
        if step[1] <= 0.5 * float(np.hypot(*step)) and "C1" not in (upper, lower):
            wrong += [upper, lower]
    if "C1" in found and len(found) > 1 and anatomy.centres["C1"][1] >= anatomy.centres[found[1]][1]:
        wrong += ["C1"]
    return tuple(name for name in LEVELS if name in wrong)


def jumps(anatomy: Anatomy, previous: Anatomy | None, elapsed_s: float) -> tuple[str, ...]:
    """Return the structures that moved or, if rigid, grew or shrank more than they can in `elapsed_s` seconds.

    Movement is in C2-C4 distances of the earlier frame, or of this one; where neither has any, a sixth of the picture's height
    stands in for it. Structures not seen in both frames are not judged: a bolus may come and go.
    """
    if previous is None:
        return ()
    unit = previous.c2_c4_px or anatomy.c2_c4_px or anatomy.picture_px[0] / 6
    found = []
    for name, centre in anatomy.centres.items():
        if name not in previous.centres:
            continue
        jitter, speed = SPEEDS.get(name, (np.inf, np.inf))
        moved = float(np.hypot(*(centre - previous.centres[name]))) / unit
        grown = max(anatomy.areas[name], previous.areas[name]) / min(
            anatomy.areas[name], previous.areas[name]
        )
        if moved > jitter + speed * elapsed_s or (name in _RIGID and grown > GROWTH):
            found.append(name)
    return tuple(found)


def is_unsteady(anatomy: Anatomy, previous: Anatomy | None) -> bool:
    """Return whether the C2-C4 distance differs from that of the frame before by more than `STRETCH`; unknown ones do not."""
    if previous is None or not anatomy.c2_c4_px or not previous.c2_c4_px:
        return False
    ratio = anatomy.c2_c4_px / previous.c2_c4_px
    return max(ratio, 1 / ratio) > STRETCH


def lit_field(unit: Float[np.ndarray, "rows cols"]) -> tuple[slice, slice]:
    """Return rows and columns of the box that the beam lights; the whole picture where nothing is lit."""
    lit = unit > LIT_LEVEL
    rows, cols = np.flatnonzero(lit.mean(1) > LIT_SHARE), np.flatnonzero(lit.mean(0) > LIT_SHARE)
    if not len(rows) or not len(cols):
        return slice(0, unit.shape[0]), slice(0, unit.shape[1])
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)


def outside_field(
    masks: Bool[np.ndarray, "structures rows cols"], names: Sequence[str], field: tuple[slice, slice]
) -> tuple[str, ...]:
    """Return the structures of which more than `MAX_OUTSIDE` lies outside of the lit field."""
    found = []
    for name, mask in zip(names, masks, strict=True):
        whole = int(mask.sum())
        if whole and whole - int(mask[field].sum()) > MAX_OUTSIDE * whole:
            found.append(name)
    return tuple(found)


def unsure(confidence: Float[np.ndarray, " structures"], names: Sequence[str]) -> tuple[str, ...]:
    """Return the structures whose mean probability is under `MIN_SURE`; empty masks (NaN) are not judged."""
    return tuple(name for name, value in zip(names, confidence, strict=True) if value < MIN_SURE)
