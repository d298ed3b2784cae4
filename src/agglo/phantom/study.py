"""A study: one swallow of one patient before one fluoroscopy unit, drawn from a seed and rendered frame by frame.

`sample_study` fixes every number; `render_study` is then a pure function of the study, so frames may be made in any order and by
any process. Files and datasets are written elsewhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from agglo.core.errors import DataError
from agglo.phantom.frame import PhantomFrame, render_frame
from agglo.phantom.person import Person, sample_person
from agglo.phantom.presets import preset_named
from agglo.phantom.scene import scene_of
from agglo.phantom.swallow import Swallow, pulse_times, sample_swallow
from agglo.phantom.unit import Unit, sample_unit

SMALLEST_PX = 64


@dataclass(frozen=True)
class Study:
    """One swallow, fully determined.

    Attributes:
        seed, patient, swallow_number, preset: what it was drawn from.
        person: the patient's build, the same in every swallow.
        swallow: what moves when, and what is swallowed.
        unit: field, exposure, pose.
    """

    seed: int
    patient: int
    swallow_number: int
    preset: str
    person: Person
    swallow: Swallow
    unit: Unit


def sample_study(seed: int, patient: int, preset: str = "standard", *, swallow: int = 0) -> Study:
    """Draw swallow number `swallow` of patient number `patient`; all of them non-negative.

    Raises:
        ConfigError: when there is no such preset.
        DataError: when a number is negative.
    """
    wrong = [
        f"{name} = {value}"
        for name, value in (("seed", seed), ("patient", patient), ("swallow", swallow))
        if value < 0
    ]
    if wrong:
        raise DataError(
            f"seed, patient and swallow of a phantom study must be 0 or more, got {', '.join(wrong)}; choose others."
        )
    ranges = preset_named(preset)
    person = sample_person(seed, patient, ranges)
    return Study(
        seed=seed,
        patient=patient,
        swallow_number=swallow,
        preset=preset,
        person=person,
        swallow=sample_swallow(seed, patient, swallow, person.size, ranges),
        unit=sample_unit(seed, patient, swallow, person, ranges),
    )


def render_study(study: Study, *, frames: int, size_px: int) -> Iterator[PhantomFrame]:
    """Render `frames` frames, evenly spaced from oral hold to rest (a single one shows the onset of the burst).

    Args:
        study: what to render.
        frames: how many, at least 1; frames that fall on the same X-ray pulse are the same picture.
        size_px: side of the square pictures, at least 64.

    Raises:
        DataError: when a number is too small.
    """
    if frames < 1 or size_px < SMALLEST_PX:
        raise DataError(
            f"a phantom study must be rendered with frames >= 1 and size_px >= {SMALLEST_PX}, "
            f"got frames = {frames} and size_px = {size_px}; ask for more."
        )
    key = (study.seed, study.patient, study.swallow_number)
    scene = scene_of(study.person, study.swallow, study.unit, key, size_px)
    for time_s in pulse_times(study.swallow, frames):
        yield render_frame(scene, float(time_s))
