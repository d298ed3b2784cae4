"""One frame scored: `K` predicted masks against `K` references, with what the reference says about each structure.

The rules, all of them here:

* Dice, HD95 and NSD are taken where a structure is present *and* its reference is not empty: the same cases for every model. A miss
  has Dice 0 and NSD 0, no HD95, and a penalised HD95 of the field's diagonal, than which no detection can cost more: so failing
  never improves a mean, but for that of HD95 on detected frames, beside which the miss rate stands.
* Where a structure is absent, only the falsely predicted area is taken.
* Unlabelled and not assessable structures are measured nowhere.

Which cases count in an average, and how averages go, is `aggregate`'s affair.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from agglo.core.errors import DataError
from agglo.data.states import State
from agglo.evaluate.cases import Case
from agglo.evaluate.metrics import HausdorffMode, Mask, dice, hd95_of, nsd_of, surface_distances


@dataclass(frozen=True)
class ScoreRules:
    """What a table may choose, and must name.

    Attributes:
        hd95_mode: `pooled` (medpy's reading, the one of the published VFSS figures) or `max` (MONAI's).
        headline_min_visible: averages are taken over structures of which at least this share can be seen.
        has_distances: whether distances between surfaces are measured; they cost most of the time, and are None without.
    """

    hd95_mode: HausdorffMode = "pooled"
    headline_min_visible: float = 0.5
    has_distances: bool = True


@dataclass(frozen=True)
class FrameFacts:
    """What scoring has to know of a frame besides its masks.

    Attributes:
        frame, patient, swallow: whose and which; averages go by them.
        spacing_mm: size of a pixel along rows and columns at the masks' size; None where unknown.
        spacing_source: who says so (`header`, `user`, `none` …).
        field_diagonal_px: diagonal of the collimated field, the price of a miss; None takes the image's diagonal.
    """

    frame: str
    patient: str
    swallow: str
    spacing_mm: tuple[float, float] | None = None
    spacing_source: str = "none"
    field_diagonal_px: float | None = None


def score_frame(
    predicted: Bool[np.ndarray, "structures rows cols"],
    reference: Bool[np.ndarray, "structures rows cols"],
    states: Sequence[State],
    *,
    facts: FrameFacts,
    structures: Sequence[str],
    visible: Float[np.ndarray, " structures"] | None = None,
    rules: ScoreRules | None = None,
) -> list[Case]:
    """Score one frame at its native size; one case a structure, in the order of `structures`.

    Args:
        predicted: masks of the model, brought back to the frame's native size.
        reference: masks of the rater; False where there is none.
        states: what the rater says about each structure.
        facts: whose frame it is, its spacing, its field.
        structures: names.
        visible: share of each structure that can be seen, in `[0, 1]`; None takes all as fully visible.
        rules: the reading of HD95; None takes the default.

    Raises:
        DataError: a structure is called absent but has a reference mask; all such are named.
        ValueError: the number of masks, states, names or shares differ.
    """
    _require_lengths(structures, predicted=predicted, reference=reference, states=states, visible=visible)
    _require_no_absent_mask(reference, states, structures, facts.frame)
    shares = np.ones(len(structures)) if visible is None else visible
    cases = []
    for index, name in enumerate(structures):
        case = Case(
            frame=facts.frame,
            patient=facts.patient,
            swallow=facts.swallow,
            structure=name,
            state=states[index].word,
            visible_fraction=float(shares[index]),
            spacing_source=facts.spacing_source if facts.spacing_mm else "none",
            is_detected=bool(predicted[index].any()),
        )
        if states[index] is State.PRESENT and reference[index].any():
            case = _score_present(case, predicted[index], reference[index], facts, rules or ScoreRules())
        elif states[index] is State.ABSENT:
            case = _score_absent(case, predicted[index], facts)
        cases.append(case)
    return cases


def _score_present(
    case: Case, predicted: Mask, reference: Mask, facts: FrameFacts, rules: ScoreRules
) -> Case:
    if not rules.has_distances:
        return replace(case, is_scored=True, dice=dice(predicted, reference))
    diagonal = facts.field_diagonal_px or math.hypot(*reference.shape)
    if not case.is_detected:
        miss = 0.0 if facts.spacing_mm else None
        return replace(case, is_scored=True, dice=0.0, hd95_penalised_px=diagonal, nsd_1mm=miss, nsd_2mm=miss)
    distances_px = surface_distances(predicted, reference)
    hd95_px = hd95_of(distances_px, rules.hd95_mode)
    scored = replace(
        case,
        is_scored=True,
        dice=dice(predicted, reference),
        hd95_px=hd95_px,
        hd95_penalised_px=min(hd95_px, diagonal),
    )
    if facts.spacing_mm is None:
        return scored
    is_square = facts.spacing_mm[0] == facts.spacing_mm[1]
    distances_mm = (
        distances_px.scaled(facts.spacing_mm[0])
        if is_square
        else surface_distances(predicted, reference, spacing=facts.spacing_mm)
    )
    return replace(scored, nsd_1mm=nsd_of(distances_mm, 1.0), nsd_2mm=nsd_of(distances_mm, 2.0))


def _score_absent(case: Case, predicted: Mask, facts: FrameFacts) -> Case:
    area_px = int(np.count_nonzero(predicted))
    area_mm2 = area_px * math.prod(facts.spacing_mm) if facts.spacing_mm else None
    return replace(case, false_area_px=area_px, false_area_mm2=area_mm2)


def _require_lengths(structures: Sequence[str], **others: Sequence[object] | np.ndarray | None) -> None:
    found = {
        name: len(each) for name, each in others.items() if each is not None and len(each) != len(structures)
    }
    if found:
        raise ValueError(
            f"{len(structures)} structures are named {list(structures)}, but the numbers given differ: {found}"
        )


def _require_no_absent_mask(
    reference: Bool[np.ndarray, "structures rows cols"],
    states: Sequence[State],
    structures: Sequence[str],
    frame: str,
) -> None:
    contradicted = [
        name
        for name, state, mask in zip(structures, states, reference, strict=True)
        if state is State.ABSENT and mask.any()
    ]
    if contradicted:
        raise DataError(
            f"a structure called absent must have an empty reference mask, but on frame {frame!r} these have pixels: "
            f"{contradicted}; mend the frame table or the masks."
        )
