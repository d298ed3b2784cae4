"""`agglo predict` on videos as a user runs it: killed at any moment, run again, one input broken, and without PyAV."""

import csv
import signal
import subprocess
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from flow.command_line import ENVIRONMENT, agglo, command
from small_model import write_small_model

NUM_FRAMES = 40


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the folder of a small model with random weights."""
    return write_small_model(tmp_path_factory.mktemp("predict") / "model")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Write a noisy video of `NUM_FRAMES` frames."""
    av = pytest.importorskip("av", reason="needs PyAV (extra `video`)")
    random = np.random.default_rng(0)
    path = tmp_path / "in" / "film.avi"
    path.parent.mkdir()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(15))
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        for _ in range(NUM_FRAMES):
            picture = random.integers(60, 190, (96, 128), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode(None))
    return path


def test_a_killed_video_is_done_anew_and_a_broken_one_does_not_lose_it(
    model: Path, film: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ("predict", model, film.parent, "-o", out, "--crop", "8,0,96,96", "--spacing-mm", "0.5")
    victim = subprocess.Popen(
        command(*words), env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(out / "film" / ".overlay.mp4.tmp", victim)
    finally:
        victim.send_signal(signal.SIGKILL)
        victim.wait(30)
    assert not list(out.rglob("*.csv")) + list(out.rglob("overlay.mp4"))
    (film.parent / "broken.mp4").write_bytes(b"no video")
    done = agglo(*words)
    assert done.returncode == 2
    assert "1 of 2 inputs were not segmented or not whole" in done.stderr
    assert "broken.mp4 must be a video that can be read" in done.stderr
    assert "Traceback" not in done.stderr
    assert (out / "film" / "overlay.mp4").stat().st_size > 1000
    assert not list(out.rglob(".*.tmp"))
    areas = list(csv.DictReader((out / "areas.csv").read_text().splitlines()))
    assert len(areas) == NUM_FRAMES * 2
    assert {row["spacing_source"] for row in areas} == {"user"}


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until `path` is there while `process` is still at work."""
    end = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.01)
