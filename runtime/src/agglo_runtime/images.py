"""Reading still images as grey arrays, and finding them. Videos and DICOM are not read here.

A file that cannot be used raises `ImageError` with its path, never a half-read array.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from agglo_runtime.errors import ImageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
"""File name endings (any case) that are taken for images."""

_DEEP_MODES = ("I;16", "I;16L", "I;16B", "I")


def read_image(path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return the picture in `path` as grey `[H, W]`: uint8, or uint16 where the file has more than 8 bits.

    Colour becomes luma (ITU-R 601), alpha is dropped, palettes are resolved. Raises `ImageError` for a file that is absent, is no
    image, is cut off, holds several frames, or has values that 16 bits cannot hold.
    """
    try:
        with Image.open(path) as image:
            frames = int(getattr(image, "n_frames", 1))
            if frames > 1:
                raise ImageError(
                    f"{path} must hold one picture, it holds {frames} frames; save each as its own file."
                )
            image.load()
            return _as_grey(image, path)
    except FileNotFoundError:
        raise ImageError(f"{path} must be an image file, there is no such file; check the path.") from None
    except ImageError:
        raise
    except (
        Exception
    ) as error:  # Pillow's readers throw nearly anything at a spoilt file: TypeError, struct.error ...
        raise ImageError(
            f"{path} must be a whole image file ({', '.join(SUFFIXES)}), reading it gave: {error}; replace or remove it."
        ) from error


def _as_grey(image: Image.Image, path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    if image.mode in _DEEP_MODES:
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ImageError(
                f"{path} must have grey values in 0..65535, it has {values.min()}..{values.max()}; save it with 16 bits."
            )
        return values.astype(np.uint16)
    if image.mode == "F":
        raise ImageError(
            f"{path} must have whole-numbered grey values, it has floats; save it with 8 or 16 bits."
        )
    if image.mode == "P":
        image = image.convert("RGBA")
    if image.mode in ("RGBA", "RGBX", "RGBa"):
        image = image.convert("RGB")
    return np.array(image.convert("L"), dtype=np.uint8)


def list_images(paths: Sequence[Path]) -> list[Path]:
    """Return the image files that `paths` (files, or folders that are looked into one level deep) name, sorted, each once.

    Hidden files are left out of folders. Raises `ImageError` with every path that is absent or is no image, and when nothing is
    found.
    """
    found: set[Path] = set()
    problems = []
    for path in paths:
        if path.is_dir():
            inside = [each for each in path.iterdir() if _is_image(each)]
            found.update(inside)
            if not inside:
                problems.append(
                    f"  {path}: the folder holds no image (folders inside it are not looked into)"
                )
        elif not path.exists():
            problems.append(f"  {path}: no such file or folder")
        elif not _is_image(path):
            problems.append(f"  {path}: not an image by its name")
        else:
            found.add(path)
    if not paths:
        problems.append("  no path was given")
    if problems:
        listed = "\n".join(problems)
        raise ImageError(
            f"input must be image files ({', '.join(SUFFIXES)}) or folders with some in them, got:\n{listed}"
        )
    return sorted(found)


def _is_image(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
