"""What extraction costs over the teachers' bare forward passes at the same batch: rendering, preparing, statistics, writing.

Whole extractions into fresh stores and bare passes over a batch in memory go in turn. Two ratios are told: of wall time, which is
what a user waits for and depends on how many cores are free beside the teachers; and of the processor time of this process, which
is what it would be with none.
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from agglo.bench.timing import in_turn, ratio, summary
from agglo.config.schema import PhantomConfig, TeacherConfig
from agglo.data import ViewRecipe, open_dataset
from agglo.features.extract import fill_store
from agglo.features.looking import ReadyTeacher, pictures_at_once
from agglo.features.pool import Pool
from agglo.recipes import build
from agglo.recipes.context import Tell, tell_nobody
from agglo.recipes.phantom import make_phantom
from agglo.teachers import preprocess

PATIENTS, FRAMES, VIEWS = 6, 16, 2
TEACHERS = ("lab-sam", "lab-dino", "lab-clip")


def bench_extract(*, rounds: int, tell: Tell = tell_nobody) -> dict[str, Any]:
    """Return wall and processor time of an extraction by the lab teachers over that of their bare forward passes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_phantom(
            folder / "dataset", PhantomConfig(patients=PATIENTS, frames=FRAMES), progress=tell("phantom")
        )
        dataset = open_dataset(folder / "dataset")
        frames = range(len(dataset))
        pool = Pool.of(
            [(dataset, frames, True)], ViewRecipe(flip_probability=0.5), views_per_frame=VIEWS, seed=0
        )
        sources = {name: build.ready_teacher(TeacherConfig(name=name)) for name in TEACHERS}
        works = {"extraction": _extraction(pool, sources, folder), "bare_forward": _forward(pool, sources)}
        processor: dict[str, list[float]] = {name: [] for name in works}
        counted = {name: _counting(work, processor[name]) for name, work in works.items()}
        times = in_turn(counted, rounds=rounds, progress=tell("extract"))
    return {
        "views": len(pool),
        "teachers": list(sources),
        "threads": torch.get_num_threads(),
        **{name: summary(values) for name, values in times.items()},
        "extraction_over_forward": ratio(times["extraction"], times["bare_forward"]),
        "processor_time_over_forward": ratio(
            processor["extraction"][-rounds:], processor["bare_forward"][-rounds:]
        ),
    }


def _extraction(pool: Pool, sources: Mapping[str, ReadyTeacher], folder: Path) -> Callable[[], object]:
    stores = iter(range(1_000_000))
    return lambda: fill_store(pool, sources, folder / f"store{next(stores)}")


def _forward(pool: Pool, sources: Mapping[str, ReadyTeacher]) -> Callable[[], object]:
    """Return bare passes over as many views in as many batches as extraction takes, each of the same pictures."""
    batches = []
    for source in sources.values():
        size_px = source.teacher.spec.input_px
        views = min(len(pool), pictures_at_once(size_px, torch.device("cpu")))
        pictures = torch.stack([torch.tensor(pool.render(sample, size_px)) for sample in range(views)])
        batches.append((source.teacher, preprocess(source.entry, pictures), -(-len(pool) // views)))

    @torch.inference_mode()
    def work() -> None:
        for teacher, images, count in batches:
            for _ in range(count):
                teacher.feature_map(images)

    return work


def _counting(work: Callable[[], object], into: list[float]) -> Callable[[], None]:
    def counted() -> None:
        began = time.process_time()
        work()
        into.append(time.process_time() - began)

    return counted
