"""What is to be segmented: images and videos among the inputs, and how each is to be read. Nothing is decoded here."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agglo.core.errors import ConfigError, ImageError
from agglo.core.files import read_json
from agglo_runtime.images import SUFFIXES, list_images
from agglo_runtime.prepare import invert
from agglo_runtime.video import VIDEO_SUFFIXES, Crop, cropper, is_video, require_pyav

RESERVED = ("masks", "overlay")
"""Folders of OUT that belong to still images."""


@dataclass(frozen=True)
class Reading:
    """How every input of a call is read, and what is kept.

    Attributes:
        is_inverted: swap black and white first, for a model that expects the other polarity.
        crop: the part of each picture to look at; results are in its pixels.
        spacing_mm: side of a (square) pixel in the patient, as the user states it; None without.
        keeps_masks: write the masks of every video frame too.
    """

    is_inverted: bool = False
    crop: Crop | None = None
    spacing_mm: float | None = None
    keeps_masks: bool = False

    def __post_init__(self) -> None:
        """Raise `ConfigError` for a spacing or crop that cannot be."""
        if self.spacing_mm is not None and not 0.01 <= self.spacing_mm <= 10:
            raise ConfigError(
                f"--spacing-mm must lie between 0.01 and 10 mm a pixel, got {self.spacing_mm}; state the side of a pixel."
            )

    def see(self, picture: np.ndarray) -> np.ndarray:
        """Return the part of a grey picture that the model is to see, in its polarity."""
        part = cropper(self.crop)(picture)
        return invert(part) if self.is_inverted else part


def parse_crop(text: str | None) -> Crop | None:
    """Return `x,y,w,h` as numbers; raises `ConfigError` for anything else."""
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdigit() for part in parts):
        raise ConfigError(f"--crop must be x,y,w,h in whole pixels, got {text!r}; for example 296,0,920,920.")
    left, top, width, height = (int(part) for part in parts)
    if min(width, height) < 16:
        raise ConfigError(
            f"--crop must leave at least 16x16 pixels, got {width}x{height}; choose a larger part."
        )
    return left, top, width, height


def sort_inputs(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the images and the videos that `paths` (files, or folders looked into one level deep) name, sorted, each once.

    Raises:
        ImageError: something is absent or neither (all of it is named), nothing was found, two inputs have the same name, or a
            name is no text.
        MissingPyAV: there are videos and no PyAV.
    """
    images: set[Path] = set()
    videos: set[Path] = set()
    problems = []
    for path in paths:
        if path.is_dir():
            films = {each for each in path.iterdir() if each.is_file() and is_video(each)}
            stills = {each for each in path.iterdir() if each.is_file() and each.suffix.lower() in SUFFIXES}
            videos |= films
            if stills or not films:
                images.update(list_images([path]))
        elif path.is_file() and is_video(path):
            videos.add(path)
        elif path.is_file() and path.suffix.lower() in SUFFIXES:
            images.add(path)
        else:
            problems.append(
                f"  {path}: {'not an image or a video by its name' if path.exists() else 'no such file or folder'}"
            )
    if problems:
        endings = ", ".join((*SUFFIXES, *VIDEO_SUFFIXES))
        raise ImageError(
            f"input must be images or videos ({endings}) or folders with some in them, got:\n"
            + "\n".join(problems)
        )
    if videos:
        require_pyav()
    for kind in (images, videos):
        _require_usable_names(kind)
    return sorted(images), sorted(videos)


def _require_usable_names(paths: set[Path]) -> None:
    unwritable = sorted(ascii(path.name) for path in paths if not _is_text(path.name))
    if unwritable:
        raise ImageError(
            f"names of inputs must be text, because tables hold them; these are in an unknown encoding: "
            f"{', '.join(unwritable[:10])}. Rename them"
        )
    names = [path.stem for path in paths]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise ImageError(
            f"inputs of one call must have different names, because results are named after them; these are there twice: "
            f"{', '.join(double[:10])}. Segment the folders one by one"
        )
    reserved = sorted(path.name for path in paths if is_video(path) and path.stem in RESERVED)
    if reserved:
        raise ImageError(
            f"a video must not be called {' or '.join(RESERVED)}, got {', '.join(reserved)}; rename it."
        )


def _is_text(name: str) -> bool:
    """Return whether a file's name can be written; systems without a fixed encoding give names that cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_phantom(path: Path, comment: str = "") -> bool:
    """Return whether an input is known to be synthetic: its container says PHANTOM, or the dataset it lies in does."""
    if "PHANTOM" in comment:
        return True
    for folder in path.resolve().parents[:3]:
        header = folder / "dataset.json"
        if header.is_file():
            try:
                return bool(read_json(header).get("description", {}).get("is_phantom"))
            except (ValueError, AttributeError):
                return False
    return False


def notes_for(notes: Sequence[str], *, is_synthetic: bool) -> tuple[str, ...]:
    """Return a model's notes as they are to stand under a picture.

    A model made from synthetic images says PHANTOM. Under a synthetic picture that may stand as it is; under any other it must not
    read as if the picture were synthetic.
    """
    kept = [note for note in notes if not note.startswith("PHANTOM")]
    if is_synthetic:
        kept.append("PHANTOM: synthetic picture")
    if len(kept) - is_synthetic < len(notes):
        kept.append("model trained on PHANTOM (synthetic) pictures")
    return tuple(kept)
