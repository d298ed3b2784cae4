"""Reading videos as grey frames, one after another, with a few decoded ahead. Needs PyAV (extra `video`), imported on first use.
Writing them is in `video_writer`.

Sound is never read. A grey frame is the luma of the picture over its full range, so colours that were drawn in become grey
too. What is odd about a file (cut off, damaged, interlaced, uneven in time) is collected in words, never passed over.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agglo_runtime.errors import ImageError

VIDEO_SUFFIXES = (".avi", ".mp4", ".m4v", ".mov", ".mkv")
"""File name endings (any case) that are taken for videos."""

AHEAD = 4
"""Frames that are decoded before they are asked for; this bounds memory."""

_END = object()
_UNEVEN = 0.25


class VideoError(ImageError):
    """A video cannot be read, or PyAV is not there to read it."""


class MissingPyAV(VideoError):
    """The package that reads and writes videos is not installed."""


@dataclass(frozen=True)
class VideoFacts:
    """What the container says, before any frame is read.

    Attributes:
        height, width: of a frame in pixels.
        fps: frames per second by the container, which re-timed exports get wrong; None when it does not say.
        num_frames: how many there should be; None when it does not say.
        about_frames: about how many to expect, by the duration where the number is not stated; for progress only.
        has_square_pixels: whether a pixel is as wide as it is high.
        comment: free text in the container.
    """

    height: int
    width: int
    fps: Fraction | None
    num_frames: int | None
    about_frames: int | None
    has_square_pixels: bool
    comment: str


@dataclass(frozen=True)
class VideoFrame:
    """One frame: its number from 0 in decoding order, its time by the container (seconds; None if unknown), grey `[H, W]`."""

    index: int
    time_s: float | None
    grey: NDArray[np.uint8] | NDArray[np.uint16]


def require_pyav() -> Any:
    """Return the module `av`; raises `MissingPyAV` with the line that installs it."""
    try:
        import av
    except ImportError:
        raise MissingPyAV(
            "reading and writing videos needs PyAV, which is not installed; install it with `pip install 'agglo[video]'` (its "
            "wheels bundle GPL codecs, hence an extra)."
        ) from None
    return av


class VideoReader:
    """One pass over a video. Afterwards `problems` says what was lost and `warnings` what to keep in mind."""

    def __init__(self, path: Path) -> None:
        """Open `path`; raises `VideoError` when it is absent, is no video, or has no picture."""
        self.path = path
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self._av = require_pyav()
        try:
            self._container = self._av.open(str(path))
        except (self._av.error.FFmpegError, OSError, ValueError) as error:
            raise VideoError(
                f"{path} must be a video that can be read, opening it gave: {error}; replace or remove it."
            ) from None
        if not self._container.streams.video:
            self._container.close()
            raise VideoError(f"{path} must hold a video, it has no picture stream; replace or remove it.")
        self._stream = self._container.streams.video[0]
        if self._stream.codec_context is None:
            self._container.close()
            raise VideoError(
                f"{path} must hold a video that PyAV can decode, its coding is unknown; convert it or mend it."
            )
        self.facts = _facts(self._container, self._stream)
        if not self.facts.has_square_pixels:
            self.warnings.append("pixels are not square: areas in mm² are left out")

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def frames(self) -> Iterator[VideoFrame]:
        """Yield the frames in order; a damaged piece is left out and noted, and reading goes on behind it."""
        waiting: queue.Queue[Any] = queue.Queue(AHEAD)
        stop = threading.Event()
        reader = threading.Thread(target=self._fill, args=(waiting, stop), daemon=True, name="decode-ahead")
        reader.start()
        try:
            while (item := waiting.get()) is not _END:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stop.set()
            while reader.is_alive():
                _empty(waiting)
                reader.join(0.02)

    def _fill(self, waiting: "queue.Queue[Any]", stop: threading.Event) -> None:
        """Decode into `waiting` until the end, until `stop`, or until an error, which is handed over."""
        try:
            for frame in self._decode():
                waiting.put(frame)
                if stop.is_set():
                    return
        except BaseException as error:
            waiting.put(error)
        else:
            waiting.put(_END)

    def _decode(self) -> Iterator[VideoFrame]:
        oddities = _Oddities()
        index = 0
        for decoded in self._pictures():
            oddities.look(decoded)
            yield VideoFrame(index, oddities.time_s, _grey(decoded))
            index += 1
        self.warnings += oddities.warnings()
        self.problems += oddities.problems()
        expected = self.facts.num_frames
        if not index:
            raise VideoError(
                f"{self.path} must hold frames that can be decoded, none could; replace or remove it."
            )
        if expected is not None and index < expected:
            self.problems.append(
                f"the container promises {expected} frames, {index} could be read: it is cut off or damaged"
            )

    def _pictures(self) -> Iterator[Any]:
        """Yield decoded pictures, noting and passing over what cannot be decoded."""
        bad = 0
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    break
                yield from packet.decode()
            except (self._av.error.FFmpegError, OSError) as error:
                bad += 1
                if bad == 1:
                    self.problems.append(f"a piece could not be decoded ({error})")
                if bad > 1000 or not isinstance(error, self._av.error.InvalidDataError):
                    break


class _Oddities:
    """What is unusual about the frames seen so far."""

    def __init__(self) -> None:
        self.time_s: float | None = None
        self._steps: dict[float, int] = {}
        self._interlaced = self._corrupt = self._turned = 0

    def look(self, decoded: Any) -> None:
        """Note what a decoded frame says about itself."""
        time_s = None if decoded.time is None else float(decoded.time)
        if time_s is not None and self.time_s is not None and len(self._steps) < 1000:
            step = round(time_s - self.time_s, 3)
            self._steps[step] = self._steps.get(step, 0) + 1
        self.time_s = time_s
        self._interlaced += bool(decoded.interlaced_frame)
        self._corrupt += bool(decoded.is_corrupt)
        self._turned += bool(decoded.rotation)

    def warnings(self) -> list[str]:
        """Return what to keep in mind."""
        found = []
        if self._interlaced:
            found.append(
                f"{self._interlaced} frames are interlaced: moving edges are combed; deinterlace first"
            )
        if self._turned:
            found.append("the container asks players to turn the picture; it was taken as stored")
        if self._steps:
            usual = max(self._steps, key=lambda step: self._steps[step])
            uneven = sum(
                count for step, count in self._steps.items() if abs(step - usual) > _UNEVEN * abs(usual)
            )
            if uneven:
                found.append(
                    f"{uneven} frames come at uneven intervals: a variable frame rate, or lost frames"
                )
        return found

    def problems(self) -> list[str]:
        """Return what was lost."""
        return [f"{self._corrupt} frames are damaged"] if self._corrupt else []


def _facts(container: Any, stream: Any) -> VideoFacts:
    rate = stream.average_rate or stream.guessed_rate
    num_frames = int(stream.frames) or None
    by_duration = round(container.duration / 1e6 * rate) if container.duration and rate else None
    shape = stream.sample_aspect_ratio
    text = " ".join(str(value) for value in container.metadata.values())
    return VideoFacts(
        height=int(stream.codec_context.height),
        width=int(stream.codec_context.width),
        fps=Fraction(rate) if rate else None,
        num_frames=num_frames,
        about_frames=num_frames or by_duration,
        has_square_pixels=not shape or Fraction(shape) == 1,
        comment=text,
    )


def _grey(decoded: Any) -> NDArray[np.uint8] | NDArray[np.uint16]:
    bits = max((component.bits for component in decoded.format.components), default=8)
    return decoded.to_ndarray(format="gray" if bits <= 8 else "gray16le")


def _empty(waiting: "queue.Queue[Any]") -> None:
    while True:
        try:
            waiting.get_nowait()
        except queue.Empty:
            return


def is_video(path: Path) -> bool:
    """Return whether `path` is taken for a video, by its name."""
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")


Crop = tuple[int, int, int, int]
"""Left, top, width, height in pixels."""


def cropper(crop: Crop | None) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return a function that cuts `crop` out of a picture `[H, W]`; it raises `ImageError` where the picture is too small."""

    def cut(picture: NDArray[Any]) -> NDArray[Any]:
        if crop is None:
            return picture
        left, top, width, height = crop
        rows, cols = picture.shape
        if left + width > cols or top + height > rows:
            raise ImageError(
                f"a crop must lie inside the picture of {cols}x{rows} (width x height), got x={left}, y={top}, w={width}, "
                f"h={height}; choose a smaller one."
            )
        return picture[top : top + height, left : left + width]

    return cut
