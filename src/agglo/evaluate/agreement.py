"""Several raters of one frame: how far people agree with each other, beside how far a model agrees with them.

Each rater in turn is the reference wherever their mask of a structure is not empty; every other rater who judged the structure, and
the model, is scored against it. So both figures are over the same references, and a model cannot look better than people by being
asked easier questions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from agglo.data.states import State
from agglo.evaluate.metrics import dice

MIN_RATERS = 2


@dataclass(frozen=True)
class Rating:
    """What one rater says of a frame: masks, and the state of every structure."""

    masks: Bool[np.ndarray, "structures rows cols"]
    states: Sequence[State]


@dataclass(frozen=True)
class Agreement:
    """One frame and structure: mean Dice of people against people, and of the model against the same people."""

    frame: str
    patient: str
    structure: str
    human_human: float
    model_human: float


def agreements_of(
    predicted: Bool[np.ndarray, "structures rows cols"],
    ratings: Sequence[Rating],
    *,
    frame: str,
    patient: str,
    structures: Sequence[str],
) -> list[Agreement]:
    """Return the agreement on every structure that two raters or more have judged and at least one of them has outlined.

    A rater who calls it present but has left the mask empty has not said where: as in `scoring`, that is in no figure.
    """
    found = []
    for place, name in enumerate(structures):
        masks = [rating.masks[place] for rating in ratings if _says_where(rating, place)]
        references = [index for index, mask in enumerate(masks) if mask.any()]
        if len(masks) < MIN_RATERS or not references:
            continue
        people = [
            dice(masks[other], masks[index])
            for index in references
            for other in range(len(masks))
            if other != index
        ]
        model = [dice(predicted[place], masks[index]) for index in references]
        found.append(Agreement(frame, patient, name, float(np.mean(people)), float(np.mean(model))))
    return found


def _says_where(rating: Rating, place: int) -> bool:
    is_hollow = rating.states[place] is State.PRESENT and not rating.masks[place].any()
    return rating.states[place].is_judged and not is_hollow


def agreement_table(found: Sequence[Agreement]) -> dict[str, dict[str, Any]]:
    """Return both figures by structure, averaged frame, patient, structure; structures that nobody rated twice are left out."""
    names = dict.fromkeys(each.structure for each in found)
    return {name: _row([each for each in found if each.structure == name]) for name in names}


def _row(found: Sequence[Agreement]) -> dict[str, Any]:
    by_patient: Mapping[str, list[Agreement]] = {
        patient: [each for each in found if each.patient == patient]
        for patient in sorted({each.patient for each in found})
    }
    return {
        "human_human": float(
            np.mean([np.mean([e.human_human for e in each]) for each in by_patient.values()])
        ),
        "model_human": float(
            np.mean([np.mean([e.model_human for e in each]) for each in by_patient.values()])
        ),
        "num_frames": len(found),
        "num_patients": len(by_patient),
    }
