"""`agglo predict`: from the words of the command line to what is read and how."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agglo.predict.files import Tell, predict_files, tell_nobody
from agglo.predict.inputs import Reading, parse_crop
from agglo.train.devices import Device


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

    `reading` has the fields of `predict.inputs.Reading`, its `crop` as the text `x,y,w,h`. It runs on the best device there is.
    """
    words = dict(reading or {})
    words["crop"] = parse_crop(words.get("crop"))
    place = Device().settle()
    return predict_files(model, inputs, out, reading=Reading(**words), device=place, tell=tell, warn=warn)
