"""`kill -9` at random moments of extract, distill and align: the same command goes on, and ends in the same bits."""

import hashlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from agglo.core.runlog import read_log
from agglo.core.seeds import generator
from flow.command_line import ENVIRONMENT, agglo, command, tiny

LONGER = ("supervised.wall_time=none", "distill.steps=40", "align.steps=40", "views.per_frame=6")
STAGES = ("features", "distill", "align")
TOTAL = 9 + 40 + 40
"""Blocks, steps and steps of such a run (three codecs come on top where features are coded)."""
CODED = "store={dtype: int8, pilot_views: 24}"
RESULTS = ("distill/student.safetensors", "model/model.safetensors")


def digest(folder: Path) -> dict[str, str]:
    """Return the hashes of all results: shards, statistics, weights."""
    files = [folder / name for name in RESULTS]
    files += sorted(folder.glob("features/columns/*/features/c/**/0"))
    files += sorted(folder.glob("features/columns/*/moments/*.npz"))
    files += sorted(folder.glob("features/columns/*/codec.npz"))
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file()
    }


def steps_of(folder: Path, stage: str) -> int:
    """Return how far a stage is: codecs frozen and blocks written, or the last step logged."""
    if stage == "features":
        done = ("features/columns/*/codec.npz", "features/columns/*/blocks/*.json")
        return sum(len(list(folder.glob(pattern))) for pattern in done)
    return max((entry["step"] for entry in read_log(folder / stage / "log.jsonl")), default=0)


def kill_after(folder: Path, options: tuple[str, ...], ahead: int, delay_s: float) -> bool:
    """Start the run, kill it once its current stage is `ahead` further than it was; return whether it was killed at work."""
    at_start = {stage: steps_of(folder, stage) for stage in STAGES}
    process = subprocess.Popen(
        command(*tiny(folder, *options)),
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None:
        if sum(steps_of(folder, stage) - at_start[stage] for stage in STAGES) >= ahead:
            time.sleep(delay_s)
            os.kill(process.pid, signal.SIGKILL)
            return process.wait() == -signal.SIGKILL
        time.sleep(0.01)
    return False


def moments(count: int) -> list[tuple[int, float]]:
    """Return `count` random moments: how much further than at its start a run may get, and some milliseconds more.

    Together they use up what there is to do, so that the kills fall into extract, distill and align alike.
    """
    random = generator(11, "kill")
    share = max(2, int(TOTAL / count * 0.8))
    return [(int(random.integers(1, share + 1)), float(random.random() * 0.1)) for _ in range(count)]


@pytest.mark.parametrize(
    ("count", "more"), [(2, (CODED,)), pytest.param(20, (), marks=pytest.mark.slow)], ids=["int8", "fp16"]
)
@pytest.mark.timeout(1800)
def test_killed_runs_end_in_the_same_bits(tmp_path: Path, count: int, more: tuple[str, ...]) -> None:
    whole, cut, options = tmp_path / "whole", tmp_path / "cut", (*LONGER, *more)
    done = agglo(*tiny(whole, *options))
    assert done.returncode == 0, done.stderr
    killed = [kill_after(cut, options, *moment) for moment in moments(count)]
    assert all(killed), "every moment must have met a run at work"
    resumed = agglo(*tiny(cut, *options))
    assert resumed.returncode == 0, resumed.stderr
    assert digest(cut) == digest(whole)
    assert len(digest(whole)) > 8
    for stage in ("distill", "align"):
        logs = [read_log(folder / stage / "log.jsonl") for folder in (whole, cut)]
        assert [_timeless(entry) for entry in logs[0]] == [_timeless(entry) for entry in logs[1]]


def _timeless(entry: dict[str, object]) -> str:
    return json.dumps({key: value for key, value in entry.items() if key != "wall_s"})
