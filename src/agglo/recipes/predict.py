"""`agglo predict`: masks and overlays of images."""

from collections.abc import Sequence
from pathlib import Path

from agglo.core.progress import Progress, silent
from agglo.predict.files import predict_files


def predict(
    model: Path, inputs: Sequence[Path], out: Path, *, is_inverted: bool = False, progress: Progress = silent
) -> int:
    """Segment images with the model folder `model` into `out`; return how many. See `predict.files.predict_files`."""
    return predict_files(model, inputs, out, is_inverted=is_inverted, progress=progress)
