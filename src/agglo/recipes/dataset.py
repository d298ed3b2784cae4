"""The dataset stage: a phantom dataset made by the run, or a given folder looked at; and `agglo phantom`."""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from agglo.config.schema import PhantomConfig
from agglo.core.files import write_text
from agglo.core.progress import Progress, silent
from agglo.data import DatasetWriter, FrameInfo, State
from agglo.phantom import GROUPS, STRUCTURES, PhantomFrame, render_study, sample_study
from agglo.recipes.context import Run
from agglo.recipes.stage import Facts

PATIENT_DATA = (
    "This run was made from real images. Features, pictures and reports in this folder are patient data: "
    "keep, share and delete them as such.\n"
)


def dataset(run: Run) -> bool:
    """Make the phantom, if the recipe asks for one, and part the dataset; say what there is."""
    config = run.recipe.data
    settings = {
        "phantom": config.phantom.model_dump() if config.phantom else None,
        "folder": str(config.folder) if config.folder else None,
        "fingerprint": run.dataset.fingerprint if config.folder else None,
        "structures": config.structures,
        "polarity": config.polarity,
        "split": config.split.model_dump(mode="json"),
    }
    split_file = run.folder / "dataset" / "split.json"
    stage = run.stage("dataset", settings, is_whole=split_file.exists)

    def work() -> Facts:
        if config.phantom is not None:
            make_phantom(run.dataset_folder, config.phantom, progress=run.tell("phantom"))
        found, parts = run.dataset, run.split
        if not found.description.get("is_phantom") or config.unlabelled:
            write_text(run.folder / "CONTAINS_PATIENT_DATA", PATIENT_DATA)
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
    return list(render_study(study, frames=config.frames, size_px=config.size_px))


def _add(writer: DatasetWriter, patient: int, number: int, frame: PhantomFrame) -> None:
    truth = frame.truth
    info = FrameInfo(
        id=f"p{patient:04d}-f{number:03d}",
        patient=f"p{patient:04d}",
        video="v0",
        index=frame.index,
        swallow="s0",
        spacing_mm=truth.spacing_mm,
        spacing_source="phantom",
        fps=truth.fps,
        fps_source="phantom",
        visible=truth.visible_fraction,
        facts=_facts(frame),
    )
    writer.add(info, frame.image, frame.masks, [State[word.upper()] for word in frame.states])


def _facts(frame: PhantomFrame) -> dict[str, str]:
    """Return the columns of the frame table that only a phantom can fill."""
    truth = frame.truth
    places = {name: f"{col:.1f} {row:.1f}" for name, (col, row) in truth.landmarks.items()}
    return {
        "time_s": f"{truth.time_s:.4f}",
        "phase": str(truth.phase),
        "facing": truth.facing,
        "caption": truth.caption,
        "is_airway_closed": str(int(truth.is_airway_closed)),
        "ues_opening_mm": f"{truth.ues_opening_mm:.2f}",
        "volume_ml": f"{truth.volume_ml:.2f}",
        "field_diagonal_px": f"{truth.field_diagonal_px:.1f}",
        **{f"landmark:{name}": place for name, place in places.items()},
    }
