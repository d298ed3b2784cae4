"""A pilot: a first look at some views of the train split, from which what a column rests on is made and then frozen: the codec of a
coded column, the statistics of an online one.

The views are spread evenly over those that statistics count, and are looked at in small portions, each of which leaves its
statistics and a marker: a kill costs one portion, several processes may share the work, and the codec is that of all portions
merged in their order. Once that is frozen, portions are removed; nothing that joins the store later changes it. The teacher looks
at these views again when their blocks come.
"""

import shutil
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float16

from agglo.core.files import read_json, write_json_once
from agglo.features.moments import Moments, moments_of, reduce_in_order, require_finite, shows_picture
from agglo.features.samples import Samples

PORTION_VIEWS = 16


@runtime_checkable
class Piloted(Protocol):
    """What rests on a pilot.

    Attributes:
        folder: of its own.
        samples: of the store.
        dim: width of its features.
    """

    folder: Path
    samples: Samples
    dim: int

    @property
    def pilot_views(self) -> int | None:
        """Views to look at; None for all that statistics count."""

    @property
    def needs_pilot(self) -> bool:
        """Whether the pilot has not come to its end."""

    def freeze(self, moments: Moments, about: Mapping[str, Any]) -> None:
        """Make of the pilot's statistics what is frozen, and keep `about` (views, tokens, seconds) in `pilot.json`."""


class Pilot:
    """The pilot of one column."""

    def __init__(self, column: Piloted) -> None:
        """Take a coded or an online column."""
        self.column, self.folder = column, column.folder / "pilot"

    @cached_property
    def portions(self) -> tuple[tuple[int, ...], ...]:
        """Samples to look at, `PORTION_VIEWS` at a time."""
        views = self.column.samples.spread(self.column.pilot_views or len(self.column.samples))
        return tuple(views[start : start + PORTION_VIEWS] for start in range(0, len(views), PORTION_VIEWS))

    @property
    def is_open(self) -> bool:
        """Whether there is anything left to do: portions to look at, something to freeze, or portions to clear away."""
        return self.column.needs_pilot or self.folder.exists()

    def missing(self) -> list[int]:
        """Return the portions that have not been looked at; none once all is frozen."""
        if not self.column.needs_pilot:
            return []
        return [place for place in range(len(self.portions)) if not self._marker(place).exists()]

    def write(
        self,
        portion: int,
        features: Float16[np.ndarray, "samples dim h w"],
        coverage: Float[np.ndarray, "samples h w"],
        *,
        seconds: float = 0.0,
    ) -> None:
        """Keep the statistics of a portion, unless all is frozen meanwhile; `seconds` is what it has cost.

        Raises:
            StoreError: a feature is not finite.
        """
        require_finite(features, self.portions[portion], self.column.folder.name)
        is_picture = shows_picture(coverage)
        moments = moments_of(self.column.samples, self.portions[portion], features, is_picture)
        try:
            moments.save(self._moments(portion))
            write_json_once(self._marker(portion), {"seconds": round(seconds, 3)})
        except (FileNotFoundError, FileExistsError):  # the folder vanished, or did so while it was being made
            if self.column.needs_pilot:
                raise  # no other process has tidied up: the folder is really gone

    def freeze(self) -> None:
        """Have frozen what all portions make, unless that was done; of several processes the first one wins.

        Raises:
            FeatureMismatch: the pilot's features do not vary.
        """
        try:
            self._freeze()
        except (FileNotFoundError, FileExistsError):  # the folder vanished, or did so while it was being made
            if self.column.needs_pilot:
                raise  # no other process has tidied up: a portion is really lost

    def _freeze(self) -> None:
        if self.column.needs_pilot:
            places = range(len(self.portions))
            moments = reduce_in_order(
                (Moments.load(self._moments(place)) for place in places), self.column.dim
            )
            seconds = sum(read_json(self._marker(place))["seconds"] for place in places)
            about = {
                "views": sum(map(len, self.portions)),
                "tokens": moments.count,
                "seconds": round(seconds, 3),
            }
            self.column.freeze(moments, about)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _marker(self, portion: int) -> Path:
        return self.folder / f"{portion:06d}.json"

    def _moments(self, portion: int) -> Path:
        return self.folder / f"{portion:06d}.npz"
