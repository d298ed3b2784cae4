"""Which frames are for training, for choosing, and for testing: by patient, video or time, decided once and kept in a file.

A split belongs to one dataset (its fingerprint is kept with it). Frames that are in no part, such as the gap between two blocks of
time, are simply not in it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final

from agglo.core.errors import DataError
from agglo.core.files import read_json, write_json
from agglo.core.seeds import generator
from agglo.data.dataset import Dataset, Frame
from agglo.data.problems import Problems

Unit = Literal["patient", "video", "time", "blocks"]
Ranges = Mapping[str, Sequence[Sequence[int]]]

PARTS = ("train", "val", "test")
GAP_FRAMES = 5
"""Frames left out between two blocks of time, because neighbours look alike."""


@final
@dataclass(frozen=True)
class Split(Mapping[str, tuple[int, ...]]):
    """Frame numbers by part name, ascending.

    Attributes:
        parts: frame numbers of each part.
        by: the unit that is never torn apart.
        seed: it was drawn with; None where units were taken in order.
        dataset_fingerprint: of the dataset it belongs to.
        settings: fractions or ranges it was made from.
    """

    parts: Mapping[str, tuple[int, ...]]
    by: Unit
    seed: int | None
    dataset_fingerprint: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, part: str) -> tuple[int, ...]:
        """Return the frame numbers of `part`; raises `DataError` for one that the split has not."""
        if part not in self.parts:
            raise DataError(
                f"the part must be one of {list(self.parts)}, got {part!r}; fix the split's name."
            )
        return self.parts[part]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the parts."""
        return iter(self.parts)

    def __len__(self) -> int:
        """Return the number of parts."""
        return len(self.parts)

    def save(self, path: Path) -> None:
        """Write the split as JSON."""
        write_json(path, self.content)

    @property
    def content(self) -> dict[str, Any]:
        """The split as JSON has it."""
        return {
            "by": self.by,
            "seed": self.seed,
            "dataset_fingerprint": self.dataset_fingerprint,
            "settings": dict(self.settings),
            "parts": {part: list(numbers) for part, numbers in self.parts.items()},
        }


def load_split(path: Path, dataset: Dataset) -> Split:
    """Read a split of `dataset`.

    Raises `DataError` when the file is no split, when it belongs to another dataset or to another state of this one, or when a
    patient (a video, a frame: what the split goes by) is in two parts.
    """
    try:
        content = read_json(path)
        parts = {part: tuple(int(number) for number in numbers) for part, numbers in content["parts"].items()}
        split = Split(
            parts, content["by"], content["seed"], content["dataset_fingerprint"], content["settings"]
        )
    except FileNotFoundError:
        raise DataError(
            f"{path} must be a split, there is no such file; make one with `agglo data split`."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} must be a split written by Agglo, reading it gave {error!r}; make it again."
        ) from None
    if split.dataset_fingerprint != dataset.fingerprint:
        raise DataError(
            f"{path} must belong to the dataset in {dataset.folder} (fingerprint {dataset.fingerprint}), it was made for "
            f"{split.dataset_fingerprint}; the data have changed since: make the split again."
        )
    check_disjoint(split, dataset, str(path))
    return split


def split_by(
    dataset: Dataset,
    *,
    by: Unit = "patient",
    fractions: Sequence[float] = (0.6, 0.1, 0.3),
    seed: int | None = 0,
    ranges: Ranges | None = None,
    gap_frames: int = GAP_FRAMES,
) -> Split:
    """Divide the frames of `dataset` into parts.

    Args:
        dataset: whose frames.
        by: "patient" and "video" shuffle those and never tear one apart; "blocks" cuts every video into consecutive train, val
            and test with a gap between them; "time" takes the given `ranges` of the frames' index, in every video.
        fractions: of units (frames, for blocks) in train, val and test; they sum to 1, 0 leaves a part empty.
        seed: of the shuffle; None takes units in the order of their names; no matter for blocks and time.
        ranges: by part name the first and last index (both inclusive) of its ranges; for "time" only.
        gap_frames: left out between blocks.

    Raises `DataError` for settings that cannot be met: too few units for the parts, ranges that overlap or hold no frame.
    """
    if (by == "time") != (ranges is not None):
        raise DataError(
            f"`ranges` must be given with by=time and only then, got by={by} and ranges={ranges}."
        )
    if by == "time":
        parts = _by_ranges(dataset, ranges or {})
        settings: dict[str, Any] = {
            "ranges": {part: [list(each) for each in given] for part, given in (ranges or {}).items()}
        }
    else:
        _check_fractions(fractions)
        parts = (
            _by_blocks(dataset, fractions, gap_frames)
            if by == "blocks"
            else _by_unit(dataset, by, fractions, seed)
        )
        settings = {"fractions": list(fractions)} | ({"gap_frames": gap_frames} if by == "blocks" else {})
    split = Split(parts, by, seed, dataset.fingerprint, settings)
    check_disjoint(split, dataset, f"split of {dataset.name}")
    return split


