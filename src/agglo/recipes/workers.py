"""Several processes that share a run: who this one is, which GPU is its own.

Those that share nothing but the extraction do not talk to each other; those that go on to train join (`train/team.py`).

`torchrun` and SLURM's `srun` tell each process its number; elsewhere it is given (`--rank 3 --world 8`). A job array is not taken
for a sharing of work unasked: people use arrays to try other settings.
"""

from collections.abc import Mapping

import torch

from agglo.config.schema import DeviceConfig
from agglo.core.errors import ConfigError
from agglo.core.share import ALL, Share

LAUNCHERS = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"))
"""Variables with the number of a process and how many there are: those of torchrun, and of a step that `srun` started."""
LOCAL_RANKS = ("LOCAL_RANK", "SLURM_LOCALID")


def share_of(environ: Mapping[str, str], *, rank: int | None = None, world: int | None = None) -> Share:
    """Return this process's share: as given, else as its launcher says, else everything.

    Raises:
        ConfigError: only one of `rank` and `world` is given, or `rank` is not one of `0 … world - 1`.
    """
    if (rank is None) != (world is None):
        raise ConfigError(f"--rank and --world must be given together, got rank {rank} and world {world}")
    if rank is not None and world is not None:
        return _checked(rank, world, "--rank and --world")
    for number, count in LAUNCHERS:
        if number in environ and count in environ:
            return _checked(int(environ[number]), int(environ[count]), f"{number} and {count}")
    return ALL


def _checked(rank: int, world: int, where: str) -> Share:
    if not 0 <= rank < world:
        raise ConfigError(
            f"{where} must be the number of this process, from 0, and the number of all, got {rank} and {world}; "
            f"with {max(world, 1)} processes the ranks are 0 to {max(world, 1) - 1}"
        )
    return Share(rank, world)


def own_device(device: torch.device, environ: Mapping[str, str]) -> torch.device:
    """Return the GPU of this process where a machine has several, by its number on this machine; other devices as they are."""
    local = next((int(environ[name]) for name in LOCAL_RANKS if name in environ), None)
    if device.type != "cuda" or local is None:
        return device
    return torch.device("cuda", local % torch.cuda.device_count())


def require_processes(config: DeviceConfig, share: Share) -> None:
    """Look whether as many processes were started as the recipe says.

    Raises:
        ConfigError: it says another number.
    """
    if config.devices not in {"auto", share.world}:
        raise ConfigError(
            f"`device.devices` must be auto or the number of processes that were started, got {config.devices} and "
            f"{share.world}; start `torchrun --nproc-per-node {config.devices} -m agglo run RECIPE`, or say `device.devices=auto`"
        )
