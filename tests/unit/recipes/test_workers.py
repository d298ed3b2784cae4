"""Who of several processes this one is."""

import pytest
import torch

from agglo.core.errors import ConfigError
from agglo.core.share import ALL, Share
from agglo.recipes.workers import own_device, share_of

CASES = {  # name: (environment, rank, world, expected)
    "alone": ({}, None, None, ALL),
    "torchrun": ({"RANK": "3", "WORLD_SIZE": "8"}, None, None, Share(3, 8)),
    "srun": ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, None, None, Share(1, 2)),
    "a batch script of several tasks that runs one": (
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "4"},
        None,
        None,
        ALL,
    ),
    "an array": ({"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_COUNT": "9"}, None, None, ALL),
    "given": ({"RANK": "3", "WORLD_SIZE": "8"}, 0, 2, Share(0, 2)),
}


@pytest.mark.parametrize(("environ", "rank", "world", "expected"), CASES.values(), ids=CASES)
def test_who_it_is(environ: dict[str, str], rank: int | None, world: int | None, expected: Share) -> None:
    assert share_of(environ, rank=rank, world=world) == expected


WRONG = {  # name: (environment, rank, world, what is said)
    "half": ({}, 1, None, "--rank and --world must be given together, got rank 1 and world None"),
    "too high": (
        {},
        2,
        2,
        r"--rank and --world must be .* got 2 and 2; with 2 processes the ranks are 0 to 1",
    ),
    "nobody": ({}, 0, 0, "got 0 and 0; with 1 processes the ranks are 0 to 0"),
    "launcher": ({"RANK": "8", "WORLD_SIZE": "8"}, None, None, "RANK and WORLD_SIZE must be"),
}


@pytest.mark.parametrize(("environ", "rank", "world", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be(environ: dict[str, str], rank: int | None, world: int | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        share_of(environ, rank=rank, world=world)


def test_every_process_has_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    assert own_device(gpu, {"LOCAL_RANK": "3"}) == torch.device("cuda", 1)
    assert own_device(gpu, {"SLURM_LOCALID": "0"}) == torch.device("cuda", 0)
    assert own_device(gpu, {}) == gpu
    assert own_device(cpu, {"LOCAL_RANK": "3"}) == cpu


def test_shares_are_all_pieces_once() -> None:
    taken = [[piece for piece in range(11) if Share(rank, 3).takes(piece)] for rank in range(3)]
    assert sorted(piece for pieces in taken for piece in pieces) == list(range(11))
    assert all(ALL.takes(piece) for piece in range(11))