def unit_of(frame: Frame, by: Unit) -> str:
    """Return the name of the unit that `frame` belongs to: its patient, its video, or itself."""
    if by == "patient":
        return frame.patient
    return f"{frame.patient}/{frame.video}" if by == "video" else frame.id


def _check_fractions(fractions: Sequence[float]) -> None:
    if len(fractions) != len(PARTS) or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise DataError(
            f"`fractions` must be three numbers (train, val, test) from 0 that sum to 1, got {list(fractions)}."
        )


def counts_of_parts(total: int, fractions: Sequence[float], what: str) -> list[int]:
    """Return how many of `total` units each part gets: at least one where its fraction is not 0, the first part gets the rest."""
    wanted = [part for part, fraction in zip(PARTS, fractions, strict=True) if fraction > 0]
    if total < len(wanted):
        raise DataError(
            f"a split into {', '.join(wanted)} must have at least {len(wanted)} {what}, there are {total}; split by time blocks, "
            "set a fraction to 0, or add data."
        )
    counts = [max(1, round(total * fraction)) if fraction > 0 else 0 for fraction in fractions]
    while sum(counts) != total:
        largest = max(range(len(counts)), key=lambda part: counts[part] - total * fractions[part])
        smallest = min(
            (part for part in range(len(counts)) if fractions[part] > 0),
            key=lambda part: counts[part] - total * fractions[part],
        )
        if sum(counts) > total:
            counts[largest if counts[largest] > 1 else counts.index(max(counts))] -= 1
        else:
            counts[smallest] += 1
    return counts


def _by_unit(
    dataset: Dataset, by: Unit, fractions: Sequence[float], seed: int | None
) -> dict[str, tuple[int, ...]]:
    units = sorted({unit_of(frame, by) for frame in dataset.frames})
    counts = counts_of_parts(len(units), fractions, f"{by}s")
    if seed is not None:
        units = [units[place] for place in generator(seed, "split", by).permutation(len(units))]
    part_of: dict[str, str] = {}
    for part, count in zip(PARTS, counts, strict=True):
        part_of.update(dict.fromkeys(units[len(part_of) : len(part_of) + count], part))
    return _collect(PARTS, [part_of[unit_of(frame, by)] for frame in dataset.frames])


def _by_blocks(dataset: Dataset, fractions: Sequence[float], gap_frames: int) -> dict[str, tuple[int, ...]]:
    videos: dict[str, list[int]] = {}
    for number, frame in enumerate(dataset.frames):
        videos.setdefault(unit_of(frame, "video"), []).append(number)
    chosen: list[str | None] = [None] * len(dataset)
    num_gaps = sum(fraction > 0 for fraction in fractions) - 1
    for video, numbers in videos.items():
        ordered = sorted(numbers, key=lambda number: dataset.frames[number].index)
        counts = counts_of_parts(
            len(ordered) - num_gaps * gap_frames, fractions, f"frames in video {video} besides the gaps"
        )
        start = 0
        for part, count in zip(PARTS, counts, strict=True):
            for number in ordered[start : start + count]:
                chosen[number] = part
            start += count + gap_frames if count else 0
    return _collect(PARTS, chosen)


def _by_ranges(dataset: Dataset, ranges: Ranges) -> dict[str, tuple[int, ...]]:
    problems = Problems(f"time ranges of the split of {dataset.name}")
    owners: dict[int, str] = {}
    for part, given in ranges.items():
        for each in given:
            if len(each) != 2 or each[0] > each[1]:
                problems.add(f"{part}: a range must be [first, last] with first <= last, got {list(each)}")
                continue
            for index in range(each[0], each[1] + 1):
                if owners.setdefault(index, part) != part:
                    problems.add(
                        f"index {index} must be in one part only, it is in {owners[index]} and {part}"
                    )
    chosen = [owners.get(frame.index) for frame in dataset.frames]
    for part in ranges:
        if part not in chosen:
            problems.add(f"{part}: its ranges must hold at least one frame, they hold none")
    problems.raise_if_any()
    return _collect(tuple(ranges), chosen)


def _collect(names: Sequence[str], chosen: Sequence[str | None]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(number for number, part in enumerate(chosen) if part == name) for name in names}


def check_disjoint(split: Split, dataset: Dataset, what: str) -> None:
    """Raise one `DataError`, opened by `what`, that names every unit in two parts and every number that is no frame's."""
    problems = Problems(what)
    part_of: dict[str, str] = {}
    for part, numbers in split.items():
        if numbers and not 0 <= min(numbers) <= max(numbers) < len(dataset):
            problems.add(
                f"{part}: frame numbers must be in 0..{len(dataset) - 1}, got {min(numbers)}..{max(numbers)}"
            )
            continue
        for unit in dict.fromkeys(unit_of(dataset.frames[number], split.by) for number in numbers):
            if part_of.setdefault(unit, part) != part:
                unit_name = split.by if split.by in ("patient", "video") else "frame"
                problems.add(
                    f"{unit_name} {unit} must be in one part only, it is in {part_of[unit]} and {part}; make the split again"
                )
    problems.raise_if_any()
