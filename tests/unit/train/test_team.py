"""Several processes, and parts of a batch, against one process and one piece: the same losses, whoever holds which image."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from agglo.core.errors import ConfigError
from agglo.core.share import ALL, Share
from agglo.train.batches import require_samples_for_all
from agglo.train.part import Part, normals_of_batch, parts_of, under_way, uniforms_of_images
from agglo.train.team import ALONE, _rendezvous, joined
from unit.train import team_job
from unit.train.team_job import BATCH, CASES, losses, train

JOB = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
TESTS = Path(team_job.__file__).parents[2]
AS_A_WHOLE = (
    "uniform",
    "static",
    "random",
    "uncertainty",
    "amtml-kd",
    "attention-as-printed",
    "align",
    "prompts",
)
"""What knows of nothing that only the batch in one piece would tell: cut into parts it stays the same."""
AS_NEARLY = {"adaloss": 5e-3, "attention": 1e-3, "attention-of-teachers": 1e-3, "mlp": 5e-3}
"""Balancers that decide from running means, which move with every part: how far losses may be off."""


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cases, trained by two processes under torchrun."""
    out = tmp_path_factory.mktemp("together")
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(
        [*JOB, team_job.__file__, str(out)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_as_one_does(name: str, together: Path, tmp_path: Path) -> None:
    train(name, tmp_path, ema_decay=None)
    expected = losses(tmp_path)
    assert len(expected) == team_job.STEPS
    assert losses(together / name) == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert (together / name / "agreed").exists(), "all processes must have the same weights"


@pytest.mark.timeout(600)
def test_what_stops_one_stops_all_after_the_same_step(together: Path) -> None:
    ends = [(together / f"ends-{rank}.txt").read_text().splitlines() for rank in range(2)]
    assert ends[0][0] == "TrainingCollapsed: one teacher has it all"
    assert ends[1][0].startswith("StoppedElsewhere: process 1 of 2 stops, because another one has stopped")
    for end in ends:
        assert end[1:] == [
            "Interrupted: stopped after step 5 of 20; the same command goes on from there",
            "trained",
        ]
    assert len(losses(together / "interrupted")) == team_job.STEPS


@pytest.mark.parametrize("name", AS_A_WHOLE)
def test_a_batch_in_parts_is_the_same_batch(name: str, tmp_path: Path) -> None:
    whole = train(name, tmp_path / "whole")
    parts = train(name, tmp_path / "parts", accumulate=2)
    assert losses(tmp_path / "parts") == pytest.approx(losses(tmp_path / "whole"), rel=1e-5, abs=1e-5)
    for key, tensor in whole.items():
        torch.testing.assert_close(parts[key], tensor, atol=2e-4, rtol=1e-3, msg=key)


@pytest.mark.parametrize(("name", "within"), AS_NEARLY.items(), ids=AS_NEARLY)
def test_balancers_see_the_parts_so_far(name: str, within: float, tmp_path: Path) -> None:
    """The first step is the same but for them; what they know after a step is that of the whole batch."""
    whole = train(name, tmp_path / "whole", steps=1)
    parts = train(name, tmp_path / "parts", steps=1, accumulate=BATCH)
    for key in (key for key in whole if ".running." in key):
        torch.testing.assert_close(parts[key], whole[key], msg=key)
    train(name, tmp_path / "longer")
    train(name, tmp_path / "in-parts", accumulate=2)
    assert losses(tmp_path / "in-parts") == pytest.approx(losses(tmp_path / "longer"), rel=within)


def test_a_batch_is_shared_out_and_cut_without_loss() -> None:
    shared = [parts_of(Share(rank, 3), 11, parts=2, seed=5) for rank in range(3)]
    assert sorted(place for parts in shared for part in parts for place in part.places) == list(range(11))
    for number in range(2):
        of_all = [parts[number] for parts in shared]
        assert {part.num_samples for part in of_all} == {sum(len(part.places) for part in of_all)}
    assert sum(part.of_batch for parts in shared for part in parts) == pytest.approx(1)


def test_draws_belong_to_the_batch_and_to_the_image() -> None:
    cpu = torch.device("cpu")
    found = {}
    for share in (ALL, Share(0, 2), Share(1, 2)):
        for part in parts_of(share, 5, parts=2, seed=9):
            with under_way(part):
                normals = normals_of_batch(3, cpu)
                rows = uniforms_of_images(len(part.places), 4, cpu)
            assert found.setdefault("normals", normals).equal(normals)
            for place, row in zip(part.places, rows, strict=True):
                assert found.setdefault(place, row).equal(row)
    with under_way(Part((0,), 1, 0, 1, seed=10)):
        assert not normals_of_batch(3, cpu).equal(found["normals"])
    assert len({tuple(found[place].tolist()) for place in range(5)}) == 5


def test_everyone_needs_a_sample() -> None:
    require_samples_for_all(8, Share(0, 2), parts=4)
    with pytest.raises(ConfigError, match=r"at least processes x `accumulate` \(2 x 4\), got 7; start fewer"):
        require_samples_for_all(7, Share(0, 2), parts=4)


RENDEZVOUS = {  # name: (environment, address and port)
    "torchrun": ({"MASTER_ADDR": "here", "MASTER_PORT": "29500"}, ("here", "29500")),
    "srun": ({"SLURM_STEP_NODELIST": "gpu[03-05,09]", "SLURM_JOB_ID": "1234567"}, ("gpu03", "19567")),
    "a job's machines": ({"SLURM_JOB_NODELIST": "a1,a2", "SLURM_JOB_ID": "7"}, ("a1", "15007")),
    "srun, told where": ({"SLURM_STEP_NODELIST": "a1", "MASTER_PORT": "4242"}, ("a1", "4242")),
}


@pytest.mark.parametrize(("environ", "expected"), RENDEZVOUS.values(), ids=RENDEZVOUS)
def test_where_processes_meet(environ: dict[str, str], expected: tuple[str, str]) -> None:
    found = _rendezvous(environ)
    assert (found["MASTER_ADDR"], found["MASTER_PORT"]) == expected


def test_processes_that_cannot_meet_are_told() -> None:
    with pytest.raises(ConfigError, match=r"MASTER_PORT is 0.* `torchrun --standalone`"):
        _rendezvous({"MASTER_ADDR": "here", "MASTER_PORT": "0"})
    with pytest.raises(ConfigError, match="neither MASTER_ADDR and MASTER_PORT nor a SLURM step"):
        _rendezvous({})
    with (
        pytest.raises(ConfigError, match="can train on CPUs or CUDA GPUs, got mps"),
        joined(Share(0, 2), torch.device("mps")),
    ):
        pass


def test_alone_there_is_nobody_to_wait_for() -> None:
    with joined(ALL, torch.device("cpu")) as team:
        assert team is ALONE
        assert team.first_does(lambda: 3) == 3
        assert team.agree(2) == 2
        team.meet()
