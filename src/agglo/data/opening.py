"""The one door to a dataset: whichever format a folder has, out comes a `Dataset`."""

from collections.abc import Sequence
from pathlib import Path

from agglo.core.errors import DataError
from agglo.data.dataset import CACHE_BYTES, Dataset, Polarity
from agglo.data.importers import read_foreign
from agglo.data.native import read_native


def open_dataset(
    folder: str | Path,
    *,
    structures: Sequence[str] | None = None,
    polarity: Polarity = "as_is",
    cache_bytes: int = CACHE_BYTES,
    reference: str | None = None,
) -> Dataset:
    """Open the dataset in `folder`: the native format (`dataset.json`) or index masks (`classes.json` and `images/`).

    Args:
        folder: the dataset's folder.
        structures: names to keep, in this order; all when None, none at all when empty.
        polarity: "bone_black" gives pictures marked `bone_white` inverted.
        cache_bytes: bound of the pixels kept in memory.
        reference: whose labels count where there are several raters, instead of what the dataset says: "own" (the frame table's),
            a rater's name, "first" or "majority".

    Raises `DataError` with every problem found. A dataset without any frame is a problem.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder} must be a dataset folder, there is no such folder; check the path.")
    if (folder / "dataset.json").is_file():
        header, frames = read_native(folder, reference)
    elif reference not in (None, "own"):
        raise DataError(
            f"{folder} must be in the native format to have several raters, it is not, and reference={reference!r} was asked for; "
            "leave it out."
        )
    elif (folder / "images").is_dir() and (folder / "classes.json").is_file():
        header, frames = read_foreign(folder)
    else:
        raise DataError(
            f"{folder} must hold `dataset.json` and `frames.csv`, or `classes.json` and `images/` (and `masks/` for labels); "
            f"it holds {sorted(path.name for path in folder.iterdir())[:10]}; check the path, or import the data first."
        )
    if not frames:
        raise DataError(
            f"{folder} must hold at least one frame, it holds none; check its frame table or its `images/`."
        )
    dataset = Dataset(header, frames, polarity=polarity, cache_bytes=cache_bytes)
    return dataset if structures is None else dataset.with_structures(structures)
