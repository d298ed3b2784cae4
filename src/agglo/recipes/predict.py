"""`agglo predict`: from the words of the command line to what is read and how."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agglo.predict.files import Tell, predict_files, tell_nobody
from agglo.predict.inputs import Reading, parse_crop


def predict(
    model: Path,
    inputs: Sequence[Path],
    out: Path,
    *,
    reading: Mapping[str, Any] | None = None,
    tell: Tell = tell_nobody,
    warn: Callable[[str], None] = lambda text: None,
) -> int:
    """Segment images and videos with the model folder `model` into `out`; return how many. See `predict.files.predict_files`.

    `reading` has the fields of `predict.inputs.Reading`, its `crop` as the text `x,y,w,h`.
    """
    words = dict(reading or {})
    words["crop"] = parse_crop(words.get("crop"))
    return predict_files(model, inputs, out, reading=Reading(**words), tell=tell, warn=warn)
