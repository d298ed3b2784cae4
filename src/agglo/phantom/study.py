"""A study: one swallow of one patient before one fluoroscopy unit, drawn from a seed and rendered frame by frame.

`sample_study` fixes every number; `render_study` is then a pure function of the study, so frames may be made in any order and by
any process. Files and datasets are written elsewhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from agglo.core.errors import DataError
from agglo.phantom.frame import PhantomFrame, render_frame
from agglo.phantom.person import Person, sample_person
from agglo.phantom.presets import preset_named
from agglo.phantom.recording import LATERAL, Shot, Stretch, sample_unusable, shots_of
from agglo.phantom.sampling import sample_swallow
from agglo.phantom.scene import Scene, scene_of
from agglo.phantom.structures import ABSENT, NOT_ASSESSABLE, PRESENT, STRUCTURES
from agglo.phantom.swallow import Swallow
from agglo.phantom.unit import Unit, sample_unit
from agglo.phantom.views import no_beam, other_view

SMALLEST_PX = 64


@dataclass(frozen=True)
class Study:
    """One swallow, fully determined.

    Attributes:
        seed, patient, swallow_number, preset: what it was drawn from.
        person: the patient's build, the same in every swallow.
        swallow: what moves when, and what is swallowed.
        unit: field, exposure, pose.
        unusable: stretches of the recording that show something else.
    """

    seed: int
    patient: int
    swallow_number: int
    preset: str
    person: Person
    swallow: Swallow
    unit: Unit
    unusable: tuple[Stretch, ...]


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
        swallow=sample_swallow(seed, patient, swallow, person, ranges),
        unit=sample_unit(seed, patient, swallow, person, ranges),
        unusable=sample_unusable(seed, patient, swallow, ranges),
    )


def render_study(
    study: Study, *, frames: int, size_px: int, with_unusable: bool = False
) -> Iterator[PhantomFrame]:
    """Render `frames` frames, evenly spaced from oral hold to rest (a single one shows the onset of the burst).

    Args:
        study: what to render.
        frames: how many, at least 1; frames that show the same X-ray pulse are the same picture.
        size_px: side of the square pictures, at least 64.
        with_unusable: let the recording have its unusable stretches, see `recording.KINDS`; else it is lateral throughout.

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
    unusable = study.unusable if with_unusable else ()
    for shot in shots_of(study.swallow, study.unit.fps, frames, unusable):
        yield _shown(scene, shot)


def _shown(scene: Scene, shot: Shot) -> PhantomFrame:
    """Return the frame that was stored for a shot; a held image keeps its picture and its labels."""
    frame = replace(render_frame(scene, shot.time_s), index=shot.index, shows=shot.shows)
    if shot.shows == LATERAL:
        return frame
    if shot.shows == "last_image_held":
        return replace(frame, truth=replace(frame.truth, caption=f"last image held, {frame.truth.caption}"))
    nothing = np.zeros_like(frame.masks)
    zeros = (0.0,) * len(STRUCTURES)
    if shot.shows == "beam_off":
        image, contrast, words = no_beam(scene, shot.index), nothing[0], "no picture, the beam is off"
    else:
        image, contrast = other_view(scene, shot.shows, shot.index)
        words = VIEW_WORDS[shot.shows]
    has_contrast = shot.shows == "oesophagus_view" and bool(contrast.any())
    masks = nothing.copy()
    if has_contrast:
        masks[0] = contrast
    share = (float(has_contrast), *zeros[1:])
    return replace(
        frame,
        image=image,
        masks=masks,
        visible_masks=masks,
        extras=dict.fromkeys(frame.extras, nothing[0]),
        states=_states_elsewhere(shot.shows, has_contrast),
        contrast_to_noise=zeros,
        truth=replace(frame.truth, caption=words, landmarks={}, visible_fraction=share),
    )


VIEW_WORDS = {
    "ap_view": "anteroposterior view of the neck, contrast in the pyriform sinuses",
    "oesophagus_view": "lateral view of the chest, contrast in the oesophagus",
}


def _states_elsewhere(shows: str, has_contrast: bool) -> tuple[str, ...]:
    """Return the states of a frame that is no lateral view of the neck.

    Without a picture nothing can be told, and from the front the labels mean nothing. In the chest the trachea cannot be told by
    its definition (it begins at the folds); all else of the neck is not in the picture.
    """
    if shows != "oesophagus_view":
        return (NOT_ASSESSABLE,) * len(STRUCTURES)
    known = {"bolus": PRESENT if has_contrast else ABSENT, "trachea": NOT_ASSESSABLE}
    return tuple(known.get(name, ABSENT) for name in STRUCTURES)
