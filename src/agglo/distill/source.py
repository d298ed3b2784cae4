"""Samples of stage 1: a view for the student, and what every teacher saw of exactly that view, or the view at the size of a teacher
that is still to look at it."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch

from agglo.core.shapes import EMBEDDING_STRIDE_PX
from agglo.features import FeatureStore
from agglo.features.pool import Pool


@final
class DistilSource:
    """Views of a pool with their stored features: all, or those that are named; the same in every epoch."""

    def __init__(
        self,
        pool: Pool,
        store: FeatureStore,
        teachers: Sequence[str],
        *,
        size_px: int,
        samples: Sequence[int] | None = None,
        online_px: Mapping[str, int] | None = None,
    ) -> None:
        """Take the pool and its store, the columns wanted and the student's input size.

        Args:
            pool: the views.
            store: what the teachers saw of them.
            teachers: columns wanted.
            size_px: side of the student's input.
            samples: of the pool; None: all.
            online_px: sides of the inputs of teachers that look online.
        """
        self.pool, self.size_px, self.online_px = pool, size_px, dict(online_px or {})
        self.samples = range(len(pool)) if samples is None else samples
        self.columns = {name: store.column(name) for name in teachers}

    def __len__(self) -> int:
        return len(self.samples)

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        """Return `{"grey": [S, S], "inside": [S/8, S/8], "features": {teacher: [dim, h, w]}}` of the view at place `index`.

        Features are as they are stored: float16, or codes, one byte each, that the task turns back on its device. Where teachers
        look online there is `"pictures": {teacher: [P, P]}` too.

        `turn` plays no part: every epoch shows the same views, those that the teachers have seen.
        """
        place = self.samples[index]
        features = {name: torch.from_numpy(column.read(place)) for name, column in self.columns.items()}
        seen = self.pool.render_sizes(place, {self.size_px, *self.online_px.values()})
        inside = self.pool.coverage(place, self.size_px // EMBEDDING_STRIDE_PX)
        sample = {"inside": torch.from_numpy(inside), "features": features}
        sample["grey"] = torch.tensor(seen[self.size_px])
        if self.online_px:
            sample["pictures"] = {name: torch.tensor(seen[size]) for name, size in self.online_px.items()}
        return sample
