"""Splits that are made once and used by many: written with the ids of their frames, and adopted by whatever dataset has them.

A run's own split (`splits.load_split`) belongs to one state of one dataset. A split that is given goes by ids instead, so that
it still holds when a recipe picks structures or somebody mends a mask; what must hold is that it fits the frames.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agglo.core.errors import DataError
from agglo.core.files import read_json, write_json
from agglo.data.dataset import Dataset
from agglo.data.problems import Problems
from agglo.data.splits import PARTS, Split, check_disjoint


def save_split(split: Split, path: Path, dataset: Dataset) -> None:
    """Write a split of `dataset` as `Split.save` does, and by part the ids of its frames."""
    frames = {part: [dataset.frames[number].id for number in split[part]] for part in split}
    write_json(path, {**split.content, "frames": frames})


def adopt_split(path: Path, dataset: Dataset) -> Split:
    """Read a split that was made with `agglo data split`, or by hand: `{"by": "patient", "frames": {"train": [ids], ...}}`.

    Raises one `DataError` with all that is wrong: frames that `dataset` has not, frames left out (unless the split goes by time or
    blocks), frames named twice, a patient in two parts.
    """
    content = _content(path)
    by, frames = content.get("by", "patient"), content["frames"]
    problems = Problems(str(path))
    if by not in ("patient", "video", "time", "blocks"):
        problems.add(f"`by` must be patient, video, time or blocks, it is {by!r}; mend it")
    number_of = {frame.id: number for number, frame in enumerate(dataset.frames)}
    parts: dict[str, tuple[int, ...]] = {}
    for part, ids in frames.items():
        unknown = [frame for frame in ids if frame not in number_of]
        if unknown:
            problems.add(
                f"{part}: must name frames of {dataset.name}, it names {_some(unknown)}; make the split again"
            )
        if len(set(ids)) < len(ids):
            problems.add(
                f"{part}: must name every frame once, some occur more than once; make the split again"
            )
        parts[part] = tuple(sorted({number_of[frame] for frame in ids if frame in number_of}))
    taken = {number for numbers in parts.values() for number in numbers}
    left_out = [frame.id for number, frame in enumerate(dataset.frames) if number not in taken]
    if left_out and by in ("patient", "video"):
        problems.add(
            f"every frame of {dataset.name} must be in a part, {_some(left_out)} is in none; make the split again with "
            "`agglo data split`"
        )
    problems.raise_if_any()
    settings = {**content.get("settings", {}), "file": path.name}
    split = Split(parts, by, content.get("seed"), dataset.fingerprint, settings)
    check_disjoint(split, dataset, str(path))
    return split


def _content(path: Path) -> Mapping[str, Any]:
    try:
        content = read_json(path)
    except FileNotFoundError:
        raise DataError(
            f"{path} must be a split, there is no such file; make one with `agglo data split`."
        ) from None
    except (ValueError, OSError) as error:
        raise DataError(f"{path} must be JSON, reading it gave: {error}; make the split again.") from None
    frames = content.get("frames") if isinstance(content, dict) else None
    is_sound = isinstance(frames, dict) and all(
        isinstance(ids, list) and all(isinstance(each, str) for each in ids) for ids in frames.values()
    )
    if not is_sound or set(frames or ()) != set(PARTS) or not isinstance(content.get("settings", {}), dict):
        raise DataError(
            f"{path} must have `frames`: for each of {', '.join(PARTS)} a list of frame ids; make it with `agglo data split`."
        )
    return content


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
