"""Writing colour frames as a video that any player opens. Needs PyAV (extra `video`), imported on first use; reading: `video`."""

from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agglo_runtime.video import VideoError, require_pyav


class VideoWriter:
    """Writes colour frames to a file of its own: H.264 in MP4 where PyAV can encode it, else MPEG-4 in MP4.

    The file is whole after `close`, also when fewer frames came than planned.
    """

    def __init__(self, path: Path, *, height: int, width: int, fps: Fraction, comment: str) -> None:
        """Open `path` (written as MP4 whatever its name) for frames of even `height x width`."""
        if height % 2 or width % 2:
            raise VideoError(
                f"a video's sides must be even, got {height}x{width}; pad the frames by a pixel."
            )
        av = require_pyav()
        codec = next(name for name in ("libx264", "libopenh264", "mpeg4") if name in av.codecs_available)
        options = {"crf": "20", "preset": "veryfast"} if codec == "libx264" else {}
        self._av = av
        self._container = av.open(str(path), "w", format="mp4")
        self._container.metadata["comment"] = comment
        self._stream = self._container.add_stream(codec, rate=fps, options=options)
        self._stream.height, self._stream.width, self._stream.pix_fmt = height, width, "yuv420p"
        if codec != "libx264":
            self._stream.codec_context.bit_rate = height * width * 8
        self._clock = Fraction(1, 90000)
        self._stream.codec_context.time_base = self._clock
        self._step = round(1 / fps / self._clock)
        self._origin_s: float | None = None
        self._last = -self._step

    def write(self, picture: NDArray[np.uint8], time_s: float | None) -> None:
        """Add a frame `[H, W, 3]`; without a time, or with one that does not advance, it follows at the nominal rate."""
        stamp = self._last + self._step
        if time_s is not None:
            self._origin_s = time_s if self._origin_s is None else self._origin_s
            wanted = round((time_s - self._origin_s) / float(self._clock))
            stamp = wanted if wanted > self._last else stamp
        frame = self._av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = stamp, self._clock
        self._last = stamp
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def close(self) -> None:
        """Write what is left and finish the file."""
        for packet in self._stream.encode(None):
            self._container.mux(packet)
        self._container.close()
