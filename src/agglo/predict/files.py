"""From image files to mask and overlay files."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from agglo.core.errors import ImageError
from agglo.core.files import write_atomic
from agglo.core.progress import Progress, silent
from agglo.predict.predictor import load
from agglo_runtime.images import list_images, read_image
from agglo_runtime.prepare import invert, to_unit
from agglo_runtime.writers import draw_contours, write_masks


def predict_files(
    model: Path, inputs: Sequence[Path], out: Path, *, is_inverted: bool = False, progress: Progress = silent
) -> int:
    """Segment images into `out/masks/STRUCTURE/NAME.png` and `out/overlay/NAME.png`; return how many.

    Args:
        model: a model folder.
        inputs: images, or folders of images.
        out: made if absent; files of the same name are replaced.
        is_inverted: swap black and white of every image first, for a model that expects the other polarity.
        progress: told after every image.

    Raises:
        ModelFolderError: the model cannot be loaded.
        ImageError: no image was found, two have the same name, or some cannot be read (all of them are named, after all the
            others are done).
    """
    predictor = load(model)
    paths = list_images(inputs)
    _require_distinct_names(paths)
    problems = []
    for done, path in enumerate(paths):
        try:
            image = read_image(path)
        except ImageError as problem:
            problems.append(str(problem))
            continue
        masks = predictor.masks(invert(image) if is_inverted else image)
        write_masks(out / "masks", path.stem, masks, predictor.structures)
        shown = (to_unit(image) * 255).round().astype("uint8")
        overlay = draw_contours(shown, masks, predictor.structures, notes=predictor.config.notes)
        write_atomic(out / "overlay" / f"{path.stem}.png", partial(overlay.save, format="PNG"))
        progress(done + 1, len(paths), path.name)
    if problems:
        raise ImageError(
            f"{len(problems)} of {len(paths)} images were not segmented; the others are in {out}:\n  "
            + "\n  ".join(problems)
        )
    return len(paths)


def _require_distinct_names(paths: Sequence[Path]) -> None:
    names = [path.stem for path in paths]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise ImageError(
            f"images of one call must have different names, because results are named after them; these are there twice: "
            f"{', '.join(double[:10])}. Segment the folders one by one"
        )
