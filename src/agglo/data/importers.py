"""Folders that open as they are, though not in the native format: `images/`, index masks in `masks/`, names in `classes.json`.

What an empty place in a mask means, and who a patient is, `rules` tells. Masks are looked through once on opening, because nothing
else says which classes they hold.
"""

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agglo.core.errors import DataError, ImageError
from agglo.core.files import read_json
from agglo.data.dataset import Frame, Header
from agglo.data.masks import MaskEncoding
from agglo.data.problems import Problems
from agglo.data.rules import CLIP, CLIP_FULLY_LABELLED, Rules, rules_of
from agglo.data.states import State
from agglo_runtime.images import SUFFIXES, read_image

StatesOfFrame = Callable[[Path, Path | None], tuple[State, ...]]
"""From a picture's and its mask's path to the state of every class."""


def read_foreign(folder: Path) -> tuple[Header, list[Frame]]:
    """Return the header and the frames of an index-mask folder; raises one `DataError` with all problems found."""
    problems = Problems(str(folder))
    classes = _read_classes(folder)
    names, name = tuple(map(str, classes["classes"])), folder.absolute().name
    rules = rules_of(classes, folder)
    states_of = clip_states(folder, names) if rules is CLIP else _states_in_masks(names, rules, problems)
    masks = {path.stem: path for path in pictures_in(folder / "masks")}
    pictures = pictures_in(folder / "images")
    _check_names(pictures, masks, problems)
    frames = [
        frame_of(path, order, masks.get(path.stem), states_of(path, masks.get(path.stem)), rules)
        for order, path in enumerate(pictures)
    ]
    frames.extend(unlabelled_frames(folder, len(names), rules))
    _check_ids(frames, problems)
    problems.raise_if_any()
    source = folder / "SOURCE.txt"
    description = {
        "is_phantom": False,
        "contains_patient_data": True,
        "labels": classes.get("index", ""),
        "notes": rules.notes,
        "source": source.read_text(encoding="utf-8").strip() if source.is_file() else "",
    }
    encoding = MaskEncoding("index", tuple(range(1, len(names) + 1)))
    return Header(folder, name, names, rules.groups, encoding, description), frames


def _read_classes(folder: Path) -> dict[str, Any]:
    path = folder / "classes.json"
    try:
        content = read_json(path)
    except ValueError as error:
        raise DataError(f"{path} must be JSON, reading it gave: {error}; write it again.") from None
    names = content.get("classes") if isinstance(content, dict) else None
    if not isinstance(names, list) or len(set(map(str, names))) < len(names):
        raise DataError(
            f"{path} must have `classes`, a list of distinct names for the values 1..K, it has {names!r}; mend it."
        )
    return content


def pictures_in(folder: Path) -> list[Path]:
    """Return the image files in `folder`, sorted; none where there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )


def _check_names(pictures: Sequence[Path], masks: Mapping[str, Path], problems: Problems) -> None:
    stems = [path.stem for path in pictures]
    for stem in sorted(
        {stem for stem in stems if stems.count(stem) > 1} if len(set(stems)) < len(stems) else ()
    ):
        problems.add(
            f"images/{stem}: there must be one image of that name, there are several; remove all but one"
        )
    for stem in sorted(set(masks) - set(stems)):
        problems.add(
            f"masks/{masks[stem].name}: must have an image of the same name, there is none; rename or remove it"
        )


def _check_ids(frames: Sequence[Frame], problems: Problems) -> None:
    """Note frames of `unlabelled_<source>` folders whose id, `<source>_<name>`, is that of a picture before."""
    first: dict[str, Path] = {}
    for frame in frames:
        there = first.setdefault(frame.id, frame.image)
        if there != frame.image and frame.image.parent.name != "images":  # `_check_names` looks into `images`
            shown, before = (f"{path.parent.name}/{path.name}" for path in (frame.image, there))
            problems.add(
                f"{shown}: must have an id of its own, but {frame.id} is also that of {before}; rename one of the two"
            )


def _states_in_masks(names: Sequence[str], rules: Rules, problems: Problems) -> StatesOfFrame:
    """Return states from a mask's pixels: present with any, as the rules say without, unlabelled without a mask."""

    def states(_: Path, mask: Path | None) -> tuple[State, ...]:
        if mask is None:
            return (State.UNLABELLED,) * len(names)
        try:
            counts = np.bincount(read_image(mask).reshape(-1), minlength=len(names) + 1)
        except ImageError as error:
            problems.add(str(error))
            return (State.UNLABELLED,) * len(names)
        if len(counts) > len(names) + 1:
            problems.add(
                f"masks/{mask.name}: values must be 0..{len(names)} as in classes.json, it has {len(counts) - 1}; mend it"
            )
        return tuple(State.PRESENT if count else rules.without_pixels for count in counts[1 : len(names) + 1])

    return states


def clip_states(folder: Path, names: Sequence[str]) -> StatesOfFrame:
    """Return states of `vfss_clip` from its own table of pixel counts."""
    path = folder / "frames.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            found = {
                int(row["frame"]): [int(row[f"{name}_px"]) for name in names] for row in csv.DictReader(file)
            }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} must have the columns frame and <class>_px, which say what is labelled; reading it gave {error!r}; restore it."
        ) from None

    def states(image: Path, mask: Path | None) -> tuple[State, ...]:
        number = _number_in(image.stem, 0)
        is_complete = mask is not None and number in found and number <= CLIP_FULLY_LABELLED
        otherwise = State.ABSENT if is_complete else State.UNLABELLED
        counts = found.get(number, [0] * len(names)) if mask else [0] * len(names)
        return tuple(State.PRESENT if count else otherwise for count in counts)

    return states


def _number_in(stem: str, order: int) -> int:
    found = re.search(r"(\d+)$", stem)
    return int(found.group(1)) if found else order


def _patient_of(stem: str, rules: Rules, folder: str) -> str:
    if rules.patients == "one":
        return folder
    return re.sub(r"_\d+$", "", stem) if rules.patients == "source" else stem


def frame_of(path: Path, order: int, mask: Path | None, states: tuple[State, ...], rules: Rules) -> Frame:
    """Return the frame of the picture in `path`, which is the `order`-th of its folder."""
    patient = _patient_of(path.stem, rules, path.absolute().parent.parent.name)
    return Frame(
        id=path.stem,
        patient=patient,
        video=patient,
        swallow="",
        index=0 if rules.patients == "each" else _number_in(path.stem, order),
        spacing_mm=None,
        spacing_source="none",
        fps=None,
        fps_source="none",
        states=states,
        visible=(1.0,) * len(states),
        image=path,
        mask_files=() if mask is None else (mask,),
        facts=rules.facts,
    )


def unlabelled_frames(folder: Path, num_classes: int, rules: Rules) -> list[Frame]:
    """Return the frames of every folder beside `images/` called `unlabelled_<source>`: one patient each, in time order."""
    frames = []
    for beside in sorted(folder.glob("unlabelled_*")):
        source = beside.name.removeprefix("unlabelled_")
        for order, path in enumerate(pictures_in(beside)):
            frames.append(
                Frame(
                    id=f"{source}_{path.stem}",
                    patient=source,
                    video=source,
                    swallow="",
                    index=_number_in(path.stem, order),
                    spacing_mm=None,
                    spacing_source="none",
                    fps=None,
                    fps_source="none",
                    states=(State.UNLABELLED,) * num_classes,
                    visible=(1.0,) * num_classes,
                    image=path,
                    mask_files=(),
                    facts=rules.facts,
                )
            )
    return frames
