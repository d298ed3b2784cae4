"""Videos in and out: what is stored comes back, what is amiss is said, nothing runs on after the reader stopped."""

import sys
import threading
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from agglo_runtime import video
from agglo_runtime.errors import ImageError
from agglo_runtime.video import (
    MissingPyAV,
    VideoError,
    VideoReader,
    cropper,
    is_video,
    require_pyav,
)
from agglo_runtime.video_writer import VideoWriter

SIZE = (48, 64)


def steps(count: int) -> list[np.ndarray]:
    """Return grey pictures of which each is brighter than the one before."""
    return [np.full(SIZE, 20 + 2 * number, np.uint8) for number in range(count)]


def store(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    codec: str = "mpeg4",
    pixels: str = "yuv420p",
    stamps: Sequence[int] = (),
) -> Path:
    """Write grey pictures as a video of 25 frames a second; `stamps` are times in 1/25 s."""
    av = pytest.importorskip("av", reason="needs PyAV (extra `video`)")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = *pictures[0].shape, pixels
        for number, picture in enumerate(pictures):
            deep = picture.dtype == np.uint16
            frame = av.VideoFrame.from_ndarray(picture, format="gray16le" if deep else "gray")
            frame.pts = stamps[number] if stamps else number
            frame.time_base = Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["a.avi", "a.mp4", "a.mkv"])
def test_frames_come_back_in_order_with_their_times(tmp_path: Path, name: str) -> None:
    with VideoReader(store(tmp_path / name, steps(12))) as reader:
        frames = list(reader.frames())
    assert [frame.index for frame in frames] == list(range(12))
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(12) / 25, atol=1e-3)
    np.testing.assert_allclose([frame.grey.mean() for frame in frames], 20 + 2 * np.arange(12), atol=2)
    assert reader.facts.fps == 25
    assert reader.facts.about_frames == 12
    assert (reader.problems, reader.warnings) == ([], [])


def test_grey_levels_span_the_full_range(tmp_path: Path) -> None:
    pictures = [np.full(SIZE, level, np.uint8) for level in (0, 255)]
    with VideoReader(store(tmp_path / "a.avi", pictures)) as reader:
        black, white = (frame.grey for frame in reader.frames())
    assert black.max() <= 1
    assert white.min() >= 254


def test_sixteen_bits_are_kept(tmp_path: Path) -> None:
    deep = np.arange(48 * 64, dtype=np.uint16).reshape(SIZE) * np.uint16(20)
    with VideoReader(store(tmp_path / "a.mkv", [deep], codec="ffv1", pixels="gray16le")) as reader:
        (frame,) = reader.frames()
    np.testing.assert_array_equal(frame.grey, deep)


