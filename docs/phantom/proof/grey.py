"""Part (a), first half: grey levels of eight regions, in phantom patients and in the real clip.

A region is placed by the same rule in both: a mask eroded by 1.5 mm where there is one, else a disc at a point given in units of
C2-C4 ahead of and above the anterior-inferior corner of C4, or below the hyoid. On the clip, whose C4 label lies behind the bodies,
the same points were set by hand.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from scipy.ndimage import binary_erosion

from agglo.phantom import STRUCTURES, PhantomFrame
from proof.common import Job, clip_frame, clip_labels, is_inside, patient_frames, quantiles

PATIENTS, FRAMES = 36, 10
DISC_MM, EDGE_MM = 4.0, 1.5

LISTED: Final = {
    "airway": 184.0,
    "anterior neck": 190.0,
    "posterior neck": 104.0,
    "mandible": 74.0,
    "C4 body": 55.0,
    "tongue": 40.0,
    "bolus": 26.0,
    "shoulder": 9.0,
}
"""Grey levels of the clip as first read off by eye, at spots chosen for their clarity (of 255)."""

POINTS: Final = {
    "posterior neck": (-1.00, -0.37),
    "tongue": (0.66, 1.41),
    "shoulder": (-0.30, -1.90),
}
"""Ahead of and above the corner of C4, in units of C2-C4."""

BELOW_HYOID = 0.35
"""Where the anterior neck is measured, in units of C2-C4."""

CLIP_BOXES: Final = {
    "anterior neck": (474, 514, 491, 521),
    "posterior neck": (230, 260, 430, 460),
    "mandible": (600, 660, 355, 375),
    "C4 body": (335, 360, 400, 425),
    "tongue": (485, 525, 300, 330),
    "shoulder": (265, 305, 645, 680),
}
"""Left, right, top, bottom in pixels of the clip, at the same places."""

CLIP_REST, CLIP_BOLUS = range(0, 41, 4), range(62, 70)
CLIP_BOLUS_BOX = (405, 425, 470, 490)


def mask_of(frame: PhantomFrame, name: str) -> np.ndarray:
    """Return a structure's mask."""
    return frame.masks[STRUCTURES.index(name)]


def neck_axes(frame: PhantomFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the corner of C4 and the vectors of one C2-C4 to the front and upwards, in pixels `(column, row)`."""
    corner = np.asarray(frame.truth.landmarks["C4"])
    up = np.asarray(frame.truth.landmarks["C2"]) - corner
    front = np.array([-up[1], up[0]]) * (1 if frame.truth.facing == "right" else -1)
    return corner, front, up


def disc(shape: tuple[int, int], centre: np.ndarray, radius_px: float) -> np.ndarray:
    """Return a disc as a mask; empty when any of it lies outside of the picture."""
    col, row = centre
    is_whole = radius_px <= col <= shape[1] - radius_px and radius_px <= row <= shape[0] - radius_px
    if not is_whole:
        return np.zeros(shape, bool)
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    return (cols + 0.5 - col) ** 2 + (rows + 0.5 - row) ** 2 <= radius_px**2


def shrunk(mask: np.ndarray, by_px: float) -> np.ndarray:
    """Return a mask without its outer `by_px` pixels."""
    steps = round(by_px)
    return binary_erosion(mask, iterations=steps) if steps > 0 else mask


def region(frame: PhantomFrame, name: str) -> np.ndarray:
    """Return a region of a phantom frame as a mask; empty when the frame does not show it."""
    edge_px = EDGE_MM / frame.truth.spacing_mm[0]
    bolus = mask_of(frame, "bolus")
    is_at_rest = frame.truth.phase in ("oral_hold", "oral_transit")
    if name in ("airway", "anterior neck") and not is_at_rest:
        return np.zeros_like(bolus)
    if name == "airway":
        return shrunk(mask_of(frame, "pharynx") & ~bolus, edge_px)
    if name == "bolus":
        return shrunk(bolus & mask_of(frame, "pharynx"), edge_px)
    if name in ("mandible", "C4 body"):
        return shrunk(mask_of(frame, name.split()[0]), edge_px) & ~bolus
    corner, front, up = neck_axes(frame)
    if name == "anterior neck":
        centre = np.asarray(frame.truth.landmarks["hyoid"]) - BELOW_HYOID * up
    else:
        centre = corner + POINTS[name][0] * front + POINTS[name][1] * up
    return disc(bolus.shape, centre, DISC_MM / frame.truth.spacing_mm[0]) & ~bolus


def median_in(image: np.ndarray, mask: np.ndarray, *, least: int = 12) -> float:
    """Return the median grey level in a mask; NaN where it is too small or lies beyond the detector's circle (all black)."""
    values = image[mask]
    if values.size < least or np.median(values) < 1:
        return float("nan")
    return float(np.median(values))


def patient_levels(job: Job, patient: int) -> dict[str, float]:
    """Return the median grey level of each region over a patient's frames, and the texture of C4; NaN where never seen."""
    seen: dict[str, list[float]] = {name: [] for name in [*LISTED, "C4 texture SD"]}
    for frame in patient_frames(job, patient, frames=FRAMES):
        for name in LISTED:
            mask = region(frame, name)
            seen[name].append(median_in(frame.image, mask))
            if name == "C4 body" and mask.sum() > 50:
                seen["C4 texture SD"].append(float(frame.image[mask].std()))
    return {name: _median(values) for name, values in seen.items()}


def _median(values: list[float]) -> float:
    kept = [value for value in values if np.isfinite(value)]
    return float(np.median(kept)) if kept else float("nan")


def clip_levels(job: Job) -> dict[str, float]:
    """Return the same figures of the real clip."""
    assert job.real is not None
    rest = [clip_frame(job.real, index) for index in CLIP_REST]

    def level(frames: list[np.ndarray], box: tuple[int, int, int, int], figure: Callable[..., Any]) -> float:
        left, right, top, bottom = box
        return float(np.median([figure(frame[top:bottom, left:right]) for frame in frames]))

    found = {name: level(rest, box, np.median) for name, box in CLIP_BOXES.items()}
    boluses = [clip_frame(job.real, index) for index in CLIP_BOLUS]
    found["bolus"] = level(boluses, CLIP_BOLUS_BOX, np.median)
    found["C4 texture SD"] = level(rest, CLIP_BOXES["C4 body"], np.std)
    airway = [
        median_in(frame, shrunk(clip_labels(job.real, index) == 1, 5))
        for index, frame in zip(CLIP_REST, rest, strict=True)
    ]
    return found | {"airway": _median(airway)}


def measure(job: Job) -> dict[str, Any]:
    """Return the figures of this part."""
    patients = [patient_levels(job, number) for number in range(job.many(PATIENTS))]
    real = clip_levels(job) if job.real is not None else {}
    rows = {}
    for name in [*LISTED, "C4 texture SD"]:
        spread = quantiles([levels[name] for levels in patients])
        measured, listed = real.get(name), LISTED.get(name, 8.0)
        rows[name] = {
            **spread,
            "real_measured": measured,
            "real_listed": listed,
            "measured_inside": is_inside(measured, spread),
            "listed_inside": is_inside(listed, spread),
        }
    return {"patients": len(patients), "frames_per_patient": FRAMES, "rows": rows}
