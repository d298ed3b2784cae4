"""Predictions against references: cases for a table, and the quick mean Dice that validation logs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from agglo.core.progress import Progress, silent
from agglo.data import Dataset, State
from agglo.evaluate.cases import Case
from agglo.evaluate.metrics import dice
from agglo.evaluate.scoring import FrameFacts, ScoreRules, score_frame

Masks = Callable[[np.ndarray], np.ndarray]
"""From a grey picture `[H, W]` to masks `[K, H, W]`."""


def score_frames(
    masks_of: Masks,
    dataset: Dataset,
    indices: Sequence[int],
    rules: ScoreRules,
    *,
    progress: Progress = silent,
) -> list[Case]:
    """Return the cases of all structures on the frames `indices`, in their order."""
    cases: list[Case] = []
    for done, index in enumerate(indices):
        cases += score_one(masks_of(dataset.image(index)), dataset, index, rules)
        progress(done + 1, len(indices), "frames")
    return cases


def score_one(predicted: np.ndarray, dataset: Dataset, index: int, rules: ScoreRules) -> list[Case]:
    """Return the cases of one frame."""
    frame = dataset.frames[index]
    diagonal = frame.facts.get("field_diagonal_px")
    facts = FrameFacts(
        frame=frame.id,
        patient=frame.patient,
        swallow=f"{frame.video}/{frame.swallow}",
        spacing_mm=frame.spacing_mm,
        spacing_source=frame.spacing_source,
        field_diagonal_px=float(diagonal) if diagonal else None,
    )
    return score_frame(
        predicted,
        dataset.masks(index),
        frame.states,
        facts=facts,
        structures=dataset.structures,
        visible=np.asarray(frame.visible, np.float64),
        rules=rules,
    )


def validation_dice(masks_of: Masks, dataset: Dataset, indices: Sequence[int]) -> dict[str, Any]:
    """Return `{"dice": mean over structures, "structures": {name: mean over frames, None where never present}}`."""
    found: dict[str, list[float]] = {name: [] for name in dataset.structures}
    for index in indices:
        predicted, reference = masks_of(dataset.image(index)), dataset.masks(index)
        for place, name in enumerate(dataset.structures):
            if dataset.frames[index].states[place] is State.PRESENT and reference[place].any():
                found[name].append(dice(predicted[place], reference[place]))
    by_structure = {name: float(np.mean(values)) if values else None for name, values in found.items()}
    known = [value for value in by_structure.values() if value is not None]
    return {"dice": float(np.mean(known)) if known else None, "structures": by_structure}
