"""Where things lie with respect to each other, and how bright they are."""

import numpy as np
import pytest

from agglo.phantom import STRUCTURES, render_study, sample_study
from agglo.phantom.frame import render_frame
from agglo.phantom.person import sample_person
from agglo.phantom.presets import PRESETS
from agglo.phantom.scene import scene_of
from agglo.phantom.spine import vertebrae_of

SPINE = [f"C{level}" for level in range(1, 8)]


@pytest.fixture(scope="module")
def at_rest():
    """Give six patients' studies with their first frame, the bolus still in the mouth."""
    studies = [sample_study(21, patient) for patient in range(6)]
    return [(study, next(render_study(study, frames=8, size_px=128))) for study in studies]


def middle(frame, name):
    rows, cols = np.nonzero(frame.masks[STRUCTURES.index(name)])
    return np.array([cols.mean(), rows.mean()])


@pytest.mark.parametrize("patient", range(6))
def test_levels_follow_each_other_and_the_airway_lies_in_front(patient, at_rest):
    study, frame = at_rest[patient]
    seen = [name for name in SPINE if frame.states[STRUCTURES.index(name)] == "present"]
    assert len(seen) >= 6
    rows = [middle(frame, name)[1] for name in seen]
    assert rows == sorted(rows)
    front = study.unit.facing
    assert (middle(frame, "trachea") - middle(frame, "C6"))[0] * front > 0
    assert (middle(frame, "mandible") - middle(frame, "C3"))[0] * front > 0
    assert (middle(frame, "epiglottis") - middle(frame, "C4"))[0] * front > 0
    landmarks = frame.truth.landmarks
    assert (landmarks["hyoid"][0] - landmarks["C4"][0]) * front > 0
    assert (landmarks["fold_front"][0] - landmarks["fold_back"][0]) * front > 0
    assert frame.truth.facing == ("right" if front > 0 else "left")
    c2_c4_mm = np.hypot(*np.subtract(landmarks["C2"], landmarks["C4"])) * frame.truth.spacing_mm[0]
    assert 26 <= c2_c4_mm <= 44


def test_oesophagus_lies_between_trachea_and_spine():
    study = next(s for s in (sample_study(21, p) for p in range(20)) if s.unit.shoulder > 7.6)
    scene = scene_of(study.person, study.swallow, study.unit, (21, study.patient, 0), 128)
    frame = render_frame(scene, study.swallow.main.tail_gone_s + 0.01)
    assert frame.truth.phase == "oesophageal"
    front = study.unit.facing
    assert middle(frame, "bolus")[0] * front < middle(frame, "trachea")[0] * front
    assert middle(frame, "bolus")[0] * front > middle(frame, "C6")[0] * front


def test_vertebrae_have_the_proportions_of_a_neck():
    people = [sample_person(1, patient, PRESETS["standard"]) for patient in range(60)]
    bones = np.array([[(b.height, b.depth) for b in vertebrae_of(person)[1:6]] for person in people])
    height, depth = bones.mean(0).T
    assert (depth > height).all()
    assert np.argmin(height) in (2, 3)
    assert np.argmin(depth) == 0
    assert np.argmax(depth) == 4
    women = np.mean([person.size for person in people if person.sex == "female"])
    men = np.mean([person.size for person in people if person.sex == "male"])
    assert 0.84 <= women / men <= 0.95


def test_grey_levels_are_ordered_as_in_fluoroscopy(at_rest):
    samples = {name: [] for name in ("air", "airway", "C4", "bolus")}
    for _, frame in at_rest:
        eroded = frame.masks & np.roll(frame.masks, 1, 1) & np.roll(frame.masks, 1, 2)
        samples["airway"].append(np.median(frame.image[frame.extras["vestibule"]]))
        samples["C4"].append(np.median(frame.image[eroded[STRUCTURES.index("C4")]]))
        samples["bolus"].append(np.median(frame.image[eroded[0]]))
        samples["air"].append(frame.image.max())
    air, airway, bone, bolus = (np.mean(samples[name]) for name in ("air", "airway", "C4", "bolus"))
    assert 235 <= air <= 255
    assert 130 <= airway <= 225
    assert 30 <= bone <= 95
    assert bolus < 0.7 * bone


def test_states_say_what_is_not_there():
    study = sample_study(21, 0)
    frames = list(render_study(study, frames=6, size_px=64))
    for frame in frames:
        for state, mask in zip(frame.states, frame.masks, strict=True):
            assert state in ("present", "absent", "not_assessable")
            assert (state == "absent") == (not mask.any())
    assert frames[0].states[0] == "present"
    upright = [frame for frame in frames if frame.truth.leaf < 0.2]
    assert all(frame.states[3] == "present" for frame in upright)
