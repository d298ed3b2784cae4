"""Two processes train a recipe together; one is killed; another number of processes goes on, and nothing shows in the losses."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from agglo.core.files import read_json
from agglo.core.seeds import generator
from agglo.distill.distilled import save_student
from agglo.students import build_student, calibrate_norms
from flow.command_line import ENVIRONMENT, agglo, command, losses_of, tiny
from flow.test_kill import steps_of
from flow.test_workers import children

ALONE, TOGETHER = 1, 2
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
STEPS = 12
ONE_THREAD = "device.threads=1"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a student whose norms have seen images, and a run in which the teachers have looked."""
    folder = tmp_path_factory.mktemp("team")
    torch.manual_seed(0)
    student = build_student("repvit", neck="fusing")
    images = torch.from_numpy(generator(0, "noise").random((8, 64, 64), dtype="float32"))
    calibrate_norms(student, [student.preprocess(images)])
    save_student(student, folder / "student.safetensors")
    done = agglo("extract", *words(folder, "extracted")[1:])
    assert done.returncode == 0, done.stderr
    return folder


def words(ground: Path, run: str, *more: str) -> list[str]:
    """Return the words of a tiny run in `ground` that starts from its student, all norms frozen; seven samples a step."""
    norms = (
        f"student.init={ground / 'student.safetensors'}",
        "distill.norm=frozen",
        "supervised.norm=frozen",
    )
    return tiny(ground / run, *norms, "distill.batch_size=7", "align.batch_size=5", ONE_THREAD, *more)


def started(ground: Path, run: str) -> Path:
    """Return the folder of a run that begins where the teachers have looked."""
    shutil.copytree(ground / "extracted", ground / run)
    return ground / run


def verb(name: str, processes: int, options: list[str]) -> list[str]:
    """Return the command of a verb for so many processes."""
    if processes == ALONE:
        return command(name, *options[1:])
    return [*TORCHRUN, "-m", "agglo", name, *options[1:]]


def run_through(name: str, processes: int, options: list[str]) -> subprocess.CompletedProcess[str]:
    """Let a verb come to its end."""
    return subprocess.run(
        verb(name, processes, options),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def kill_one(processes: int, options: list[str], folder: Path, stage: str, *, step: int, victim: int) -> None:
    """Start a run and kill one of its processes once a stage is at `step`; the launcher ends the others."""
    said = folder.parent / f"{folder.name}.txt"
    with said.open("w") as log:
        job = subprocess.Popen(verb("align", processes, options), env=ENVIRONMENT, stdout=log, stderr=log)
    while job.poll() is None and steps_of(folder, stage) < step:
        time.sleep(0.01)
    assert job.poll() is None, said.read_text()
    os.kill(children(job.pid)[victim] if processes > ALONE else job.pid, signal.SIGKILL)
    assert job.wait(timeout=120) != 0
    assert steps_of(folder, stage) < STEPS, "it must have been met at work"


KILLS = {  # name: (stage, processes before, processes after, which of them is killed)
    "distil, the second of two": ("distill", TOGETHER, ALONE, 1),
    "distil, alone": pytest.param("distill", ALONE, TOGETHER, 0, marks=pytest.mark.slow),
    "align, the first of two": pytest.param("align", TOGETHER, ALONE, 0, marks=pytest.mark.slow),
}


@pytest.fixture(scope="module")
def whole(ground: Path) -> dict[str, list[float]]:
    """The losses of a run that one process has gone through without a break."""
    folder = started(ground, "whole")
    done = run_through("align", ALONE, words(ground, "whole"))
    assert done.returncode == 0, done.stderr
    return losses_of(folder)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("stage", "before", "after", "victim"), KILLS.values(), ids=KILLS)
def test_a_killed_process_and_another_number_of_them_leave_no_trace(
    ground: Path, whole: dict[str, list[float]], stage: str, before: int, after: int, victim: int
) -> None:
    name = f"{stage}-{before}-{after}"
    folder, options = started(ground, name), words(ground, name)
    kill_one(before, options, folder, stage, step=5, victim=victim)
    done = run_through("align", after, options)
    assert done.returncode == 0, done.stderr
    assert (folder / "model" / "config.json").exists()
    found = losses_of(folder)
    assert [len(found[each]) for each in ("distill", "align")] == [STEPS, STEPS]
    for each in ("distill", "align"):
        assert found[each] == pytest.approx(whole[each], abs=2e-5), each  # they are rounded to 1e-5


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_processes_go_all_the_way_from_nothing_to_a_report(ground: Path, tmp_path: Path) -> None:
    options = [*words(ground, "far"), f"out={tmp_path / 'far'}"]
    done = run_through("run", TOGETHER, options)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "far" / "report.html").exists()
    assert done.stdout.count("report:") == 1, "one of them speaks"
    budget = read_json(tmp_path / "far" / "supervised" / "budget.json")
    facts = {
        name: read_json(tmp_path / "far" / name / "stage.json")["facts"]
        for name in ("features", "distill", "align")
    }
    spent = facts["features"]["wall_s"] + facts["distill"]["process_s"] + facts["align"]["process_s"]
    assert budget["budget_s"] == pytest.approx(spent)
    assert facts["distill"]["process_s"] == pytest.approx(2 * facts["distill"]["wall_s"], abs=0.02)
    again = run_through("run", ALONE, options)
    assert "everything is done already" in again.stdout


REFUSED = {  # name: (overrides, environment, what is said)
    "another number": (
        ("device.devices=3",),
        {"RANK": "0", "WORLD_SIZE": "2"},
        "auto or the number of processes that were started, got 3 and 2; start `torchrun --nproc-per-node 3",
    ),
    "alone": (("device.devices=2",), {}, "got 2 and 1"),
    "nowhere to meet": ((), {"RANK": "0", "WORLD_SIZE": "2"}, "must know where to meet"),
    "norms that nobody has trained": (
        ("distill.norm=frozen",),
        {},
        "distill.norm: frozen needs a student whose norms are trained",
    ),
}


@pytest.mark.parametrize(("overrides", "environment", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_made(
    tmp_path: Path, overrides: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    refused = subprocess.run(
        command(*tiny(tmp_path / "run", *overrides)),
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2
    assert said in refused.stderr
    assert not (tmp_path / "run").exists()
