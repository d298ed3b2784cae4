"""In which order patients are taken where only some are wanted: few labels are always among many, and so are few frames."""

import math
from collections.abc import Sequence

from agglo.config.schema import Recipe
from agglo.core.seeds import generator
from agglo.data import Dataset
from agglo.features.pool import Pool


def labelled_order(recipe: Recipe, found: Dataset, train: Sequence[int]) -> list[str]:
    """Return the patients of `train` who have a label, in an order that only the recipe's seed decides."""
    patients = sorted({found.frames[index].patient for index in train if found.frames[index].is_labelled})
    order = generator(recipe.seed, "labelled patients").permutation(len(patients))
    return [patients[place] for place in order]


def pool_samples(recipe: Recipe, pool: Pool, found: Dataset, train: Sequence[int]) -> Sequence[int]:
    """Return the samples of `pool` that stage 1 learns from: of the first `distill.pool_share` of its patients, at least of one.

    First come those who have labels, as `labelled_order` has them: whose masks are learned from is seen in stage 1 too, as long
    as the share is large enough for them. Then come all others, in an order that only the recipe's seed decides.
    """
    if recipe.distill.pool_share == 1:
        return range(len(pool))
    of_frames = [(frame.dataset.name, frame.dataset.frames[frame.index].patient) for frame in pool.frames]
    first = [(found.name, patient) for patient in labelled_order(recipe, found, train)]
    others = sorted({*of_frames} - {*first})
    order = generator(recipe.seed, "unlabelled patients").permutation(len(others))
    patients = [*first, *(others[place] for place in order)]
    kept = {*patients[: max(1, math.ceil(recipe.distill.pool_share * len(patients)))]}
    views = range(pool.views_per_frame)
    return [
        place * pool.views_per_frame + view
        for place, patient in enumerate(of_frames)
        if patient in kept
        for view in views
    ]
