"""Who is imaged: one synthetic patient as a handful of numbers, drawn once from a seed and a patient number.

Sizes are multiples of an adult man's; the outlines that they scale are in `spine`, `head` and `throat`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from agglo.core.seeds import generator
from agglo.phantom.presets import Preset, Range


@dataclass(frozen=True)
class Person:
    """Build and posture of one patient (mm, cm and degrees as named).

    Attributes:
        size: of everything, a man's mean = 1.
        body_scale: of each vertebral body C2..T1, height and depth, around 1.
        disc_mm: heights of the discs C2-3..C7-T1.
        lordosis_deg: from C2 to C7; lean_deg: forward lean of the neck at C4.
        neck_cm, jaw_cm, skull_cm: widths along the beam.
        calcified: larynx cartilage shows.
    """

    sex: Literal["female", "male"]
    age_years: int
    size: float
    body_scale: tuple[tuple[float, float], ...]
    disc_mm: tuple[float, ...]
    lordosis_deg: float
    lean_deg: float
    neck_cm: float
    jaw_cm: float
    skull_cm: float
    neck_depth: float
    lumen: float
    gonial_deg: float
    jaw_mm: float
    teeth: Literal["natural", "filled", "none"]
    calcified: bool
    leaf_mm: float
    leaf_thickness_mm: float


def uniform(random: np.random.Generator, bounds: Range) -> float:
    """Return one number between two bounds."""
    return float(random.uniform(*bounds))


def _clipped_normal(random: np.random.Generator, mean: float, deviation: float, bounds: Range) -> float:
    return float(np.clip(random.normal(mean, deviation), *bounds))


def _teeth(random: np.random.Generator, preset: Preset) -> Literal["natural", "filled", "none"]:
    draw = random.random()
    if draw < preset.edentulous_probability:
        return "none"
    return "filled" if draw < preset.edentulous_probability + preset.fillings_probability else "natural"


def sample_person(seed: int, patient: int, preset: Preset) -> Person:
    """Return patient number `patient` of `seed`: the same one for every swallow."""
    random = generator(seed, "phantom person", patient)
    is_female = bool(random.random() < 0.5)
    age = int(random.integers(22, 89))
    wear = smooth_wear(age)
    size = _clipped_normal(random, 0.90 if is_female else 1.0, 0.035, (0.82, 1.08))
    discs = tuple(
        _clipped_normal(random, 5.2 - (1.8 if index in (3, 4) else 0.8) * wear, 0.5, (2.0, 6.0))
        for index in range(6)
    )
    return Person(
        sex="female" if is_female else "male",
        age_years=age,
        size=size,
        body_scale=tuple(
            (_clipped_normal(random, 1.0, 0.04, (0.9, 1.1)), _clipped_normal(random, 1.0, 0.05, (0.88, 1.12)))
            for _ in range(7)
        ),
        disc_mm=discs,
        lordosis_deg=_clipped_normal(random, 9.0, 11.0, (-14.0, 34.0)),
        lean_deg=_clipped_normal(random, 12.0, 5.0, (2.0, 22.0)),
        neck_cm=_clipped_normal(random, 10.6 if is_female else 11.8, 0.6, (9.6, 13.2)),
        jaw_cm=_clipped_normal(random, 10.4, 0.5, (9.5, 11.6)),
        skull_cm=_clipped_normal(random, 14.3, 0.5, (13.4, 15.5)),
        neck_depth=_clipped_normal(random, 1.0, 0.07, (0.86, 1.15)),
        lumen=_clipped_normal(random, 1.0, 0.15, (0.72, 1.35)),
        gonial_deg=_clipped_normal(random, 122.0, 4.0, (115.0, 131.0)),
        jaw_mm=_clipped_normal(random, 73.0, 3.0, (66.0, 80.0)),
        teeth=_teeth(random, preset),
        calcified=bool(age > 50 and random.random() < 0.5),
        leaf_mm=_clipped_normal(random, 35.0, 2.0, (30.0, 40.0)),
        leaf_thickness_mm=_clipped_normal(random, 3.1, 0.4, (2.4, 4.0)),
    )


def smooth_wear(age_years: int) -> float:
    """Return how much a spine of this age is worn, 0 at 30 years to 1 at 85."""
    return float(np.clip((age_years - 30) / 55, 0, 1))
