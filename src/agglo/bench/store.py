"""What features cost on disk, how near they come back, and how fast a store gives them, against plain fp32 in the same run.

The features are made up: tokens whose variance falls off over directions as a power law (as that of the lab teachers does),
smooth over cells, of unlike lengths, about a mean that is far from 0. Speed is that of one process that reads whole samples in
random order, checksums included, from files that the system has in memory.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from jaxtyping import Float32
from zarr.codecs import Crc32cCodec

from agglo.bench.timing import in_turn, ratio, summary
from agglo.core.seeds import generator
from agglo.features import Codec, Column, FeatureStore, Moments, Samples, Storage
from agglo.features.pilot import Pilot
from agglo.features.requantise import token_cosines
from agglo.recipes.context import Tell, tell_nobody

SAMPLES, DIM, GRID = 64, 256, (64, 64)
READS_A_ROUND = 64
KINDS = {"fp16": Storage("fp16"), "int8": Storage("int8"), "int8_zstd": Storage("int8-zstd")}
WIDTHS = (16, 32, 64, 128, 256)
JUDGED = 8
"""Samples by which features that come back are compared with what was given."""
FALL = 1.0
"""Variance of direction `i` is proportional to `i ** -FALL`."""


def bench_store(*, rounds: int, tell: Tell = tell_nobody) -> dict[str, Any]:
    """Return, for every way of keeping features, bytes over those of fp32, centred cosines and samples a second; and a curve of
    PCA widths."""
    features = made_up(SAMPLES)
    with tempfile.TemporaryDirectory() as folder:
        columns = {name: _fill(Path(folder) / name, features, storage) for name, storage in KINDS.items()}
        plain = _plain(Path(folder) / "fp32", features)
        order = [int(sample) for sample in generator(0, "bench store").integers(0, SAMPLES, READS_A_ROUND)]
        works = {"fp32": _reading(lambda sample: np.asarray(plain[sample]), order)}
        works |= {name: _reading(column.read, order) for name, column in columns.items()}
        times = in_turn(works, rounds=rounds, progress=tell("reads"))
        sizes = {name: _bytes(column.folder) for name, column in columns.items()}
        cosines = {name: _cosines(column, features) for name, column in columns.items()}
    figures = {
        name: {
            **cosines.get(name, {}),
            "bytes_over_fp32": round(sizes.get(name, features.nbytes) / features.nbytes, 4),
            **_speed(times[name]),
        }
        for name in works
    }
    return {
        "sample": [DIM, *GRID],
        "samples": SAMPLES,
        "reads_a_round": READS_A_ROUND,
        **figures,
        "int8_over_fp32_time": ratio(times["int8"], times["fp32"]),
        "pca": pca_curve(features[:JUDGED]),
    }


def _reading(read: Callable[[int], Any], order: list[int]) -> Callable[[], Any]:
    return lambda: [read(sample) for sample in order]


def made_up(count: int) -> Float32[np.ndarray, "count dim h w"]:
    """Return features of `count` samples, the same on every call."""
    random = generator(0, "bench features")
    deviations = np.arange(1, DIM + 1, dtype=np.float32) ** (-FALL / 2)
    turn = np.linalg.qr(random.standard_normal((DIM, DIM)))[0].astype(np.float32) * deviations
    mean = (2 * random.standard_normal(DIM)).astype(np.float32)
    found = np.empty((count, DIM, *GRID), np.float32)
    for sample in range(count):
        noise = random.standard_normal((DIM, *GRID), np.float32)
        smooth = noise + np.roll(noise, 1, axis=1) + np.roll(noise, 1, axis=2)
        lengths = np.exp(0.4 * random.standard_normal(GRID)).astype(np.float32)
        found[sample] = np.tensordot(turn, smooth, 1) * lengths + mean[:, None, None]
    return found


def pca_curve(features: Float32[np.ndarray, "samples dim h w"]) -> dict[str, dict[str, float]]:
    """Return bytes over fp32, share of variance kept and centred cosines for some numbers of int8 codes a token."""
    tokens = np.moveaxis(features, 1, -1).reshape(-1, features.shape[1])
    moments = Moments.of(tokens)
    curve = {}
    for width in WIDTHS:
        codec = Codec.fit(moments, Storage("int8", width))
        back = codec.decode(codec.encode(features)[0])
        near = np.concatenate(
            [token_cosines(one, other, codec.mean) for one, other in zip(back, features, strict=True)]
        )
        curve[str(width)] = {
            "bytes_over_fp32": round(width / features.shape[1] / 4, 4),
            "energy": round(codec.energy, 4),
            **_cosine_figures(near),
        }
    return curve


def _fill(folder: Path, features: Float32[np.ndarray, "samples dim h w"], storage: Storage) -> Column:
    frames = tuple(str(number) for number in range(len(features)))
    samples = Samples("bench", frames, (True,) * len(features), 1, {}, 0)
    column = FeatureStore.create(folder, samples).add_column(
        "teacher", dim=DIM, grid=GRID, identity={}, storage=storage
    )
    everywhere = np.ones((len(features), *GRID), np.float32)
    if column.needs_pilot:
        pilot = Pilot(column)
        for portion in pilot.missing():
            views = list(pilot.portions[portion])
            pilot.write(portion, features[views].astype(np.float16), everywhere[views])
        pilot.freeze()
    for block in range(column.num_blocks):
        where = list(column.block_range(block))
        column.write_block(block, features[where].astype(np.float16), everywhere[where])
    return FeatureStore.open(folder).column("teacher")


def _plain(folder: Path, features: Float32[np.ndarray, "samples dim h w"]) -> Any:
    chunk = (1, *features.shape[1:])
    array = zarr.create_array(
        store=str(folder), shape=features.shape, chunks=chunk, dtype="float32", compressors=[Crc32cCodec()]
    )
    array[:] = features
    return array


def _bytes(folder: Path) -> int:
    """Return the bytes of a whole column: features, statistics, markers."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _cosines(column: Column, features: Float32[np.ndarray, "samples dim h w"]) -> dict[str, float]:
    mean = column.moments().mean
    near = [token_cosines(column.features(sample), features[sample], mean) for sample in range(JUDGED)]
    return _cosine_figures(np.concatenate(near))


def _cosine_figures(cosines: np.ndarray) -> dict[str, float]:
    return {
        "cosine_mean": round(float(cosines.mean()), 6),
        "cosine_percentile_1": round(float(np.percentile(cosines, 1)), 6),
    }


def _speed(times: list[float]) -> dict[str, Any]:
    found = summary(times)
    return {**found, "samples_per_s": round(READS_A_ROUND / (found["median_ms"] / 1000))}
