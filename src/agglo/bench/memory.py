"""Whether extraction needs more memory for more views: it must not, since blocks come and go.

Each number of views is extracted in a process of its own, by a teacher of one layer, so that what is measured is the extraction.
The frames are those of one small synthetic patient, shifted, each a file of its own.
"""

import multiprocessing
import resource
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from agglo.config.schema import PhantomConfig, TeacherConfig
from agglo.data import Dataset, DatasetWriter, FrameInfo, State, ViewRecipe, open_dataset
from agglo.features import Storage
from agglo.features.extract import fill_store
from agglo.features.pool import ONCE_THROUGH_BYTES, Pool
from agglo.recipes import build
from agglo.recipes.context import Tell, tell_nobody
from agglo.recipes.phantom import make_phantom
from agglo.teachers import OwnTeacher

FRAMES, SIZE_PX, VIEWS = 16, 256, 2
COUNTS = (1_000, 10_000)


def tiny_teacher(weights: Path | None) -> OwnTeacher:
    """Return a teacher of one convolution, which takes no time."""
    torch.manual_seed(0)
    return OwnTeacher(nn.Conv2d(3, 64, 16, stride=16), dim=64, stride_px=16, input_px=SIZE_PX, licence="none")


def bench_memory(*, counts: Sequence[int] = COUNTS, tell: Tell = tell_nobody) -> dict[str, Any]:
    """Return the peak of resident memory in MB by number of views, and the greatest over the least."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_phantom(folder / "patient", PhantomConfig(patients=1, frames=FRAMES, size_px=SIZE_PX))
        patient = open_dataset(folder / "patient")
        peaks: dict[str, float] = {}
        progress, done = tell("views"), 0
        for count in sorted(counts):
            progress(done, sum(counts), f"{count} in a process of their own")
            done += count
            _write_frames(patient, folder / f"of{count}", -(-count // VIEWS))
            with multiprocessing.get_context("spawn").Pool(1) as process:
                peaks[str(count)] = process.apply(peak_mb, (folder / f"of{count}", count))
    return {
        "views": [int(count) for count in peaks],
        "peak_mb": peaks,
        "greatest_over_least": round(max(peaks.values()) / min(peaks.values()), 4),
    }


def peak_mb(dataset: Path, count: int) -> float:
    """Extract `count` views of the frames in the folder `dataset`; return this process's peak of resident memory so far."""
    frames = open_dataset(dataset)
    pool = Pool.of(
        [(frames, range(count // VIEWS), True)],
        ViewRecipe(flip_probability=0.5),
        views_per_frame=VIEWS,
        seed=0,
    ).with_cache(ONCE_THROUGH_BYTES)
    teacher = build.ready_teacher(TeacherConfig(name=f"python:{__name__}:tiny_teacher"))
    fill_store(pool, {"tiny": teacher}, dataset / "store", storage=Storage("int8"))
    return round(_peak_bytes() / 1e6, 1)


def _peak_bytes() -> int:
    """Return the peak of this process alone: what `getrusage` says on Linux begins with that of whoever started it."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _write_frames(patient: Dataset, folder: Path, count: int) -> None:
    writer = DatasetWriter(folder, name="shifted", structures=["C2"], description={})
    for number in range(count):
        image = np.roll(patient.image(number % FRAMES), 3 * (number // FRAMES), axis=1)
        info = FrameInfo(id=f"f{number}", patient="p", video="v", index=number)
        writer.add(info, image, None, [State.UNLABELLED])
    writer.finish()
