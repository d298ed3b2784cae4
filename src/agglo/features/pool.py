"""A pool: frames of one or several datasets in one order, as views. Extraction and distillation read the same pool.

Which view of which frame is asked for by a sample number; what it looks like is decided by seed, place in the pool and view number.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from jaxtyping import Float

from agglo.core.files import fingerprint
from agglo.data import Dataset, View, ViewRecipe, render_coverage, sample_view
from agglo.data.views import render_sizes
from agglo.features.samples import Samples

ONCE_THROUGH_BYTES = 64 << 20
"""Pixels to keep in memory where views are rendered in order: those of a frame follow each other."""


@dataclass(frozen=True)
class PoolFrame:
    """One frame of a pool: whose it is, where it is there, and whether statistics count it."""

    dataset: Dataset
    index: int
    is_counted: bool

    @property
    def id(self) -> str:
        """The dataset's name and the frame's own id."""
        return f"{self.dataset.name}/{self.dataset.frames[self.index].id}"


@dataclass(frozen=True)
class Pool:
    """Frames, and the views that are made of them."""

    frames: tuple[PoolFrame, ...]
    recipe: ViewRecipe
    views_per_frame: int
    seed: int

    @staticmethod
    def of(
        parts: Sequence[tuple[Dataset, Sequence[int], bool]],
        recipe: ViewRecipe,
        *,
        views_per_frame: int,
        seed: int,
    ) -> "Pool":
        """Return the pool of `(dataset, frame indices, whether they count)` parts, in that order."""
        frames = tuple(
            PoolFrame(dataset, index, is_counted)
            for dataset, indices, is_counted in parts
            for index in indices
        )
        return Pool(frames, recipe, views_per_frame, seed)

    @property
    def samples(self) -> Samples:
        """What a feature store needs to know of this pool."""
        fingerprints: dict[str, str] = {}
        beginnings = {}
        for count, frame in enumerate(self.frames, 1):
            if frame.dataset.name not in fingerprints:
                fingerprints[frame.dataset.name] = frame.dataset.image_fingerprint
                whole = fingerprint(fingerprints)
            beginnings[count] = whole
        return Samples(
            dataset=fingerprint(fingerprints),
            frames=tuple(frame.id for frame in self.frames),
            counted=tuple(frame.is_counted for frame in self.frames),
            views_per_frame=self.views_per_frame,
            view_recipe={key: _plain(value) for key, value in asdict(self.recipe).items()},
            seed=self.seed,
            beginnings=beginnings,
        )

    def with_cache(self, cache_bytes: int) -> "Pool":
        """Return the same pool, each of whose datasets keeps at most `cache_bytes` of pixels in memory.

        For whoever goes through it once, in order: more would only grow with the number of frames.
        """
        datasets = {id(frame.dataset): frame.dataset for frame in self.frames}
        sparing = {key: dataset.with_cache(cache_bytes) for key, dataset in datasets.items()}
        frames = tuple(replace(frame, dataset=sparing[id(frame.dataset)]) for frame in self.frames)
        return replace(self, frames=frames)

    def __len__(self) -> int:
        return len(self.frames) * self.views_per_frame

    def view(self, sample: int) -> View:
        """Return the view that `sample` shows."""
        place, number = divmod(sample, self.views_per_frame)
        frame = self.frames[place]
        height, width = frame.dataset.image(frame.index).shape
        return sample_view(
            self.recipe, seed=self.seed, frame=place, number=number, height=height, width=width
        )

    def render(self, sample: int, size_px: int) -> Float[np.ndarray, "{size_px} {size_px}"]:
        """Return the picture of `sample` in [0, 1], sampled from the source at `size_px`."""
        return self.render_sizes(sample, (size_px,))[size_px]

    def render_sizes(self, sample: int, sizes_px: Collection[int]) -> dict[int, Float[np.ndarray, "_ _"]]:
        """Return by size what `render` gives at each of `sizes_px`; several sizes take hardly longer than one."""
        frame = self.frames[sample // self.views_per_frame]
        return render_sizes(frame.dataset.image(frame.index), self.view(sample), sizes_px)

    def coverage(self, sample: int, cells: int) -> Float[np.ndarray, "{cells} {cells}"]:
        """Return how much of every cell of a `cells x cells` map of `sample` shows the picture, in [0, 1]; the rest is padding."""
        frame = self.frames[sample // self.views_per_frame]
        height, width = frame.dataset.image(frame.index).shape
        return render_coverage(self.view(sample), height, width, cells)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
