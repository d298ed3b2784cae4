"""A store of a hundred samples of one made-up teacher, for the tests of this folder."""

from pathlib import Path

import numpy as np

from agglo.core.seeds import generator
from agglo.features import Column, FeatureStore, Samples, Storage
from agglo.features.pilot import Pilot

SAMPLES = Samples(
    "data", tuple(f"f{number}" for number in range(50)), (True,) * 40 + (False,) * 10, 2, {"zoom": [1, 2]}, 5
)
DIM, GRID = 6, (3, 4)
WHOLE = np.ones((64, *GRID), np.float32)


def features(block: int, count: int) -> np.ndarray:
    """Return features of a block: channels of unlike variance, and a mean that is not 0."""
    noise = generator(9, "features", block).standard_normal((count, DIM, *GRID))
    return (noise * np.geomspace(3, 0.3, DIM)[:, None, None] + 1).astype(np.float16)


def of_samples(samples: tuple[int, ...]) -> np.ndarray:
    """Return features of any samples, as their blocks hold them."""
    blocks = {0: features(0, 64), 1: features(1, 36)}
    return np.stack([blocks[sample // 64][sample % 64] for sample in samples])


def look_first(column: Column) -> None:
    """Bring a coded column's pilot to its end."""
    pilot = Pilot(column)
    if column.needs_pilot:
        for portion in pilot.missing():
            views = pilot.portions[portion]
            pilot.write(portion, of_samples(views), WHOLE[: len(views)], seconds=0.25)
        pilot.freeze()


def filled(folder: Path, blocks: tuple[int, ...] = (0, 1), storage: Storage | None = None) -> Column:
    """Return column `teacher` of a store in `folder`, with these blocks."""
    column = FeatureStore.create(folder, SAMPLES).add_column(
        "teacher", dim=DIM, grid=GRID, identity={"weights": "a"}, storage=storage
    )
    look_first(column)
    for block in blocks:
        count = len(column.block_range(block))
        column.write_block(block, features(block, count), WHOLE[:count], seconds=0.5)
    return FeatureStore.open(folder).column("teacher")
