"""The dataset stage: a phantom dataset made by the run, or a given folder looked at."""

from agglo.core.files import sha256_of, write_text
from agglo.data import Dataset, open_dataset
from agglo.recipes.context import Run
from agglo.recipes.phantom import cohort_of, make_phantom, refuse_held_out
from agglo.recipes.stage import Facts

PATIENT_DATA = (
    "This run was made from real images. Features, pictures and reports in this folder are patient data: "
    "keep, share and delete them as such.\n"
)


def dataset(run: Run) -> bool:
    """Make the phantom, if the recipe asks for one, and part the dataset; say what there is.

    What is given to be trained on is looked at in every run, also where the stage is done: further unlabelled frames may have come
    since.
    """
    config = run.recipe.data
    given = _given(run)
    for used in given:
        refuse_held_out(used)
    settings = {
        "phantom": cohort_of(config.phantom).description if config.phantom else None,
        "folder": str(config.folder) if config.folder else None,
        "fingerprint": run.dataset.fingerprint if config.folder else None,
        "structures": config.structures,
        "polarity": config.polarity,
        "split": config.split.model_dump(mode="json"),
    }
    if config.split.file is not None and config.split.file.is_file():
        settings["split_file"] = sha256_of(config.split.file)
    split_file = run.folder / "dataset" / "split.json"
    stage = run.stage("dataset", settings, is_whole=split_file.exists)

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

    done = stage.run(work)
    if not all(used.description.get("is_phantom") for used in given):
        write_text(run.folder / "CONTAINS_PATIENT_DATA", PATIENT_DATA)
    return done


def _given(run: Run) -> list[Dataset]:
    """Return the datasets to train on that the run does not make itself."""
    own = [run.dataset] if run.recipe.data.folder is not None else []
    return own + [open_dataset(extra.folder) for extra in run.recipe.data.unlabelled]
