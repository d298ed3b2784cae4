"""The dataset stage: a phantom dataset made by the run, or a given folder looked at."""

from agglo.core.files import sha256_of, write_text
from agglo.data import open_dataset
from agglo.recipes.context import Run
from agglo.recipes.phantom import cohort_of, make_phantom, refuse_held_out
from agglo.recipes.stage import Facts

PATIENT_DATA = (
    "This run was made from real images. Features, pictures and reports in this folder are patient data: "
    "keep, share and delete them as such.\n"
)


def dataset(run: Run) -> bool:
    """Make the phantom, if the recipe asks for one, and part the dataset; say what there is."""
    config = run.recipe.data
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
        for used in (found, *(open_dataset(extra.folder) for extra in config.unlabelled)):
            refuse_held_out(used)
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
