"""`agglo data`: what a dataset holds, what is wrong with it, and how it is parted."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from agglo.config.schema import SplitConfig
from agglo.data import Split, State, open_dataset, split_by
from agglo.data.check import check_dataset


@dataclass(frozen=True)
class Findings:
    """What was found in a dataset: counts of frames by structure and state, and all problems."""

    name: str
    frames: int
    patients: int
    states: dict[str, dict[str, int]]
    problems: list[str]


def look_into(folder: Path) -> Findings:
    """Read every pixel of the dataset in `folder`.

    Raises:
        DataError: it cannot even be opened; the message lists every problem of its table.
    """
    dataset = open_dataset(folder)
    counts = {
        name: Counter(frame.states[place] for frame in dataset.frames)
        for place, name in enumerate(dataset.structures)
    }
    return Findings(
        name=dataset.name,
        frames=len(dataset),
        patients=len({frame.patient for frame in dataset.frames}),
        states={name: {state.word: count[state] for state in State} for name, count in counts.items()},
        problems=check_dataset(dataset),
    )


def part(folder: Path, config: SplitConfig, out: Path) -> Split:
    """Part the dataset in `folder` and keep the split in the file `out`."""
    split = split_by(
        open_dataset(folder), by=config.by, fractions=config.fractions, seed=config.seed, ranges=config.ranges
    )
    split.save(out)
    return split
