"""`agglo lab train`: a lab teacher from nothing."""

from pathlib import Path

from agglo.core.progress import Progress, silent
from agglo.lab.train import train_lab_teacher


def train_teacher(name: str, out: Path, *, is_quick: bool = False, progress: Progress = silent) -> Path:
    """Train lab teacher `name` in folder `out`, going on where it stopped; return its weights file.

    `is_quick` is the short training of minutes, that of the shipped ones.

    Raises:
        ConfigError: there is no such lab teacher.
    """
    return train_lab_teacher(name, out=out, quick=is_quick, progress=progress)