def test_a_cut_off_file_gives_what_it_has_and_says_so(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, *SIZE), np.uint8)
    content = store(tmp_path / "whole.avi", list(noise)).read_bytes()
    (tmp_path / "cut.avi").write_bytes(content[: len(content) // 2])
    with VideoReader(tmp_path / "cut.avi") as reader:
        frames = list(reader.frames())
    assert 5 < len(frames) < 25
    assert f"promises 30 frames, {len(frames)} could be read: it is cut off or damaged" in reader.problems[-1]


def test_uneven_times_are_told(tmp_path: Path) -> None:
    with VideoReader(store(tmp_path / "a.mkv", steps(6), stamps=[0, 1, 2, 7, 8, 9])) as reader:
        list(reader.frames())
    assert reader.warnings == ["1 frames come at uneven intervals: a variable frame rate, or lost frames"]


ODD = {  # name: (what the frame says of itself, the words of a warning or problem)
    "interlaced": (
        {"interlaced_frame": True},
        "1 frames are interlaced: moving edges are combed; deinterlace first",
    ),
    "turned": ({"rotation": 90}, "the container asks players to turn the picture; it was taken as stored"),
    "damaged": ({"is_corrupt": True}, "1 frames are damaged"),
}


@pytest.mark.parametrize(("changes", "words"), ODD.values(), ids=ODD)
def test_odd_frames_are_told(changes: dict[str, object], words: str) -> None:
    oddities = video._Oddities()
    usual = {"time": 0.0, "interlaced_frame": False, "is_corrupt": False, "rotation": 0}
    oddities.look(SimpleNamespace(**usual))
    assert oddities.warnings() + oddities.problems() == []
    oddities.look(SimpleNamespace(**{**usual, **changes}))
    assert oddities.warnings() + oddities.problems() == [words]


def test_only_a_few_frames_are_decoded_ahead_and_stopping_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store(tmp_path / "a.avi", steps(60))
    decoded = []
    grey, is_full = video._grey, threading.Event()

    def counted(frame: object) -> np.ndarray:
        decoded.append(frame)
        if len(decoded) > video.AHEAD:
            is_full.set()
        return grey(frame)

    monkeypatch.setattr(video, "_grey", counted)
    with VideoReader(path) as reader:
        frames: Iterator[video.VideoFrame] = reader.frames()
        next(frames)
        assert is_full.wait(10)
        assert len(decoded) <= video.AHEAD + 2
        frames.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name == "decode-ahead"]
    assert len(decoded) < 60


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="needs PyAV (extra `video`)")
    (tmp_path / "a.avi").write_bytes(b"not a video")
    for name in ("a.avi", "absent.avi"):
        with pytest.raises(VideoError, match=f"{name} must be a video that can be read"):
            VideoReader(tmp_path / name)


def test_a_spoilt_container_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store(tmp_path / "a.mp4", steps(3))
    path.write_bytes(path.read_bytes().replace(b"stsd", b"zzzz"))
    with pytest.raises(
        VideoError, match=r"a\.mp4 must hold a video that PyAV can decode, its coding is unknown"
    ):
        VideoReader(path)

    av = require_pyav()

    def end_early(*_: object) -> None:
        raise av.error.EOFError(
            541478725, "End of file"
        )  # as on some damaged files; neither OSError nor ValueError

    monkeypatch.setattr(av, "open", end_early)
    with pytest.raises(VideoError, match=r"must be a video that can be read, opening it gave: .*End of file"):
        VideoReader(path)


def test_without_pyav_the_line_that_installs_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingPyAV, match=r"pip install 'agglo\[video\]'"):
        require_pyav()


def test_a_written_video_plays_also_when_it_ends_early(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="needs PyAV (extra `video`)")
    writer = VideoWriter(tmp_path / "x.tmp", height=48, width=64, fps=Fraction(10), comment="PHANTOM")
    for number, time_s in enumerate((5.0, 5.1, 5.1, None, 5.4)):
        writer.write(np.full((48, 64, 3), 40 * number, np.uint8), time_s)
    writer.close()
    (tmp_path / "x.tmp").rename(tmp_path / "x.mp4")
    with VideoReader(tmp_path / "x.mp4") as reader:
        frames = list(reader.frames())
    np.testing.assert_allclose([frame.time_s for frame in frames], [0, 0.1, 0.2, 0.3, 0.4], atol=1e-3)
    np.testing.assert_allclose([frame.grey.mean() for frame in frames], [0, 40, 80, 120, 160], atol=3)
    assert "PHANTOM" in reader.facts.comment


def test_odd_sides_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="sides must be even, got 49x64"):
        VideoWriter(tmp_path / "x.mp4", height=49, width=64, fps=Fraction(10), comment="")


def test_a_crop_must_fit() -> None:
    picture = np.arange(12).reshape(3, 4)
    np.testing.assert_array_equal(cropper((1, 0, 2, 3))(picture), picture[:, 1:3])
    assert cropper(None)(picture) is picture
    with pytest.raises(ImageError, match="inside the picture of 4x3"):
        cropper((2, 0, 3, 3))(picture)


def test_videos_are_known_by_their_names() -> None:
    assert [is_video(Path(name)) for name in ("a.AVI", "a.mp4", "a.png", ".a.mp4")] == [
        True,
        True,
        False,
        False,
    ]
