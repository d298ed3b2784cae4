"""What all parts share: where things go, the patients they look at, real frames, quantiles, and what "inside" means."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from agglo.phantom import PhantomFrame, render_study, sample_study
from agglo.phantom.presets import PRESETS

SEED = 76_001
"""Of every patient that the proof looks at: no training and no test set draws from it."""

CLIP_MM_PER_PX = 0.31
"""Of `vfss_clip`, if its C2-C4 is 37 mm; of the recording in `vfss_misc`, by the ruler burnt into it."""
MISC_MM_PER_PX = 0.215

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Job:
    """What one call was asked for.

    Attributes:
        out: folder of the page and its pictures; results: the file of figures.
        real: folder of real images, or None.
        private: folder for pictures that show real frames, or None; never inside the project.
        model: a model folder, or None.
        preset: of the phantom.
        effort: share of the full amount of work; below 1 only to try the script.
    """

    out: Path
    results: Path
    real: Path | None
    private: Path | None = None
    model: Path | None = None
    preset: str = "standard"
    effort: float = 1.0

    def many(self, full: int, least: int = 2) -> int:
        """Return how many of `full` things to do."""
        return max(least, round(full * self.effort))


def phantom_fingerprint() -> str:
    """Return 12 hex digits that stand for what the phantom draws: a part measured under other digits is out of date.

    They are of a few small pictures, masks and truths of either preset, so a change of the code that draws the same keeps them.
    """
    digest = hashlib.sha256()
    for preset in PRESETS:
        for patient in range(4):
            study = sample_study(SEED, patient, preset)
            for frame in render_study(study, frames=3, size_px=96, with_unusable=True):
                digest.update(frame.image.tobytes() + frame.masks.tobytes() + repr(frame.states).encode())
                digest.update(repr(frame.truth).encode())
    return digest.hexdigest()[:12]


def patient_frames(job: Job, patient: int, *, frames: int, size_px: int = 512) -> Iterator[PhantomFrame]:
    """Render a swallow of one of the proof's patients; stretches that are of no use are left out."""
    return render_study(sample_study(SEED, patient, job.preset), frames=frames, size_px=size_px)


def clip_frame(real: Path, index: int) -> np.ndarray:
    """Return a grey frame of the real clip, `[920, 920]` uint8."""
    return grey_image(real / "vfss_clip" / "images" / f"f{index:03d}.jpg")


def clip_labels(real: Path, index: int) -> np.ndarray:
    """Return the classes of a frame of the real clip: 1 is the lumen of the pharynx."""
    with Image.open(real / "vfss_clip" / "masks" / f"f{index:03d}.png") as picture:
        return np.asarray(picture)


def misc_files(real: Path) -> list[Path]:
    """Return the frames of the other recording, in order of time."""
    return sorted((real / "vfss_misc" / "unlabelled_sgmamba").glob("*.jpg"))


def grey_image(path: Path) -> np.ndarray:
    """Return a picture as grey uint8."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"))


def quantiles(values: Sequence[float] | np.ndarray) -> dict[str, float | None]:
    """Return the 5, 25, 50, 75 and 95 % quantiles of the finite values, and how many those are; None without any."""
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[np.isfinite(kept)]
    names = [f"p{round(100 * share):02d}" for share in QUANTILES]
    found = np.quantile(kept, QUANTILES) if kept.size else [None] * len(names)
    row = {name: None if value is None else float(value) for name, value in zip(names, found, strict=True)}
    return {**row, "n": int(kept.size)}


def is_inside(value: float | None, spread: Mapping[str, Any]) -> bool | None:
    """Tell whether a real figure lies in the phantom's 5 to 95 % range; None when either is unknown."""
    if value is None or spread["p05"] is None:
        return None
    return bool(spread["p05"] <= value <= spread["p95"])


def share_inside(values: Sequence[float] | np.ndarray, bounds: tuple[float, float]) -> float | None:
    """Return the share of the finite values within `bounds`, both included; None without any."""
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[np.isfinite(kept)]
    if kept.size == 0:
        return None
    return float(np.mean((kept >= bounds[0]) & (kept <= bounds[1])))


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Return the probability that a positive scores above a negative, ties counting half; NaN when either is empty."""
    if positive.size == 0 or negative.size == 0:
        return float("nan")
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    upto = np.searchsorted(ordered, positive, side="right")
    return float((below + upto).mean() / 2 / negative.size)
