"""Who is imaged: one synthetic patient as a handful of numbers, drawn once from a seed and a patient number.

Sizes are multiples of an adult man's; the outlines that they scale are in `spine`, `head` and `throat`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from agglo.core.seeds import generator
from agglo.phantom.presets import Preset, Range

Airway = Literal["none", "penetration", "aspiration"]


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
        is_weak: swallows poorly (less excursion, poor constriction, more residue).
        inversion: how far the leaf tilts, 1 = all the way.
        airway: how deep contrast gets into the airway when this patient swallows; is_silent: aspirates without a cough.
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
    is_weak: bool
    inversion: float
    airway: Airway
    is_silent: bool


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


def _airway(preset: Preset, draw: float) -> Airway:
    none, penetration, _ = preset.airway_mix
    if draw < none:
        return "none"
    return "penetration" if draw < none + penetration else "aspiration"


def sample_person(seed: int, patient: int, preset: Preset) -> Person:
    """Return patient number `patient` of `seed`: the same one for every swallow."""
    random = generator(seed, "phantom person", patient)
    is_female = bool(random.random() < 0.5)
    age = int(random.integers(22, 89))
    wear = smooth_wear(age)
    size = _clipped_normal(random, 0.90 if is_female else 1.0, 0.035, (0.82, 1.08))
    discs = tuple(
        _clipped_normal(random, 5.2 - (3.0 if index in (3, 4) else 1.0) * wear, 0.5, (1.2, 6.0))
        for index in range(6)
    )
    airway = _airway(preset, random.random())
    is_weak = bool(random.random() < (preset.weak_probability if airway == "none" else 0.8))
    is_incomplete = random.random() < (0.55 if is_weak else 0.14)
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
        lumen=float(np.exp(_clipped_normal(random, 0.0, 0.3, (-0.75, 0.75)))),
        gonial_deg=_clipped_normal(random, 122.0, 4.0, (115.0, 131.0)),
        jaw_mm=_clipped_normal(random, 73.0, 3.0, (66.0, 80.0)),
        teeth=_teeth(random, preset),
        calcified=bool(age > 50 and random.random() < 0.5),
        leaf_mm=_clipped_normal(random, 35.0, 2.0, (30.0, 40.0)),
        leaf_thickness_mm=_clipped_normal(random, 3.1, 0.4, (2.4, 4.0)),
        is_weak=is_weak,
        inversion=uniform(random, (0.55, 0.8)) if is_incomplete else 1.0,
        airway=airway,
        is_silent=bool(airway == "aspiration" and random.random() < preset.silent_share),
    )


def room_in_front(person: Person) -> float:
    """Return how much farther to the front than usual a wide throat has its tongue base, hyoid and larynx, mm."""
    return float(np.clip(9.0 * (person.lumen - 1.0), -5.0, 8.0)) * person.size


def smooth_wear(age_years: int) -> float:
    """Return how much a spine of this age is worn, 0 at 30 years to 1 at 85."""
    return float(np.clip((age_years - 30) / 55, 0, 1))
