"""The dataset stage: a phantom dataset made by the run, or a given folder looked at; and `agglo phantom`."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from agglo.config.schema import PhantomConfig
from agglo.core.progress import Progress, silent
from agglo.data import DatasetWriter
from agglo.phantom import GROUPS, STRUCTURES, PhantomFrame, render_study, sample_study
from agglo.recipes.run import Run
from agglo.recipes.stage import Facts


def dataset(run: Run) -> bool:
    """Make the phantom, if the recipe asks for one, and part the dataset; say what there is."""
    config = run.recipe.data
    settings = {
        "phantom": config.phantom.model_dump() if config.phantom else None,
        "folder": str(config.folder) if config.folder else None,
        "structures": config.structures,
        "polarity": config.polarity,
        "split": config.split.model_dump(mode="json"),
    }
    stage = run.stage("dataset", settings)

    def work() -> Facts:
        if config.phantom is not None:
            make_phantom(run.dataset_folder, config.phantom, progress=run.tell("phantom"))
        found, parts = run.dataset, run.split
        return {
            "name": found.name,
            "frames": len(found),
            "structures": list(found.structures),
            "parts": {
                name: {
                    "frames": len(parts[name]),
                    "patients": len({found.frames[i].patient for i in parts[name]}),
                }
                for name in parts
            },
        }

    return stage.run(work)


def make_phantom(
    folder: Path, config: PhantomConfig, *, progress: Progress = silent, workers: int = 2
) -> Path:
    """Write a phantom dataset to `folder`, patient by patient; same settings, same bytes.

    Args:
        folder: of the dataset.
        config: how many, how large, from which seed.
        progress: told after every patient.
        workers: processes that render.
    """
    writer = DatasetWriter(
        folder,
        name=f"phantom-{config.preset}",
        structures=STRUCTURES,
        groups=GROUPS,
        description={
            "is_phantom": True,
            "contains_patient_data": False,
            "pharynx_includes_bolus": True,
            **config.model_dump(),
        },
    )
    with ProcessPoolExecutor(max_workers=workers) as pool:
        studies = pool.map(_render, [config] * config.patients, range(config.patients))
        for patient, frames in enumerate(studies):
            for index, frame in enumerate(frames):
                _add(writer, patient, index, frame)
            progress(patient + 1, config.patients, "patients")
    writer.finish()
    return folder


def _render(config: PhantomConfig, patient: int) -> list[PhantomFrame]:
    study = sample_study(config.seed, patient, config.preset)
    frames: Iterator[PhantomFrame] = render_study(study, frames=config.frames, size_px=config.size_px)
    return list(frames)
