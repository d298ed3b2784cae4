"""`agglo data`: what a dataset holds, what is wrong with it, and how it is parted."""

from collections.abc import Sequence
from pathlib import Path

from agglo.config.schema import SplitConfig
from agglo.core.progress import Progress, silent
from agglo.data import Split, open_dataset, split_by
from agglo.data.check import Report, check_folder, render


def look_into(folder: Path, *, splits: Sequence[Path] = (), progress: Progress = silent) -> Report:
    """Read every file of the dataset in `folder` and return everything that is wrong, and what there is."""
    return check_folder(folder, splits=splits, progress=progress)


def told(report: Report, *, width: int, show_all: bool, colour: bool) -> str:
    """Return a report as text for a terminal."""
    return render(report, width=width, show_all=show_all, colour=colour)


def part(folder: Path, config: SplitConfig, out: Path) -> Split:
    """Part the dataset in `folder` and keep the split in the file `out`."""
    split = split_by(
        open_dataset(folder), by=config.by, fractions=config.fractions, seed=config.seed, ranges=config.ranges
    )
    split.save(out)
    return split
