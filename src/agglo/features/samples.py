"""Which views of which frames a feature store holds; what the store, its columns and the pool all speak of."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
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
        beginnings: the fingerprint of the first datasets alone, by how many frames they give; so a longer list knows a shorter
            one that it begins with. Not kept in a store.
    """

    dataset: str
    frames: tuple[str, ...]
    counted: tuple[bool, ...]
    views_per_frame: int
    view_recipe: dict[str, Any]
    seed: int
    beginnings: Mapping[int, str] = field(default_factory=dict, compare=False)

    def __len__(self) -> int:
        return len(self.frames) * self.views_per_frame

    def to_json(self) -> dict[str, Any]:
        """Return what a store keeps."""
        return {key: value for key, value in asdict(self).items() if key != "beginnings"}

    def goes_on_from(self, earlier: "Samples") -> bool:
        """Return whether these are the samples `earlier`, pixel for pixel, and more that no statistics count."""
        count = len(earlier.frames)
        return (
            count < len(self.frames)
            and self.beginnings.get(count) == earlier.dataset
            and self.frames[:count] == earlier.frames
            and self.counted[:count] == earlier.counted
            and not any(self.counted[count:])
            and (self.views_per_frame, self.view_recipe, self.seed)
            == (earlier.views_per_frame, earlier.view_recipe, earlier.seed)
        )

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
