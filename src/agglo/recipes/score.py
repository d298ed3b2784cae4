"""Predictions against references: what a table is made from, and the mean Dice by which val chooses the weights that are kept."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from agglo.config.schema import Recipe
from agglo.core.errors import DataError
from agglo.core.progress import Progress, silent
from agglo.data import Dataset, Frame, State
from agglo.evaluate.aggregate import dice_means
from agglo.evaluate.agreement import Agreement, Rating, agreement_table, agreements_of
from agglo.evaluate.cases import Case
from agglo.evaluate.levels import (
    LevelFrame,
    Ruler,
    level_table,
    ordered_group,
    outline_of,
    shifts_of,
    unions_of,
)
from agglo.evaluate.scoring import FrameFacts, ScoreRules, score_frame

Masks = Callable[[np.ndarray], np.ndarray]
"""From a grey picture `[H, W]` to masks `[K, H, W]`."""


@dataclass(frozen=True)
class Scored:
    """All that was measured on some frames: cases; ordered groups and raters where the dataset has them."""

    cases: list[Case] = field(default_factory=list)
    levels: list[LevelFrame] = field(default_factory=list)
    agreements: list[Agreement] = field(default_factory=list)

    def extra_tables(self, dataset: Dataset) -> dict[str, Any]:
        """Return what `table.json` holds besides the scores of structures: `ordered` and `raters`, where there are any."""
        members = ordered_group(dataset.structures, dataset.groups)
        tables: dict[str, Any] = {}
        if self.levels:
            tables["ordered"] = level_table(self.levels, members)
        if self.agreements:
            tables["raters"] = agreement_table(self.agreements)
        return tables


def score_rules(recipe: Recipe) -> ScoreRules:
    """Return the recipe's choices of scoring."""
    return ScoreRules(recipe.evaluate.hd95_mode, recipe.evaluate.min_visible)


def score_frames(
    masks_of: Masks,
    dataset: Dataset,
    indices: Sequence[int],
    rules: ScoreRules,
    *,
    progress: Progress = silent,
) -> Scored:
    """Return what is measured on the frames `indices`, in their order."""
    scored = Scored()
    members = ordered_group(dataset.structures, dataset.groups)
    for done, index in enumerate(indices):
        predicted = masks_of(dataset.image(index))
        scored.cases.extend(score_one(predicted, dataset, index, rules))
        if members and (level := score_levels(predicted, dataset, index, members, rules)):
            scored.levels.append(level)
        scored.agreements.extend(_score_raters(predicted, dataset, index))
        progress(done + 1, len(indices), "frames")
    return scored


def score_levels(
    predicted: np.ndarray, dataset: Dataset, index: int, members: Sequence[str], rules: ScoreRules
) -> LevelFrame | None:
    """Return one frame's ordered group, scored over the members that are outlined and can be seen; None without any."""
    frame, reference = dataset.frames[index], dataset.masks(index)
    places = [dataset.structures.index(name) for name in members]
    counts = [
        frame.states[place] is State.PRESENT
        and bool(reference[place].any())
        and frame.visible[place] >= rules.headline_min_visible
        for place in places
    ]
    if not any(counts):
        return None
    shifts = shifts_of(predicted[places], reference[places], counts)
    counted = [name for name, is_counted in zip(members, counts, strict=True) if is_counted]
    ruler = None
    if rules.has_distances:
        miss_px = field_diagonal_px(frame) or math.hypot(*reference.shape[1:])
        ruler = Ruler(rules.hd95_mode, frame.spacing_mm, miss_px)
    outline = outline_of(*unions_of(predicted[places], reference[places], counts), ruler)
    return LevelFrame(
        frame=frame.id,
        patient=frame.patient,
        swallow=f"{frame.video}/{frame.swallow}",
        shifts=dict(zip(counted, shifts, strict=True)),
        outline=outline,
    )


def _score_raters(predicted: np.ndarray, dataset: Dataset, index: int) -> list[Agreement]:
    if not dataset.raters:
        return []
    masks, states = dataset.rater_masks(index), dataset.rater_states(index)
    return agreements_of(
        predicted,
        [Rating(masks[rater], states[rater]) for rater in masks],
        frame=dataset.frames[index].id,
        patient=dataset.frames[index].patient,
        structures=dataset.structures,
    )


def score_one(predicted: np.ndarray, dataset: Dataset, index: int, rules: ScoreRules) -> list[Case]:
    """Return the cases of one frame."""
    frame = dataset.frames[index]
    facts = FrameFacts(
        frame=frame.id,
        patient=frame.patient,
        swallow=f"{frame.video}/{frame.swallow}",
        spacing_mm=frame.spacing_mm,
        spacing_source=frame.spacing_source,
        field_diagonal_px=field_diagonal_px(frame),
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


def field_diagonal_px(frame: Frame) -> float | None:
    """Return the diagonal of a frame's collimated field, as the frame table says it: what a miss costs; None where it says none.

    Raises:
        DataError: it is no positive number.
    """
    cell = frame.facts.get("field_diagonal_px")
    if not cell:
        return None
    try:
        diagonal_px = float(cell)
    except ValueError:
        diagonal_px = math.nan
    if not (math.isfinite(diagonal_px) and diagonal_px > 0):
        raise DataError(
            f"`field_diagonal_px` must be a positive number or blank, but on frame {frame.id!r} it is {cell!r}; mend frames.csv."
        )
    return diagonal_px


def validation_dice(
    masks_of: Masks, dataset: Dataset, indices: Sequence[int], rules: ScoreRules
) -> dict[str, Any]:
    """Return `{"dice": mean, "structures": {name: its mean, None where no frame of it counts}}` of the frames `indices`.

    Both are what a table of these frames would say: the same cases count, and averages go the same way. Nothing else is measured.
    """
    dice_only = replace(rules, has_distances=False)
    cases = [
        case
        for index in indices
        for case in score_one(masks_of(dataset.image(index)), dataset, index, dice_only)
    ]
    mean, by_structure = dice_means(cases, rules.headline_min_visible)
    return {"dice": mean, "structures": by_structure}
