"""The two picture files of a run, written by a recipe and read here: frames with masks, and feature maps.

`pictures.npz` holds `index`, a JSON string `{"structures": [...], "colours": ["#rrggbb", ...], "pictures": [{"rank", "frame",
"dice": {structure: number or null}}]}`, and for picture i `image_i` uint8 `[H, W]` at native size, `predicted_i` and `reference_i`:
masks packed eight columns a byte, uint8 `[K, H, ceil(W / 8)]`.

`features.npz` holds `index`, a JSON string `{"frames": [...], "encoders": [student, teacher, ...]}`, and for frame i `image_i`
uint8 `[S, S]`, the square the student saw, and `ENCODER_i` float16 `[dim, h, w]`, the map of each encoder, the student's first.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Bool, Float, UInt8

from agglo.core.errors import RunFolderError
from agglo.core.files import write_atomic


@dataclass(frozen=True)
class Picture:
    """A scored frame to look at.

    Attributes:
        rank: `best`, `median` or `worst`.
        frame: its id.
        image: grey, at native size.
        predicted, reference: masks of all structures.
        dice: by structure; None where it was not scored.
    """

    rank: str
    frame: str
    image: UInt8[np.ndarray, "rows cols"]
    predicted: Bool[np.ndarray, "structures rows cols"]
    reference: Bool[np.ndarray, "structures rows cols"]
    dice: Mapping[str, float | None]


@dataclass(frozen=True)
class PictureFile:
    """What `pictures.npz` holds: the structures, a colour (`#rrggbb`) for each, and the frames."""

    structures: tuple[str, ...]
    colours: tuple[str, ...]
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class FeatureRow:
    """The maps of one frame: the square image the student saw, and a map of every encoder, the student's first."""

    frame: str
    image: UInt8[np.ndarray, "size size"]
    maps: Mapping[str, Float[np.ndarray, "_ _ _"]]


def write_pictures(
    path: Path,
    pictures: Sequence[Picture],
    *,
    structures: Sequence[str],
    colours: Sequence[tuple[int, int, int]],
) -> None:
    """Write `pictures.npz`; `colours` are red, green, blue in 0 to 255, one for each structure."""
    arrays: dict[str, np.ndarray] = {}
    for number, picture in enumerate(pictures):
        arrays[f"image_{number}"] = picture.image
        arrays[f"predicted_{number}"] = np.packbits(picture.predicted, axis=-1)
        arrays[f"reference_{number}"] = np.packbits(picture.reference, axis=-1)
    index = {
        "structures": list(structures),
        "colours": ["#{:02x}{:02x}{:02x}".format(*colour) for colour in colours],
        "pictures": [{"rank": each.rank, "frame": each.frame, "dice": dict(each.dice)} for each in pictures],
    }
    _write(path, index, arrays)


def read_pictures(path: Path) -> PictureFile | None:
    """Read `pictures.npz`; None where there is none.

    Raises:
        RunFolderError: the file is not what `write_pictures` writes.
    """
    found = _read(path)
    if found is None:
        return None
    index, arrays = found
    try:
        pictures = tuple(
            Picture(
                entry["rank"], entry["frame"], image, *_masks(arrays, number, image.shape[1]), entry["dice"]
            )
            for number, entry in enumerate(index["pictures"])
            for image in (arrays[f"image_{number}"],)
        )
        return PictureFile(tuple(index["structures"]), tuple(index["colours"]), pictures)
    except (KeyError, TypeError) as error:
        raise _damaged(path, error) from error


def write_features(path: Path, rows: Sequence[FeatureRow]) -> None:
    """Write `features.npz`; every row must hold the same encoders in the same order."""
    encoders = [list(row.maps) for row in rows]
    if any(names != encoders[0] for names in encoders):
        raise ValueError(f"every row must hold the maps of the same encoders, got {encoders}")
    arrays: dict[str, np.ndarray] = {}
    for number, row in enumerate(rows):
        arrays[f"image_{number}"] = row.image
        arrays.update({f"{name}_{number}": each.astype(np.float16) for name, each in row.maps.items()})
    _write(path, {"frames": [row.frame for row in rows], "encoders": encoders[0] if encoders else []}, arrays)


def read_features(path: Path) -> tuple[FeatureRow, ...]:
    """Read `features.npz`; empty where there is none.

    Raises:
        RunFolderError: the file is not what `write_features` writes.
    """
    found = _read(path)
    if found is None:
        return ()
    index, arrays = found
    try:
        return tuple(
            FeatureRow(
                frame,
                arrays[f"image_{number}"],
                {name: arrays[f"{name}_{number}"].astype(np.float32) for name in index["encoders"]},
            )
            for number, frame in enumerate(index["frames"])
        )
    except (KeyError, TypeError) as error:
        raise _damaged(path, error) from error


def _masks(
    arrays: Mapping[str, np.ndarray], number: int, width: int
) -> tuple[Bool[np.ndarray, "structures rows cols"], Bool[np.ndarray, "structures rows cols"]]:
    predicted, reference = (
        np.unpackbits(arrays[f"{name}_{number}"], axis=-1, count=width).astype(bool)
        for name in ("predicted", "reference")
    )
    return predicted, reference


def _write(path: Path, index: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    def fill(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, index=np.array(json.dumps(index)), **arrays)

    write_atomic(path, fill)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return json.loads(str(arrays.pop("index"))), arrays
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> RunFolderError:
    return RunFolderError(
        f"{path} must be a picture file of an evaluation, but reading it failed ({error!r}); evaluate the run again."
    )
