"""From image and video files to masks, overlays and tables of areas. One video is the business of `video`."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

from agglo.core.errors import AggloError, ImageError
from agglo.core.files import write_atomic
from agglo.core.progress import Progress, silent
from agglo.predict.inputs import Reading, is_phantom, notes_for, sort_inputs
from agglo.predict.measure import Moment, Watch, area_rows, frame_row
from agglo.predict.model_folder import model_sha256
from agglo.predict.predictor import Predictor, load
from agglo.predict.tables import Tables
from agglo.predict.video import finished, identity, mark_done, predict_video
from agglo_runtime.images import read_image
from agglo_runtime.prepare import to_unit
from agglo_runtime.video import cropper
from agglo_runtime.writers import draw_contours, write_masks

Tell = Callable[[str], Progress]


def tell_nobody(stage: str) -> Progress:
    """Return the progress of a stage of which nobody is told."""
    return silent


def predict_files(
    model: Path,
    inputs: Sequence[Path],
    out: Path,
    *,
    reading: Reading | None = None,
    device: torch.device | None = None,
    tell: Tell = tell_nobody,
    warn: Callable[[str], None] = lambda text: None,
) -> int:
    """Segment images and videos into `out`; return how many inputs.

    Images: `out/masks/STRUCTURE/NAME.png` and `out/overlay/NAME.png`. Videos: see `predict.video`. All: `out/areas.csv` and
    `out/frames.csv`, whose rows are those of this call's inputs; docs/predict.md explains the columns.

    Args:
        model: a model folder.
        inputs: images, videos, or folders of them.
        out: made if absent; files of the same name are replaced, videos that are done with the same model and reading are kept.
        reading: crop, polarity, spacing.
        device: on which the model looks; None leaves it where it is, on the CPU.
        tell: gives the progress of all images, and of each video.
        warn: told what to keep in mind of an input, one line at a time.

    Raises:
        ModelFolderError: the model cannot be loaded.
        ImageError: nothing was found, two inputs have the same name, or some cannot be read (all of them are named, after all the
            others are done).
    """
    predictor = load(model)
    if device is not None:
        predictor = predictor.to(device)
    images, videos = sort_inputs(inputs)
    call = _Call(predictor, model_sha256(model), out, reading or Reading())
    tables = Tables(out)
    try:
        if images:
            call.images(images, tables, tell("predict"))
        for number, path in enumerate(videos, start=1):
            call.video(path, tables, tell(f"{number} of {len(videos)}"), warn)
    except BaseException:
        tables.finish(suffix=".partial")  # what an earlier call has left whole stays
        raise
    tables.finish()
    if call.problems:
        kind = "inputs" if videos else "images"
        raise ImageError(
            f"{len(call.problems)} of {len(images) + len(videos)} {kind} were not segmented or not whole; "
            f"the others are in {out}:\n  " + "\n  ".join(call.problems)
        )
    return len(images) + len(videos)


class _Call:
    """What the inputs of one call share, and what went wrong so far."""

    def __init__(self, predictor: Predictor, model_sha256: str, out: Path, reading: Reading) -> None:
        self.predictor, self.model_sha256, self.out, self.reading = predictor, model_sha256, out, reading
        self.problems: list[str] = []

    def images(self, paths: Sequence[Path], tables: Tables, progress: Progress) -> None:
        """Segment still images; each stands for itself, so no flag compares it with another."""
        for done, path in enumerate(paths):
            try:
                self._image(path, tables)
            except ImageError as problem:
                self.problems.append(str(problem))
            progress(done + 1, len(paths), path.name)

    def _image(self, path: Path, tables: Tables) -> None:
        picture = read_image(path)
        shown, seen = cropper(self.reading.crop)(picture), self.reading.see(picture)
        found = self.predictor.segment(seen)
        names = self.predictor.structures
        measured = Watch(names).look(to_unit(seen), found)
        moment = Moment(path.name, 0)
        rows = area_rows(moment, names, measured, found.confidence, self.reading.spacing_mm)
        tables.add(rows, frame_row(moment, measured))
        write_masks(self.out / "masks", path.stem, found.masks, names)
        notes = notes_for(self.predictor.config.notes, is_synthetic=is_phantom(path))
        drawn = found.masks if measured.masks is not None else found.masks & False
        flagged = [f"FLAGS: {', '.join(measured.words())}"] if measured.flags else []
        grey = (to_unit(shown) * 255).round().astype("uint8")
        overlay = draw_contours(grey, drawn, names, notes=[*flagged, *notes])
        write_atomic(self.out / "overlay" / f"{path.stem}.png", partial(overlay.save, format="PNG"))

    def video(self, path: Path, tables: Tables, progress: Progress, warn: Callable[[str], None]) -> None:
        """Segment a video, unless that is done already, and add its rows to the tables of the call."""
        folder = self.out / path.stem
        expected = identity(path, self.model_sha256, self.reading)
        said = finished(folder, expected)
        if said is None:
            try:
                said = predict_video(self.predictor, path, folder, self.reading, progress=progress)
            except AggloError as problem:
                self.problems.append(f"{path.name}: {problem}")
                return
            mark_done(folder, expected, said)
        else:
            warn(f"{path.name}: done already, {said['frames']} frames")
        tables.append(folder)
        for warning in said["warnings"]:
            warn(f"{path.name}: {warning}")
        if said["problems"]:
            text = "; ".join(said["problems"])
            self.problems.append(
                f"{path.name}: {text}. The {said['frames']} frames that could be read are done"
            )
