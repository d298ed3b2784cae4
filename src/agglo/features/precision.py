"""Whether a teacher may look in bfloat16: held against float32 on some views of the train split, once, before anything is kept.

A large network in bfloat16 is faster where the processor has it, and always a little wrong; how much depends on the network. So it
is measured, the figures are kept beside what the teacher saw (`precision.json`), and beyond the bounds below it is refused. What
was seen in bfloat16 is another column than what was seen in float32: the precision is part of the identity.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float16

from agglo.core.errors import FeatureMismatch
from agglo.core.files import fingerprint, read_json, write_json
from agglo.features.looking import Looker, ReadyTeacher
from agglo.features.moments import Moments, shows_picture
from agglo.features.pool import Pool
from agglo.features.requantise import PRECISION, token_cosines

OF = "of"
JUDGED_VIEWS = 16
LEAST_COSINE = 0.999
"""Least mean cosine of single tokens, centred: what int8 codes are asked to keep, too."""
GREATEST_ERROR = 0.05
"""Greatest root mean square of the difference, as a share of that of the features about their mean."""


@dataclass(frozen=True)
class Agreement:
    """How near a teacher in bfloat16 comes to itself in float32, over the cells that show the picture.

    Attributes:
        views: looked at.
        relative_error: root mean square of the difference over that of the features about their mean.
        cosine_mean: of single tokens, both centred by the mean in float32.
        cosine_percentile_1: the same, of the worst hundredth.
        speedup: seconds of the forward passes in float32 over those in bfloat16, on this machine.
    """

    views: int
    relative_error: float
    cosine_mean: float
    cosine_percentile_1: float
    speedup: float

    @property
    def is_safe(self) -> bool:
        """Whether both bounds hold; of features that are not finite they do not."""
        return self.cosine_mean >= LEAST_COSINE and self.relative_error <= GREATEST_ERROR


def require_safe(folder: Path, name: str, pool: Pool, source: ReadyTeacher, looker: Looker) -> None:
    """Measure a teacher that is to look in bfloat16 and keep the figures in `folder`, unless they are there.

    Raises:
        FeatureMismatch: what it sees differs too much from what it sees in float32; nothing is written.
    """
    if is_answered(folder, source):
        return
    found = measure(pool, source, Looker(looker.device, looker.batch_size))
    if not found.is_safe:
        raise FeatureMismatch(
            f"teacher {name} must see in bf16 what it sees in fp32 (mean cosine at least {LEAST_COSINE}, relative error at most "
            f"{GREATEST_ERROR}), but over {found.views} views the cosine is {found.cosine_mean:.5f} and the error "
            f"{found.relative_error:.3f}; remove its `precision: bf16`"
        )
    write_json(folder / PRECISION, {**asdict(found), OF: fingerprint(dict(source.identity))})


def is_answered(folder: Path, source: ReadyTeacher) -> bool:
    """Return whether nothing need be measured: of float32, of what was measured, and where there is a column already.

    Whoever made the column was asked then; whether it is this teacher's, the column says itself.
    """
    if source.precision == "fp32" or any((folder / name).exists() for name in ("column.json", "online.json")):
        return True
    return _identity_in(folder) == fingerprint(dict(source.identity))


def agreement_in(folder: Path) -> dict[str, Any] | None:
    """Return the figures that are kept in `folder`; None where there are none."""
    file = folder / PRECISION
    if not file.exists():
        return None
    return {name: value for name, value in read_json(file).items() if name != OF}


def _identity_in(folder: Path) -> str | None:
    """Return of which teacher the figures in `folder` are."""
    file = folder / PRECISION
    return read_json(file).get(OF) if file.exists() else None


def measure(pool: Pool, source: ReadyTeacher, looker: Looker) -> Agreement:
    """Let a teacher look at some views of the train split in float32 and in bfloat16, and compare."""
    spec, samples = (
        source.teacher.spec,
        pool.samples.spread(JUDGED_VIEWS) or range(min(len(pool), JUDGED_VIEWS)),
    )
    pictures = np.stack([pool.render(sample, spec.input_px) for sample in samples])
    shown = shows_picture(np.stack([pool.coverage(sample, spec.grid[0]) for sample in samples]))
    (exact, exact_s), (rounded, rounded_s) = (
        _timed(replace(source, precision=precision), pictures, looker) for precision in ("fp32", "bf16")
    )
    tokens, others = (np.moveaxis(each, 1, -1)[shown].astype(np.float32) for each in (exact, rounded))
    mean = Moments.of(tokens).mean.astype(np.float32)
    cosines = token_cosines(others.T[:, :, None], tokens.T[:, :, None], mean)
    error = np.sqrt(np.mean((others - tokens) ** 2) / max(float(np.mean((tokens - mean) ** 2)), 1e-12))
    return Agreement(
        views=len(samples),
        relative_error=round(float(error), 6),
        cosine_mean=round(float(cosines.mean()), 6),
        cosine_percentile_1=round(float(np.percentile(cosines, 1)), 6),
        speedup=round(exact_s / rounded_s, 3),
    )


def _timed(
    source: ReadyTeacher, pictures: np.ndarray, looker: Looker
) -> tuple[Float16[np.ndarray, "samples dim h w"], float]:
    """Return what a teacher sees and the seconds of its forward passes; a first look, which prepares things, is not counted."""
    looker.look(source, pictures[:1])
    before = looker.forward_s
    return looker.look(source, pictures), looker.forward_s - before
