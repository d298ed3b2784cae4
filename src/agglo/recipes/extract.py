"""The extract stage: the teachers look at every stored view."""

from pathlib import Path

import torch

from agglo.features import FeatureStore, Samples
from agglo.features.extract import Source
from agglo.features.extract import extract as extract_features
from agglo.features.pool import Pool
from agglo.recipes import build
from agglo.recipes.context import Run
from agglo.recipes.stage import Facts


def extract(run: Run) -> bool:
    """Fill the run's feature store."""
    recipe = run.recipe
    settings = {
        "teachers": [teacher.model_dump(mode="json") for teacher in recipe.teachers],
        "views": recipe.views.model_dump(mode="json"),
        "unlabelled": [extra.model_dump(mode="json") for extra in recipe.data.unlabelled],
        "seed": recipe.seed,
    }
    stage = run.stage("extract", settings, after=["dataset"], folder="features")

    def work() -> Facts:
        sources = {teacher.name: build.source(teacher) for teacher in recipe.teachers}
        pool = build.pool(recipe, run.dataset, run.split)
        _, effort = extract_features(
            pool,
            sources,
            store_folder(run),
            device=_device(recipe.device.accelerator),
            progress=run.tell("extract"),
        )
        return {
            "frames": len(pool.frames),
            "samples": len(pool),
            "labels": "none",
            "wall_s": round(effort.wall_s, 2),
            "forward_s": round(effort.forward_s, 2),
            "teachers": {name: _facts_of(source) for name, source in sources.items()},
        }

    return stage.run(work)


def store_folder(run: Run) -> Path:
    """Return where the run's features are."""
    return run.folder / "features"


def pool_and_store(run: Run) -> tuple[Pool, FeatureStore]:
    """Return the run's pool and the store that holds what teachers saw of it."""
    pool = build.pool(run.recipe, run.dataset, run.split)
    samples: Samples = pool.samples
    return pool, FeatureStore.create(store_folder(run), samples)


def _facts_of(source: Source) -> Facts:
    entry, spec = source.entry, source.teacher.spec
    return {
        "family": entry.family,
        "licence": entry.licence,
        "labels_seen": entry.labels_seen,
        "source": entry.source,
        "dim": spec.dim,
        "stride_px": spec.stride_px,
        "input_px": spec.input_px,
        "num_parameters": sum(parameter.numel() for parameter in source.teacher.parameters()),
        "weights_sha256": source.identity["weights_sha256"],
    }


def _device(accelerator: str) -> torch.device:
    has_gpu = accelerator in {"auto", "cuda"} and torch.cuda.is_available()
    return torch.device("cuda" if has_gpu else "cpu")
