"""The processes that train together: who is first, where they meet, and sums over all of them.

Two kinds of waiting are kept apart. Whoever waits for another one's *work* (a validation, a report, a slow disk) waits on the CPU,
by gloo, as long as `PATIENCE`. Gradients and figures of a step go by NCCL where there are GPUs: its timeout of minutes is there to
find processes that hang, and nobody is waited for in there, because all meet on the CPU between two steps.
"""

import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, final

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

from agglo.core.errors import ConfigError, StoppedElsewhere
from agglo.core.share import ALL, Share

PATIENCE = timedelta(days=7)
"""How long one process waits for the work of another before it takes it for lost."""
FIRST_PORT, PORTS = 15_000, 10_000
"""Where processes of a SLURM step meet first, unless MASTER_PORT says so: a port that follows from the job's number."""
MOST_AT_ONCE = 16_000_000
"""Numbers of gradients that are sent together."""
Result = TypeVar("Result")


@final
@dataclass(frozen=True)
class Team:
    """The processes of a training, as one of them sees them. Alone, nothing here does anything.

    Attributes:
        share: which of them this is.
        device: what this process computes on; None where nobody has said.
        waiting: the group in which they wait for each other's work.
        tensors: the group of what is on their devices.
    """

    share: Share = ALL
    device: torch.device | None = None
    waiting: Any = None
    tensors: Any = None

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes, and does what need be done once."""
        return self.share.rank == 0

    def agree(self, word: int) -> int:
        """Return the highest of all processes' words, once each has said its own."""
        if self.share.is_all:
            return word
        said = torch.tensor(word)
        dist.all_reduce(said, dist.ReduceOp.MAX, group=self.waiting)
        return int(said)

    def meet(self) -> None:
        """Wait until all processes are here."""
        self.agree(0)

    def first_does(self, work: Callable[[], Result]) -> Result:
        """Return what `work` gives the first process; the others do nothing but wait for it.

        Raises:
            StoppedElsewhere: the first process could not do it; it raises what it raised, and says why.
        """
        if self.share.is_all:
            return work()
        told: list[Any] = [None, False]
        try:
            if self.is_first:
                told = [work(), True]
        finally:
            dist.broadcast_object_list(told, src=0, group=self.waiting)
        if not told[1]:
            raise StoppedElsewhere(self.share)
        result: Result = told[0]
        return result

    def spread(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the values that the first one has."""
        if self.share.is_all:
            return
        for tensor in tensors:
            values = tensor.detach().contiguous()
            dist.broadcast(values, src=0, group=self.tensors)
            tensor.detach().copy_(values)

    @torch.no_grad()
    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace `tensors`, the same ones in every process, by their means over all."""
        if self.share.is_all:
            return
        for bucket in _buckets(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
            dist.all_reduce(flat, group=self.tensors)
            pieces = (flat / self.share.world).split([tensor.numel() for tensor in bucket])  # type: ignore[no-untyped-call]
            torch._foreach_copy_(
                bucket, [piece.view(tensor.shape) for piece, tensor in zip(pieces, bucket, strict=True)]
            )


def _buckets(tensors: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Yield `tensors` in their order, some at a time, of one type each."""
    bucket: list[Tensor] = []
    count = 0
    for tensor in tensors:
        count += tensor.numel()
        if bucket and (count > MOST_AT_ONCE or tensor.dtype != bucket[0].dtype):
            yield bucket
            bucket, count = [], tensor.numel()
        bucket.append(tensor)
    if bucket:
        yield bucket


ALONE = Team()
"""The team of one who trains without others."""
_current = ALONE


def current_team() -> Team:
    """Return the processes that this one trains with; alone unless it has `joined` some."""
    return _current


@contextmanager
def joined(share: Share, device: torch.device, environ: Mapping[str, str] = os.environ) -> Iterator[Team]:
    """Train together with the other processes of `share` while the body runs; alone there is nothing to join.

    Raises:
        ConfigError: the processes cannot find each other or train on such devices, or two of them have one GPU.
    """
    global _current
    if share.is_all:
        yield _current
        return
    if device.type not in {"cpu", "cuda"}:
        raise ConfigError(
            f"several processes can train on CPUs or CUDA GPUs, got {device.type}; start one, or say `device.accelerator=cpu`"
        )
    for name, value in _rendezvous(environ).items():
        os.environ[name] = value
    dist.init_process_group("gloo", rank=share.rank, world_size=share.world)
    try:
        _current = Team(share, device, dist.new_group(backend="gloo", timeout=PATIENCE), _for_tensors(device))
        yield _current
        _current.meet()
    finally:
        _current = ALONE
    dist.destroy_process_group()  # not where something went wrong: what others are in the middle of would be waited for


def _for_tensors(device: torch.device) -> Any:
    """Return the group of what is on the devices: NCCL for GPUs, one each; gloo for CPUs."""
    if device.type == "cpu":
        return dist.group.WORLD
    torch.cuda.set_device(device)
    gpus: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(gpus, f"{torch.cuda.get_device_properties(device).uuid}")
    if len(set(gpus)) < len(gpus):
        raise ConfigError(
            f"every process needs a GPU of its own, but {len(gpus)} processes have {len(set(gpus))} between them; start as many as "
            "there are GPUs, or say `device.accelerator=cpu`"
        )
    return dist.new_group(backend="nccl")


def _rendezvous(environ: Mapping[str, str]) -> dict[str, str]:
    """Return where the processes find each other: as the launcher says, or the first machine of a SLURM step.

    Raises:
        ConfigError: nobody says it.
    """
    nodes = environ.get("SLURM_STEP_NODELIST", environ.get("SLURM_JOB_NODELIST"))
    if environ.get("MASTER_PORT") == "0":
        raise ConfigError(
            "processes that train together must know where to meet, but MASTER_PORT is 0, a port that only the launcher knows; "
            "start them with `torchrun --standalone`, which finds a free one, or name a port"
        )
    if "MASTER_ADDR" in environ and "MASTER_PORT" in environ:
        return {name: environ[name] for name in ("MASTER_ADDR", "MASTER_PORT")}
    if nodes is None:
        raise ConfigError(
            f"processes that train together must know where to meet, but {socket.gethostname()} has neither MASTER_ADDR and "
            "MASTER_PORT nor a SLURM step; start them with torchrun or srun"
        )
    from lightning_fabric.plugins.environments import SLURMEnvironment

    port = FIRST_PORT + int(environ.get("SLURM_JOB_ID", 0)) % PORTS
    address = SLURMEnvironment.resolve_root_node_address(nodes)
    return {
        "MASTER_ADDR": environ.get("MASTER_ADDR", address),
        "MASTER_PORT": environ.get("MASTER_PORT", str(port)),
    }


@final
class _Summed(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs, so that each hears of what it did to the others."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        summed = values.detach().clone()
        dist.all_reduce(summed, group=_current.tensors)
        return summed

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        summed = gradients[0].detach().clone()
        dist.all_reduce(summed, group=_current.tensors)
        return summed


def mean_over_batch(figures: Float[Tensor, "images figures"]) -> Float[Tensor, " figures"]:
    """Return the mean over the images of all processes, however many each has; its gradient reaches all of them."""
    if _current.share.is_all:
        return figures.mean(dim=0)
    own = torch.cat([figures.sum(dim=0), figures.new_full((1,), len(figures))])
    summed: Tensor = _Summed.apply(own)
    return summed[:-1] / summed[-1]
