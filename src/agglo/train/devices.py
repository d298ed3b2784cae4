"""Where a process trains: device and precision; by Lightning Fabric, imported only when asked for.

Fabric places, casts and takes gradients for one device a process. What several processes have to do with each other is in `team`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from agglo.core.errors import ConfigError
from agglo.train.team import current_team

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Precision = Literal["auto", "32-true", "bf16-mixed"]


def wait_for(device: torch.device) -> None:
    """Return once a GPU has done all it was told to, so that a clock read next counts its work; nothing is left to do on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@dataclass(frozen=True)
class Device:
    """What to train on.

    Attributes:
        accelerator: `cpu`, `cuda`, `mps`, or `auto`: a CUDA GPU where there is one, else the CPU. Nothing was ever run on an Apple
            GPU, so that must be asked for.
        precision: `auto` is bf16 autocast on a GPU that has it and fp32 elsewhere.
        threads: CPU threads for torch; 0 leaves its choice. Bit-equal results need the same number.
    """

    accelerator: str = "auto"
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
            return torch.device("cuda" if there["cuda"] else "cpu")
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
        """Return a launched Fabric for this process's own device, the process settled."""
        from lightning_fabric import Fabric
        from lightning_fabric.plugins.environments import LightningEnvironment

        self.settle()
        precision: Any = self._resolved_precision()
        own = current_team().device or self.resolved
        devices: Any = 1 if own.index is None else [own.index]
        # told that it is alone, Fabric does not take a batch script's variables for a launch of its own
        fabric = Fabric(
            accelerator=own.type, devices=devices, precision=precision, plugins=[LightningEnvironment()]
        )
        fabric.launch()
        return fabric

    def _resolved_precision(self) -> str:
        if self.precision != "auto":
            return self.precision
        has_bf16_gpu = self.resolved.type == "cuda" and torch.cuda.is_bf16_supported(
            including_emulation=False
        )
        return "bf16-mixed" if has_bf16_gpu else "32-true"
