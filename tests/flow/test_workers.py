"""Several processes share an extraction under torchrun; one is killed midway; the same command, or one process alone, goes on;
and so do Ray's workers. One kill by default, twenty where there is time (`pytest -m slow`)."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from agglo.core.seeds import generator
from flow.command_line import ENVIRONMENT, agglo, command, tiny
from flow.test_kill import digest, steps_of

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
VIEWS = {1: 6, 20: 60}
"""Views of a frame by how often the extraction is to be killed: enough blocks for every kill to meet it at work."""
OFTEN = pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])


def extraction(out: Path, *more: str, views: int = VIEWS[1]) -> list[str]:
    """Return the words of a tiny extraction into `out`."""
    return ["extract", *tiny(out, f"views.per_frame={views}")[1:], *more]


def shared(out: Path, views: int) -> list[str]:
    """Return the command of an extraction that two processes share."""
    return [*TORCHRUN, "-m", "agglo", *extraction(out, views=views)]


Whole = Callable[[int], Path]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Gives the run folder of an extraction of so many views by one process that nobody killed."""
    made: dict[int, Path] = {}

    def whole_of(views: int) -> Path:
        if views not in made:
            made[views] = tmp_path_factory.mktemp("workers") / "whole"
            done = agglo(*extraction(made[views], views=views), timeout_s=1800)
            assert done.returncode == 0, done.stderr
        return made[views]

    return whole_of


def children(pid: int) -> list[int]:
    """Return the processes that `pid` has started."""
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(child) for child in listed.split()]


@dataclass(frozen=True)
class Moment:
    """When to kill, and whom: after so many blocks more, some milliseconds later, one of two workers."""

    blocks: int
    delay_s: float
    worker: int

    def has_come(self, out: Path, before: int) -> bool:
        """Return whether it is now, having waited out the milliseconds."""
        if steps_of(out, "features") < before + self.blocks:
            return False
        time.sleep(self.delay_s)
        return True


def moments(count: int) -> list[Moment]:
    """Return `count` random moments, the same on every call."""
    random = generator(12, "kill a worker")
    return [
        Moment(int(random.integers(1, 3)), 0.4 * float(random.random()), int(random.integers(2)))
        for _ in range(count)
    ]


def is_killed_at(moment: Moment, out: Path, views: int) -> bool:
    """Start a shared extraction, kill one of its processes; return whether that met it at work, and ended it."""
    before = steps_of(out, "features")
    run = subprocess.Popen(
        shared(out, views), env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while run.poll() is None:
        if moment.has_come(out, before):
            os.kill(children(run.pid)[moment.worker], signal.SIGKILL)
            return run.wait() != 0
        time.sleep(0.01)
    return False


def flip_a_bit(out: Path) -> Path:
    """Flip one bit in the middle of one shard of a store; return the shard."""
    shard = sorted(path for path in out.glob("features/columns/*/features/c/**/0") if path.is_file())[1]
    sound = shard.read_bytes()
    middle = len(sound) // 2
    shard.write_bytes(sound[:middle] + bytes([sound[middle] ^ 4]) + sound[middle + 1 :])
    return shard


def assert_flipped_bit_heals(out: Path, again: list[str], sound: dict[str, str]) -> None:
    """A flipped bit is found and named; pruned and extracted `again`, the store is as it was."""
    column = flip_a_bit(out).relative_to(out / "features" / "columns").parts[0]
    found = agglo("store", "verify", out / "features")
    assert found.returncode == 2
    assert f"{column}: block" in found.stderr
    assert "(flipped bits)" in found.stderr
    assert agglo("store", "prune", out / "features").returncode == 0
    done = subprocess.run(again, env=ENVIRONMENT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert digest(out) == sound
    assert agglo("store", "verify", out / "features").returncode == 0


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [1, OFTEN])
def test_two_processes_one_killed_give_the_same_store(tmp_path: Path, whole: Whole, count: int) -> None:
    out, views = tmp_path / "shared", VIEWS[count]
    killed = [is_killed_at(moment, out, views) for moment in moments(count)]
    assert all(killed), "every moment must have met workers at work"
    assert not agglo("store", "verify", out / "features").stdout  # blocks are missing, and it says so
    done = subprocess.run(
        shared(out, views), env=ENVIRONMENT, capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "everything is extracted" in done.stdout
    sound = digest(whole(views))
    assert digest(out) == sound
    assert len(sound) == 2 * steps_of(out, "features") >= 18
    assert agglo("store", "verify", out / "features").returncode == 0
    assert "everything is done already" in agglo(*extraction(out, views=views)).stdout
    if count > 2:
        assert_flipped_bit_heals(out, shared(out, views), sound)


@pytest.mark.timeout(600)
def test_a_share_is_left_to_others_and_one_process_finishes_it(tmp_path: Path, whole: Whole) -> None:
    out = tmp_path / "shared"
    done = agglo(*extraction(out, "--rank", "1", "--world", "2"))
    assert done.returncode == 0, done.stderr
    assert "process 1 of 2 has done its share; 5 blocks are left to others" in done.stdout
    alone = agglo(*extraction(out))
    assert alone.returncode == 0, alone.stderr
    assert digest(out) == digest(whole(VIEWS[1]))


def ray_workers(run: subprocess.Popen[bytes]) -> list[int]:
    """Return the workers of Ray that are at our work: they name themselves so."""
    listed = subprocess.run(
        ["pgrep", "-f", "ray::.*Worker"], capture_output=True, text=True, check=False
    ).stdout
    return [int(pid) for pid in listed.split() if int(pid) != run.pid]


def kill_rays_workers(run: "subprocess.Popen[bytes]", out: Path, times: Sequence[Moment]) -> int:
    """Kill one of Ray's workers at each moment of a run; return how many were killed before it ended."""
    killed: set[int] = set()
    for moment in times:
        before = steps_of(out, "features")
        while run.poll() is None:
            workers = [pid for pid in ray_workers(run) if pid not in killed]
            if workers and moment.has_come(out, before):
                with suppress(ProcessLookupError):  # it has come to its end by itself meanwhile
                    os.kill(workers[moment.worker % len(workers)], signal.SIGKILL)
                    killed.add(workers[moment.worker % len(workers)])
                    break
            time.sleep(0.02)
    return len(killed)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [1, OFTEN])
def test_rays_workers_fill_a_store_and_those_that_die_are_replaced(
    tmp_path: Path, whole: Whole, count: int
) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    out, views = tmp_path / "ray", VIEWS[count]
    by_ray = command(*extraction(out, "--ray", "2", views=views))
    run = subprocess.Popen(by_ray, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    killed = kill_rays_workers(run, out, moments(count))
    _, said = run.communicate(timeout=1800)
    assert run.returncode == 0, said.decode()
    assert killed == count, "every moment must have met a worker at work"
    sound = digest(whole(views))
    assert digest(out) == sound
    assert agglo("store", "verify", out / "features").returncode == 0
    if count > 2:
        assert_flipped_bit_heals(out, by_ray, sound)
