"""Part (a), second half: how noise looks, in phantom frames and in the real clip.

Noise is what is left of eight successive pictures when their mean is taken away, in blocks that are even and in which nothing
moves. The same is done to both, so that the bias of so short a mean is the same too. Duplicated frames are left out, and phantom
patients with few pulses a second.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from agglo.phantom import Study, render_study, sample_study
from proof.common import SEED, Job, clip_frame, is_inside, quantiles

PATIENTS, PICTURES = 30, 8
PULSES_PER_S = 15.0
BLOCK_PX, WIDE_PX = 16, 32
MID_TONES, SATURATED = (50.0, 190.0), 236.0
EVEN_GREY = 4.0
BANDS: Final = {"low": (0.0, 0.1), "middle": (0.1, 0.25), "high": (0.25, 0.5)}
RINGS = 16

NAMES: Final = {
    "sd_mid": "temporal SD in mid-tones, grey levels",
    "sd_saturated": "temporal SD in saturated air",
    "lag_1": "correlation with the next frame",
    "neighbour_1": "correlation with the neighbour at 1 px",
    "neighbour_2": "at 2 px",
    "neighbour_3": "at 3 px",
    "power_low": "share of power below 0.1 cycles/px",
    "power_middle": "0.1 to 0.25 cycles/px",
    "power_high": "above 0.25 cycles/px",
}
LISTED: Final = {
    "sd_saturated": 0.0,
    "lag_1": 0.45,
    "neighbour_1": 0.71,
    "neighbour_2": 0.43,
    "neighbour_3": 0.29,
}
LISTED_RANGES: Final = {"sd_mid": (1.4, 2.2)}


def blocks(stack: np.ndarray, side: int) -> np.ndarray:
    """Cut `[T, H, W]` into `[blocks, T, side, side]`; what is left over at the edges is dropped."""
    times, rows, cols = stack.shape[0], stack.shape[1] // side, stack.shape[2] // side
    cut = stack[:, : rows * side, : cols * side].reshape(times, rows, side, cols, side)
    return cut.transpose(1, 3, 0, 2, 4).reshape(rows * cols, times, side, side)


def unevenness(mean: np.ndarray) -> np.ndarray:
    """Return, per block of `[blocks, side, side]`, the SD that is left when a plane is taken away."""
    side = mean.shape[1]
    at = (np.arange(side) - (side - 1) / 2) / side
    flat = mean - mean.mean((1, 2), keepdims=True)
    for axis in (at[:, None] * np.ones(side), at[None, :] * np.ones(side)[:, None]):
        flat = flat - axis * ((flat * axis).sum((1, 2)) / (axis**2).sum())[:, None, None]
    return flat.std((1, 2))


def neighbour_correlation(residual: np.ndarray, distance: int) -> float:
    """Return the correlation of `[blocks, T, side, side]` with itself `distance` pixels away, along both axes together."""
    pairs = [
        (residual[..., :-distance, :], residual[..., distance:, :]),
        (residual[..., :, :-distance], residual[..., :, distance:]),
    ]
    product = sum(float((a * b).mean()) for a, b in pairs) / 2
    power = sum(float((a**2).mean() + (b**2).mean()) / 2 for a, b in pairs) / 2
    return product / power if power > 0 else float("nan")


def lag_correlation(residual: np.ndarray) -> float:
    """Return the correlation of `[blocks, T, side, side]` with the next picture."""
    power = float((residual**2).mean())
    return float((residual[:, :-1] * residual[:, 1:]).mean()) / power if power > 0 else float("nan")


def radial_spectrum(residual: np.ndarray) -> np.ndarray:
    """Return the share of power in each of `RINGS` rings up to 0.5 cycles/px; they sum to 1 (corners beyond are left out)."""
    side = residual.shape[-1]
    window = np.hanning(side + 2)[1:-1]
    power = np.abs(np.fft.fft2(residual * window[:, None] * window[None])) ** 2
    power = power.reshape(-1, side, side).mean(0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    ring = np.minimum((frequency * 2 * RINGS).astype(int), RINGS)
    sums = np.bincount(ring.ravel(), weights=power.ravel(), minlength=RINGS + 1)[:RINGS]
    return sums / sums.sum()


def noise_of(stack: np.ndarray) -> dict[str, Any]:
    """Return the figures of one stretch `[T, H, W]` of successive pictures; NaN where it has no fitting block."""
    figures: dict[str, Any] = {name: float("nan") for name in NAMES}
    figures["spectrum"] = np.full(RINGS, np.nan)
    cut = blocks(stack.astype(np.float32), BLOCK_PX)
    mean = cut.mean(1)
    level = mean.mean((1, 2))
    saturated = cut[(level >= SATURATED) & (mean.std((1, 2)) < 0.5)]
    if len(saturated):
        figures["sd_saturated"] = float(np.median(saturated.std(1).mean((1, 2))))
    residual = _even_residuals(cut)
    if len(residual) < 4:
        return figures
    figures["sd_mid"] = float(np.median(np.sqrt((residual**2).mean((1, 2, 3)) * _unbias(stack))))
    figures["lag_1"] = lag_correlation(residual)
    for distance in (1, 2, 3):
        figures[f"neighbour_{distance}"] = neighbour_correlation(residual, distance)
    wide = _even_residuals(blocks(stack.astype(np.float32), WIDE_PX))
    if len(wide):
        spectrum = radial_spectrum(wide)
        at = (np.arange(RINGS) + 0.5) / (2 * RINGS)
        for name, (low, high) in BANDS.items():
            figures[f"power_{name}"] = float(spectrum[(at >= low) & (at < high)].sum())
        figures["spectrum"] = spectrum
    return figures


def _unbias(stack: np.ndarray) -> float:
    return len(stack) / (len(stack) - 1)


def _even_residuals(cut: np.ndarray) -> np.ndarray:
    """Keep even mid-tone blocks, without the tenth that varies most in time (something moved there); take their mean away."""
    mean = cut.mean(1)
    level = mean.mean((1, 2))
    keep = (level > MID_TONES[0]) & (level < MID_TONES[1]) & (unevenness(mean) < EVEN_GREY)
    residual = (cut - mean[:, None])[keep]
    if len(residual) == 0:
        return residual
    power = (residual**2).mean((1, 2, 3))
    return residual[power <= np.quantile(power, 0.9)]


def phantom_stretch(study: Study) -> np.ndarray | None:
    """Return the first pictures of a recording, one for each pulse, `[T, 512, 512]`; None when it is too short."""
    seconds = study.swallow.end_s - study.swallow.begin_s
    pictures: dict[float, np.ndarray] = {}
    for frame in render_study(
        study, frames=round(1.5 * seconds * study.swallow.pulses_per_s) + 2, size_px=512
    ):
        pictures.setdefault(frame.truth.time_s, frame.image)
        if len(pictures) == PICTURES:
            return np.stack(list(pictures.values()))
    return None


def phantom_stretches(job: Job) -> list[np.ndarray]:
    """Return stretches of the first patients whose pulses follow each other closely, so that little moves."""
    found: list[np.ndarray] = []
    for patient in range(10 * PATIENTS):
        study = sample_study(SEED, patient, job.preset)
        stretch = phantom_stretch(study) if study.swallow.pulses_per_s >= PULSES_PER_S else None
        if stretch is not None:
            found.append(stretch)
        if len(found) == job.many(PATIENTS):
            break
    return found


def clip_stretches(job: Job) -> list[np.ndarray]:
    """Return stretches of the clip in which no label was ever painted."""
    assert job.real is not None
    starts = range(128, 246 - PICTURES, 12)
    return [np.stack([clip_frame(job.real, start + step) for step in range(PICTURES)]) for start in starts]


def _summary(stretches: Sequence[dict[str, Any]], name: str) -> float | None:
    values = [figures[name] for figures in stretches if np.isfinite(figures[name])]
    return float(np.median(values)) if values else None


def measure(job: Job) -> dict[str, Any]:
    """Return the figures of this part."""
    patients = [noise_of(stretch) for stretch in phantom_stretches(job)]
    real = [noise_of(stretch) for stretch in clip_stretches(job)] if job.real is not None else []
    rows = {}
    for name, words in NAMES.items():
        spread = quantiles([figures[name] for figures in patients])
        measured = _summary(real, name)
        rows[name] = {
            **spread,
            "words": words,
            "real_measured": measured,
            "real_listed": LISTED_RANGES.get(name, LISTED.get(name)),
            "measured_inside": is_inside(measured, spread),
        }
    spectra = np.stack([figures["spectrum"] for figures in patients])
    curves = {"frequency": ((np.arange(RINGS) + 0.5) / (2 * RINGS)).tolist()}
    if np.isfinite(spectra).all(1).any():
        low, middle, high = np.nanquantile(spectra, (0.05, 0.5, 0.95), axis=0)
        curves |= {"phantom_p05": low.tolist(), "phantom_p50": middle.tolist(), "phantom_p95": high.tolist()}
    if real:
        curves["real"] = np.nanmedian([figures["spectrum"] for figures in real], axis=0).tolist()
    return {"patients": len(patients), "pictures": PICTURES, "rows": rows, "spectrum": curves}
