"""How fast a feature store gives samples, against a plain memory map of the same bytes in the same run."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from agglo.bench.timing import in_turn, ratio, summary
from agglo.core.seeds import generator
from agglo.features import Column, FeatureStore, Samples

SAMPLES, DIM, GRID = 256, 256, (32, 32)
READS_A_ROUND = 64


def bench_store(*, rounds: int) -> dict[str, Any]:
    """Return samples a second of the store and of a memory map, and the store's bytes a sample."""
    with tempfile.TemporaryDirectory() as folder:
        column = _fill(Path(folder))
        plain = np.memmap(
            Path(folder) / "plain.bin", dtype=np.float16, mode="w+", shape=(SAMPLES, DIM, *GRID)
        )
        order = generator(0, "bench store").integers(0, SAMPLES, READS_A_ROUND)
        times = in_turn(
            {
                "store": lambda: [column.read(int(sample)).sum() for sample in order],
                "memory_map": lambda: [np.array(plain[sample]).sum() for sample in order],
            },
            rounds=rounds,
        )
        size = sum(file.stat().st_size for file in column.folder.rglob("*") if file.is_file())
    return {
        "sample": [DIM, *GRID],
        "dtype": "float16",
        "reads_a_round": READS_A_ROUND,
        **{name: summary(values) for name, values in times.items()},
        "samples_per_s": round(READS_A_ROUND / (summary(times["store"])["median_ms"] / 1000)),
        "store_over_memory_map": ratio(times["store"], times["memory_map"]),
        "bytes_over_raw": round(size / (SAMPLES * DIM * GRID[0] * GRID[1] * 2), 4),
    }


def _fill(folder: Path) -> Column:
    frames = tuple(str(number) for number in range(SAMPLES))
    samples = Samples("bench", frames, (True,) * SAMPLES, 1, {}, 0)
    column = FeatureStore.create(folder / "store", samples).add_column(
        "teacher", dim=DIM, grid=GRID, identity={}
    )
    random = generator(0, "bench features")
    for block in range(column.num_blocks):
        shape = (len(column.block_range(block)), DIM, *GRID)
        features = random.standard_normal(shape, np.float32).astype(np.float16)
        column.write_block(block, features, np.ones((shape[0], *GRID), np.float32))
    return FeatureStore.open(folder / "store").column("teacher")
