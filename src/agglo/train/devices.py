"""Where training runs: device, precision, number of processes; by Lightning Fabric, imported only when asked for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from agglo.core.errors import ConfigError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Precision = Literal["auto", "32-true", "bf16-mixed"]


def wait_for(device: torch.device) -> None:
    """Return once a GPU has done all it was told to, so that a clock read next counts its work; nothing is left to do on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def mean_over_processes(figures: Tensor) -> Tensor:
    """Return the mean of `figures` over all processes of a training, where there are several without gradient."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return figures
    summed = figures.detach().clone()
    torch.distributed.all_reduce(summed)
    return summed / torch.distributed.get_world_size()


@dataclass(frozen=True)
class Device:
    """What to train on.

    Attributes:
        accelerator: `cpu`, `cuda`, `mps`, or `auto` (the best that is there).
        devices: processes on this machine; more than one trains data-parallel.
        precision: `auto` is bf16 autocast on a GPU that has it and fp32 elsewhere.
        threads: CPU threads for torch; 0 leaves its choice. Bit-equal results need the same number.
    """

    accelerator: str = "auto"
    devices: int = 1
    precision: Precision = "auto"
    threads: int = 0

    @property
    def resolved(self) -> torch.device:
        """The device that `accelerator` means on this machine.

        Raises:
            ConfigError: it is not there.
        """
        there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        if self.accelerator == "auto":
            return torch.device(next(name for name in ("cuda", "mps", "cpu") if there[name]))
        if not there.get(self.accelerator, False):
            found = ", ".join(name for name, is_there in there.items() if is_there)
            raise ConfigError(
                f"`device.accelerator` must be there, but {self.accelerator} is not on this machine (there is: {found}); "
                "choose one of these, or auto"
            )
        return torch.device(self.accelerator)

    def settle(self) -> torch.device:
        """Set this process to the number of threads and TF32 off, so that fp32 means fp32 everywhere; return the device.

        Raises:
            ConfigError: it is not there.
        """
        if self.threads:
            torch.set_num_threads(self.threads)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        return self.resolved

    def start(self) -> "Fabric":
        """Return a launched Fabric, the process settled."""
        from lightning_fabric import Fabric

        self.settle()
        precision: Any = self._resolved_precision()
        fabric = Fabric(accelerator=self.resolved.type, devices=self.devices, precision=precision)
        fabric.launch()
        return fabric

    def _resolved_precision(self) -> str:
        if self.precision != "auto":
            return self.precision
        has_bf16_gpu = self.resolved.type == "cuda" and torch.cuda.is_bf16_supported()
        return "bf16-mixed" if has_bf16_gpu else "32-true"
