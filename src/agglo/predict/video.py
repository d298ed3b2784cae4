"""One video: an overlay video, tables of areas and of frame flags, masks if wanted. Memory does not grow with its length.

OUT/NAME/overlay.mp4, areas.csv, frames.csv     whole or absent
OUT/NAME/done.json                              written last: what was read, by which model, how; such a video is not done again
OUT/NAME/*.partial.*                            what there was when the work was stopped by Ctrl-C; replaced by the next call
"""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from agglo.core.files import read_json, write_json
from agglo.core.progress import Progress, silent
from agglo.predict.inputs import Reading, is_phantom, notes_for
from agglo.predict.measure import Measured, Moment, Watch, area_rows, frame_row
from agglo.predict.predictor import Predictor
from agglo.predict.tables import Tables
from agglo_runtime.overlay import OverlayPainter
from agglo_runtime.prepare import to_unit
from agglo_runtime.video import VideoFrame, VideoReader, cropper
from agglo_runtime.video_writer import VideoWriter
from agglo_runtime.writers import write_masks

FORMAT = 1
"""Of what a video's folder holds; a folder of another format is made anew."""

UNKNOWN_FPS = Fraction(25)
"""At which an overlay plays where the container gives no rate; no time is stated then."""


def identity(path: Path, model_sha256: str, reading: Reading) -> dict[str, Any]:
    """Return what the result for a video depends on."""
    state = path.stat()
    return {
        "format": FORMAT,
        "video": {"name": path.name, "bytes": state.st_size, "modified_ns": state.st_mtime_ns},
        "model_sha256": model_sha256,
        "reading": {**asdict(reading), "crop": None if reading.crop is None else list(reading.crop)},
    }


def finished(folder: Path, expected: dict[str, Any]) -> dict[str, Any] | None:
    """Return what `done.json` in `folder` says, if it is about exactly this video, model and way of reading; else None."""
    try:
        done: dict[str, Any] = read_json(folder / "done.json")
    except (OSError, ValueError):
        return None
    kept = ("overlay.mp4", "areas.csv", "frames.csv")
    is_same = all(done.get(key) == value for key, value in expected.items())
    return done if is_same and all((folder / name).is_file() for name in kept) else None


def predict_video(
    predictor: Predictor, path: Path, folder: Path, reading: Reading, *, progress: Progress = silent
) -> dict[str, Any]:
    """Segment the video `path` into `folder`; return `frames`, and `problems` and `warnings` in words.

    Raises:
        VideoError: it cannot be read at all; `folder` then holds no result.
        ImageError: the crop does not fit.
    """
    with VideoReader(path) as reader:
        work = _Work(predictor, reader, folder, reading)
        count = 0
        try:
            for frame in reader.frames():
                work.add(frame)
                count = frame.index + 1
                progress(
                    count - (count == reader.facts.about_frames), reader.facts.about_frames or 0, path.name
                )
        except KeyboardInterrupt:
            work.finish(suffix=".partial")
            raise
        except BaseException:
            work.abandon()
            raise
        work.finish()
        progress(count, count, path.name)
        return {"frames": count, "problems": reader.problems, "warnings": reader.warnings}


def mark_done(folder: Path, expected: dict[str, Any], said: dict[str, Any]) -> None:
    """Write `done.json`, and remove what an earlier, stopped call left."""
    for left in folder.glob("*.partial.*"):
        left.unlink()
    write_json(folder / "done.json", {**expected, **said})


class _Work:
    """The open files of a video in the making; they are opened at the first frame, whose size is known then."""

    def __init__(self, predictor: Predictor, reader: VideoReader, folder: Path, reading: Reading) -> None:
        self.predictor, self.reader, self.folder, self.reading = predictor, reader, folder, reading
        rate = reader.facts.fps
        self._fps = rate or UNKNOWN_FPS
        self._watch = Watch(predictor.structures, step_s=float(1 / rate) if rate else None)
        is_synthetic = is_phantom(reader.path, reader.facts.comment)
        self._notes = notes_for(predictor.config.notes, is_synthetic=is_synthetic)
        self._spacing_mm = reading.spacing_mm if reader.facts.has_square_pixels else None
        self._painter: OverlayPainter | None = None
        self._writer: VideoWriter | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "done.json").unlink(missing_ok=True)
        if reading.keeps_masks:
            shutil.rmtree(folder / "masks", ignore_errors=True)
        self._tables = Tables(folder)
        self._temporary = folder / ".overlay.mp4.tmp"

    def add(self, frame: VideoFrame) -> None:
        """Segment a frame and write what comes of it."""
        shown = cropper(self.reading.crop)(frame.grey)
        seen = self.reading.see(frame.grey)
        found = self.predictor.segment(seen)
        measured = self._watch.look(to_unit(seen), found)
        source = "container" if self.reader.facts.fps else ""
        moment = Moment(self.reader.path.name, frame.index, frame.time_s if source else None, source)
        names = self.predictor.structures
        areas = area_rows(moment, names, measured, found.confidence, self._spacing_mm)
        self._tables.add(areas, frame_row(moment, measured))
        self._paint(shown, measured, moment)
        if self.reading.keeps_masks:
            write_masks(self.folder / "masks", f"f{frame.index:06d}", found.masks, names)

    def _paint(self, shown: np.ndarray, measured: Measured, moment: Moment) -> None:
        painter, writer = self._open(shown.shape)
        picture = painter.paint(
            shown,
            measured.masks,
            caption=_caption(moment, measured),
            flags=measured.words(),
            points=list(measured.anatomy.corners.values()),
        )
        writer.write(picture, moment.time_s)

    def _open(self, shape: Sequence[int]) -> tuple[OverlayPainter, VideoWriter]:
        """Return painter and writer, made for the first frame."""
        if self._painter is None or self._writer is None:
            height, width = shape
            self._painter = OverlayPainter(
                self.predictor.structures, height=height, width=width, notes=self._notes
            )
            comment = "; ".join(self._notes)
            self._writer = VideoWriter(
                self._temporary,
                height=self._painter.height,
                width=self._painter.width,
                fps=self._fps,
                comment=comment,
            )
        return self._painter, self._writer

    def finish(self, *, suffix: str = "") -> None:
        """Close all files and put them in place; `suffix` marks what is not the whole video."""
        if self._writer is not None:
            self._writer.close()
            self._temporary.replace(self.folder / f"overlay{suffix}.mp4")
        self._tables.finish(suffix=suffix)

    def abandon(self) -> None:
        """Close all files and remove them."""
        with suppress(Exception):
            if self._writer is not None:
                self._writer.close()
        self._temporary.unlink(missing_ok=True)
        self._tables.discard()


def _caption(moment: Moment, measured: Measured) -> str:
    distance = measured.anatomy.c2_c4_px
    scale = "" if distance is None else f" · C2-C4 {distance:.0f} px"
    time = "" if moment.time_s is None else f" · {moment.time_s:.2f} s by the {moment.time_source}"
    withheld = " · nothing is measured in this frame" if measured.masks is None else ""
    return f"frame {moment.frame}{time}{scale}{withheld}"
