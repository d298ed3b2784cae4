"""What figures depend on besides the recipe: versions, machine, threads."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch


def environment() -> dict[str, Any]:
    """Return what figures depend on besides the recipe: versions, machine, threads."""
    packages = ("torch", "timm", "transformers", "zarr", "numpy", "scipy", "lightning-fabric")
    return {
        "agglo": version("agglo"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "packages": {name: version(name) for name in packages},
    }


def _processor() -> str:
    """Return the processor's name as the system tells it, or the architecture where it does not."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
