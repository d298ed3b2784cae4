"""Samples of stage 1: a view for the student, and what every teacher saw of exactly that view."""

from collections.abc import Sequence
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
    ) -> None:
        """Take the pool and its store, the columns wanted, the student's input size, and the samples of the pool (None: all)."""
        self.pool, self.size_px = pool, size_px
        self.samples = range(len(pool)) if samples is None else samples
        self.columns = {name: store.column(name) for name in teachers}

    def __len__(self) -> int:
        return len(self.samples)

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        """Return `{"grey": [S, S], "inside": [S/8, S/8], "features": {teacher: [dim, h, w]}}` of the view at place `index`.

        Features are as they are stored: float16, or codes, one byte each, that the task turns back on its device.

        `turn` plays no part: every epoch shows the same views, those that the teachers have seen.
        """
        sample = self.samples[index]
        features = {name: torch.from_numpy(column.read(sample)) for name, column in self.columns.items()}
        grey = self.pool.render(sample, self.size_px)
        inside = self.pool.coverage(sample, self.size_px // EMBEDDING_STRIDE_PX)
        return {"grey": torch.tensor(grey), "inside": torch.from_numpy(inside), "features": features}
