"""Which views of which frames a feature store holds; what the store, its columns and the pool all speak of."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Samples:
    """Which views of which frames a store holds, in order; sample `s` is view `s % views_per_frame` of one frame.

    Attributes:
        dataset: fingerprint of the pixels, ids and polarity of all frames.
        frames: ids, in the order of the store.
        counted: for each frame, whether statistics count it (the train split).
        views_per_frame: view 0 is the whole frame where the recipe says so.
        view_recipe: ranges of the views, JSON-like.
        seed: of the views.
    """

    dataset: str
    frames: tuple[str, ...]
    counted: tuple[bool, ...]
    views_per_frame: int
    view_recipe: dict[str, Any]
    seed: int

    def __len__(self) -> int:
        return len(self.frames) * self.views_per_frame

    def locate(self, sample: int) -> tuple[int, int]:
        """Return the place of the sample's frame in `frames`, and its view number."""
        return divmod(sample, self.views_per_frame)

    def is_counted(self, sample: int) -> bool:
        """Return whether statistics count the sample."""
        return self.counted[sample // self.views_per_frame]

    def spread(self, count: int) -> tuple[int, ...]:
        """Return `count` of the samples that statistics count, evenly spread over them, in order; all where there are no more."""
        counted = [sample for sample in range(len(self)) if self.is_counted(sample)]
        if len(counted) <= count:
            return tuple(counted)
        return tuple(counted[place * len(counted) // count] for place in range(count))
