"""Several processes share an extraction under torchrun; one is killed midway; the same command, or one process alone, goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flow.command_line import ENVIRONMENT, agglo, command, tiny
from flow.test_kill import digest, steps_of

BLOCKS = 9
LONGER = ("views.per_frame=6",)
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]


def extraction(out: Path, *more: str) -> list[str]:
    """Return the words of a tiny extraction into `out`."""
    return ["extract", *tiny(out, *LONGER)[1:], *more]


def shared(out: Path) -> list[str]:
    """Return the command of an extraction that two processes share."""
    return [*TORCHRUN, "-m", "agglo", *extraction(out)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of an extraction by one process."""
    out = tmp_path_factory.mktemp("workers") / "whole"
    done = agglo(*extraction(out))
    assert done.returncode == 0, done.stderr
    return out


def children(pid: int) -> list[int]:
    """Return the processes that `pid` has started."""
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(child) for child in listed.split()]


def kill_one(out: Path, blocks: int, worker: int) -> int:
    """Start a shared extraction, kill one of its processes after `blocks` more blocks; return torchrun's exit code."""
    before = steps_of(out, "features")
    run = subprocess.Popen(shared(out), env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while run.poll() is None:
        if steps_of(out, "features") >= before + blocks:
            os.kill(children(run.pid)[worker], signal.SIGKILL)
            break
        time.sleep(0.01)
    return run.wait()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_two_processes_one_killed_give_the_same_store(tmp_path: Path, whole: Path, count: int) -> None:
    out = tmp_path / "shared"
    for number in range(count):
        if steps_of(out, "features") < BLOCKS - 1:
            assert kill_one(out, 1, number % 2) != 0
    assert 0 < steps_of(out, "features") < BLOCKS
    assert not agglo("store", "verify", out / "features").stdout
    done = subprocess.run(
        shared(out), env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "everything is extracted" in done.stdout
    assert digest(out) == digest(whole)
    assert len(digest(out)) == 2 * BLOCKS
    assert agglo("store", "verify", out / "features").returncode == 0
    again = agglo(*extraction(out))
    assert "everything is done already" in again.stdout


@pytest.mark.timeout(600)
def test_a_share_is_left_to_others_and_one_process_finishes_it(tmp_path: Path, whole: Path) -> None:
    out = tmp_path / "shared"
    done = agglo(*extraction(out, "--rank", "1", "--world", "2"))
    assert done.returncode == 0, done.stderr
    assert "process 1 of 2 has done its share; 5 blocks are left to others" in done.stdout
    alone = agglo(*extraction(out))
    assert alone.returncode == 0, alone.stderr
    assert digest(out) == digest(whole)


def ray_workers(run: subprocess.Popen[bytes]) -> list[int]:
    """Return the workers of Ray that are at our work: they name themselves so."""
    listed = subprocess.run(
        ["pgrep", "-f", "ray::.*Worker"], capture_output=True, text=True, check=False
    ).stdout
    return [int(pid) for pid in listed.split() if int(pid) != run.pid]


@pytest.mark.timeout(900)
def test_rays_workers_fill_a_store_and_one_that_dies_is_replaced(tmp_path: Path, whole: Path) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    out = tmp_path / "ray"
    run = subprocess.Popen(
        command(*extraction(out, "--ray", "2")),
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    killed = 0
    while run.poll() is None and not killed:
        workers = ray_workers(run)
        if steps_of(out, "features") >= 1 and workers:
            os.kill(workers[0], signal.SIGKILL)
            killed = workers[0]
        time.sleep(0.02)
    _, said = run.communicate(timeout=600)
    assert killed, "a worker must have been met at work"
    assert run.returncode == 0, said.decode()
    assert digest(out) == digest(whole)
    assert agglo("store", "verify", out / "features").returncode == 0
