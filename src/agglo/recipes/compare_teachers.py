"""`agglo store info --plot`: what the teachers of a store know of the same views, compared, as figures and as one picture."""

from pathlib import Path
from typing import Any

import numpy as np

from agglo.core.errors import StoreError
from agglo.core.progress import Progress, silent
from agglo.distill import SUMMARY
from agglo.evaluate.complement import Comparison, Seen, compare
from agglo.evaluate.similarity import Spectrum
from agglo.features import Column, FeatureStore
from agglo.report.complement import draw_comparison, verdict

VIEWS = 256
"""Views that are compared, evenly spread over the train split."""
LEAST_VIEWS = 8


def compare_teachers(folder: Path, picture: Path, *, progress: Progress = silent) -> dict[str, Any]:
    """Draw the comparison of a store's whole columns into `picture`; return its figures and the answer in a sentence.

    Raises:
        StoreError: there is no store in `folder`, no whole column in it, or fewer than eight views that statistics count.
    """
    store = FeatureStore.open(folder)
    names = whole_maps(store)
    samples = store.samples.spread(VIEWS)
    if not names or len(samples) < LEAST_VIEWS:
        raise StoreError(
            f"{folder} must have a whole column and at least {LEAST_VIEWS} views of the train split to compare teachers, but has "
            f"{len(names)} and {len(samples)}; run `agglo extract RECIPE` to its end, or take more frames"
        )
    is_masked = all(store.column(name).is_picture(samples[0]) is not None for name in names)
    seen = {}
    for done, name in enumerate(names):
        seen[name] = _seen(store.column(name), samples, is_masked)
        progress(done + 1, len(names), name)
    found: Comparison = compare(seen)
    frames = len({store.samples.locate(sample)[0] for sample in samples})
    padding = "" if is_masked else "; padding counts, because the store was made before it was kept apart"
    draw_comparison(
        found, picture, title=f"What the teachers see in {len(samples)} views of {frames} frames{padding}"
    )
    return {
        "views": len(samples),
        "is_padding_left_out": is_masked,
        "verdict": verdict(found),
        "teachers": found.to_json(),
    }


def whole_maps(store: FeatureStore) -> list[str]:
    """Return the whole columns of maps; a summary is no teacher of its own, and says nothing of places."""
    maps = [name for name in store.teachers if not name.endswith(SUMMARY)]
    return [name for name in maps if not store.column(name).missing_blocks()]


def _seen(column: Column, samples: tuple[int, ...], is_masked: bool) -> Seen:
    maps = np.stack([column.features(sample).astype(np.float16) for sample in samples])
    masks = np.ones((len(samples), *column.grid), bool)
    for place, sample in enumerate(samples):
        kept = column.is_picture(sample) if is_masked else None
        if kept is not None:
            masks[place] = kept
    moments = column.moments()
    return Seen(maps, masks, Spectrum.of(moments.covariance, moments.mean))
