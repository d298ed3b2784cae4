"""What light reaches the detector at one moment: moving organs in the way of it, the recursive filter, the automatic brightness.

The filter works on the logarithm of the picture, as such filters do: it averages what is in the way of the beam. So a
picture stays a pure function of its time: the few pulses that still show in it are drawn anew.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from agglo.phantom import xray
from agglo.phantom.canvas import Projection
from agglo.phantom.curves import Points
from agglo.phantom.distractors import shrug_at
from agglo.phantom.moving import Moving, draw_moving
from agglo.phantom.pose import Pose, moment_at
from agglo.phantom.skeleton import CORTICAL, SOFT, SPONGIOSA
from agglo.phantom.unit import Unit

BARIUM = xray.MATERIALS.index("barium")

FORGOTTEN = 0.13
"""Share below which a past pulse no longer counts."""

CELLS = 64
MOMENTS = 9
RESPONSE_S = 0.35
"""How fast the automatic brightness follows; MOMENTS samples of a swallow, CELLS to a side, are enough for it."""


def lag_weights(lag: float) -> tuple[float, ...]:
    """Return the weights of this pulse and of those before in a recursive filter that keeps `lag` of the last picture.

    They add up to 1; what is left when a weight is forgotten goes to the oldest.
    """
    weights, left = [], 1.0
    while left * lag > FORGOTTEN * (1 - lag):
        weights.append(left * (1 - lag))
        left *= lag
    return (*weights, left)


def attenuate_moving(
    light: Float32[np.ndarray, "energies rows cols"], moving: Moving, barium_percent: float, share: float
) -> None:
    """Let air and contrast displace soft tissue, and put hyoid and cartilage in the way, in place; `share` of all of it."""
    cavity = np.maximum(moving.air_cm, moving.contrast_cm)
    rows, cols = (np.flatnonzero(cavity.any(axis=axis)) for axis in (1, 0))
    if rows.size:
        window = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
        contrast = moving.contrast_cm[window] * np.float32(share)
        barium, diluted = xray.barium_paths(1.0, barium_percent)
        soft = np.float32(diluted) * contrast - np.float32(share) * cavity[window]
        xray.attenuate(light, window, {SOFT: soft, BARIUM: np.float32(barium) * contrast})
    bones = [
        (moving.hyoid[0], 0.7, 0.35),
        (moving.hyoid[1], 0.3, 0.2),
        *((p, 0.0, 0.3) for p in moving.cartilage),
    ]
    for patch, spongiosa, cortical in bones:
        cover = patch.cover * np.float32(share)
        paths = {SPONGIOSA: np.float32(spongiosa) * cover, CORTICAL: np.float32(cortical) * cover}
        xray.attenuate(light, patch.window, paths)


@dataclass(frozen=True)
class Brightness:
    """The gain of the automatic brightness over a swallow, tabulated; before and after it stays as it was."""

    times_s: Float[np.ndarray, " moments"]
    gains: Float[np.ndarray, " moments"]

    def at(self, time_s: float) -> float:
        """Return the factor on all light."""
        return float(np.interp(time_s, self.times_s, self.gains))


def brightness_of(
    pose: Pose,
    unit: Unit,
    projection: Projection,
    light: Float32[np.ndarray, "energies side side"],
    raised_cm: Float32[np.ndarray, "side side"] | None,
    field: Float32[np.ndarray, "size size"],
) -> Brightness:
    """Return how the brightness drifts: it follows the mean light in the middle of the field, late and in part."""
    swallow, step = pose.swallow, max(projection.size_px // CELLS, 1)
    inside = slice(projection.pad_px, projection.pad_px + projection.size_px, step)
    still = light[:, inside, inside]
    cells = still.shape[1]
    away = np.hypot(*np.meshgrid(*[np.arange(cells) - (cells - 1) / 2] * 2))
    measured = (away < 0.3 * cells) & (field[::step, ::step] > 0.5)

    def to_cells(points: Points) -> Points:
        return (projection.to_px(points) - projection.pad_px) / step

    times = np.linspace(swallow.begin_s, swallow.end_s, MOMENTS)
    seen = []
    for time_s in times.tolist():
        motion, throat, bolus = moment_at(pose, time_s)
        moving = draw_moving(throat, bolus, motion.closure, to_cells, cells, projection.spacing_mm * step)
        through = still.copy()
        attenuate_moving(through, moving, swallow.barium_percent, 1.0)
        share = (time_s - times[0]) / (times[-1] - times[0])
        if raised_cm is not None:
            extra = raised_cm[inside, inside] * np.float32(shrug_at(share, unit.shrug_share))
            xray.attenuate(through, (slice(None), slice(None)), {SOFT: extra})
        primary = np.minimum(through.sum(0), np.float32(unit.beam.saturation))
        seen.append(float(primary[measured].mean()) if measured.any() else 1.0)
    follows = 1 - np.exp(-(times[1] - times[0]) / RESPONSE_S)
    level = [seen[0]]
    for value in seen[1:]:
        level.append(level[-1] + follows * (value - level[-1]))
    gains = (seen[0] / np.maximum(level, 1e-6)) ** unit.drift
    return Brightness(times, np.clip(gains, 0.6, 1.6))
