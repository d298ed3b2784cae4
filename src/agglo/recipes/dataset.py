"""The dataset stage: a phantom dataset made by the run, or a given folder looked at."""

from pathlib import Path
from typing import Any

from agglo.core.files import read_json, sha256_of, write_text
from agglo.data import Dataset, open_dataset
from agglo.recipes.context import Run
from agglo.recipes.phantom import cohort_of, make_phantom, refuse_held_out
from agglo.recipes.stage import Facts
from agglo.recipes.vetting import refuse_leaks, require_sound_masks

PATIENT_DATA = (
    "This run was made from real images, or scored on them. Features, pictures and reports in this folder are patient data: "
    "keep, share and delete them as such.\n"
)


def dataset(run: Run) -> bool:
    """Make the phantom, if the recipe asks for one, and part the dataset; say what there is.

    What is given to be trained on is looked at in every run, also where the stage is done: further unlabelled frames, or test sets,
    may have come since.
    """
    given = _given(run)
    for used in given:
        refuse_held_out(used)
    folder = run.folder / "dataset"
    _forget_unfinished(folder)
    stage = run.stage("dataset", _settings(run), is_whole=(folder / "split.json").exists)

    def work() -> Facts:
        require_sound_masks(run)
        phantom = run.recipe.data.phantom
        if phantom is not None:
            make_phantom(run.dataset_folder, phantom, progress=run.tell("phantom"))
        refuse_leaks(run)
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

    did_work = stage.run(work)
    if not did_work:
        refuse_leaks(run)
    scored = [open_dataset(extra.folder) for extra in run.recipe.evaluate.also if extra.folder is not None]
    if not all(used.description.get("is_phantom") for used in (*given, *scored)):
        write_text(run.folder / "CONTAINS_PATIENT_DATA", PATIENT_DATA)
    return did_work


def _settings(run: Run) -> dict[str, Any]:
    config = run.recipe.data
    split_file = config.split.file
    return {
        "phantom": cohort_of(config.phantom).description if config.phantom else None,
        "folder": str(config.folder) if config.folder else None,
        "fingerprint": run.dataset.fingerprint if config.folder else None,
        "structures": config.structures,
        "polarity": config.polarity,
        "split": config.split.model_dump(mode="json"),
        **({"split_file": sha256_of(split_file)} if split_file else {}),
    }


def _forget_unfinished(folder: Path) -> None:
    """Forget a beginning that came to no end, so that what was wrong with masks or split can be mended without losing the phantom.

    A phantom knows itself with what settings it was begun, and refuses to go on with others.
    """
    notes = folder / "stage.json"
    if notes.exists() and not read_json(notes)["is_done"]:
        (folder / "split.json").unlink(missing_ok=True)
        notes.unlink()


def _given(run: Run) -> list[Dataset]:
    """Return the datasets to train on that the run does not make itself."""
    own = [run.dataset] if run.recipe.data.folder is not None else []
    return [*own, *run.extra_datasets]
