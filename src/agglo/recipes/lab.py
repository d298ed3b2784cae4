"""`agglo lab train`: a lab teacher from nothing."""

from pathlib import Path
from typing import Any

from agglo.core.progress import Progress, silent
from agglo.lab.train import compare_lab_teachers, train_lab_teacher


def train_teacher(
    name: str, out: Path, *, is_large: bool = False, repeat: int = 0, progress: Progress = silent
) -> Path:
    """Train lab teacher `name` in folder `out`, going on where it stopped; return its weights file.

    `is_large` is the size for a GPU, in place of the shipped one; `repeat` other than 0 trains a sister from other weights.

    Raises:
        ConfigError: there is no such lab teacher or size.
    """
    return train_lab_teacher(name, out=out, is_large=is_large, repeat=repeat, progress=progress)


def compare_teachers(out: Path, *, progress: Progress = silent) -> dict[str, Any]:
    """Measure what the lab teachers know together: those whose weights lie in `out`, the shipped ones otherwise."""
    return compare_lab_teachers(out, progress=progress)
