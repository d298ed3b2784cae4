"""Where training runs: device, precision, number of processes; by Lightning Fabric, imported only when asked for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]


@dataclass(frozen=True)
class Device:
    """What to train on.

    Attributes:
        accelerator: `cpu`, `cuda`, `mps`, or `auto` (the best that is there).
        devices: processes on this machine; more than one trains data-parallel.
        precision: `auto` is bf16 autocast on a GPU that has it and fp32 elsewhere; `16-mixed` scales the loss.
        threads: CPU threads for torch; 0 leaves its choice. Bit-equal results need the same number.
    """

    accelerator: str = "auto"
    devices: int = 1
    precision: Precision = "auto"
    threads: int = 0

    def start(self) -> "Fabric":
        """Return a launched Fabric; TF32 is off, so that fp32 means fp32 everywhere."""
        from lightning_fabric import Fabric

        if self.threads:
            torch.set_num_threads(self.threads)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        precision: Any = self._resolved_precision()
        fabric = Fabric(accelerator=self.accelerator, devices=self.devices, precision=precision)
        fabric.launch()
        return fabric

    def _resolved_precision(self) -> str:
        if self.precision != "auto":
            return self.precision
        has_bf16_gpu = (
            self.accelerator in {"auto", "cuda"}
            and torch.cuda.is_available()
            and torch.cuda.is_bf16_supported()
        )
        return "bf16-mixed" if has_bf16_gpu else "32-true"
