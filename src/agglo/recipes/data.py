"""`agglo data`: what a dataset holds, what is wrong with it, and how it is parted."""

from collections.abc import Sequence
from pathlib import Path

from agglo.config.split import SplitConfig
from agglo.core.progress import Progress, silent
from agglo.data import open_dataset
from agglo.data.check import Report, check_folder, render
from agglo.data.split_files import save_split
from agglo.recipes.parting import parted


def look_into(folder: Path, *, splits: Sequence[Path] = (), progress: Progress = silent) -> Report:
    """Read every file of the dataset in `folder` and return everything that is wrong, and what there is."""
    return check_folder(folder, splits=splits, progress=progress)


def told(report: Report, *, width: int, show_all: bool, colour: bool) -> str:
    """Return a report as text for a terminal."""
    return render(report, width=width, show_all=show_all, colour=colour)


def part(folder: Path, config: SplitConfig, out: Path) -> dict[Path, dict[str, dict[str, int]]]:
    """Part the dataset in `folder` and keep the split in the file `out`; with folds, one file for each.

    Returns by file and part the frames and patients in it.
    """
    dataset = open_dataset(folder)
    if config.folds is None:
        configs = {out: config}
    else:
        configs = {
            out.with_name(f"{out.stem}-{fold}{out.suffix}"): config.model_copy(update={"fold": fold})
            for fold in range(config.folds)
        }
    told = {}
    for path, each in configs.items():
        split = parted(dataset, each)
        save_split(split, path, dataset)
        told[path] = {
            name: {
                "frames": len(split[name]),
                "patients": len({dataset.frames[number].patient for number in split[name]}),
            }
            for name in split
        }
    return told
