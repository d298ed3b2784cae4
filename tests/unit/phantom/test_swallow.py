"""The order of events in every swallow, and nothing that would make a clinician laugh."""

import numpy as np
import pytest

from agglo.phantom import STRUCTURES, sample_study
from agglo.phantom.frame import render_frame
from agglo.phantom.scene import scene_of
from agglo.phantom.swallow import motion_at, phase_at

SWALLOWS = [sample_study(11, patient) for patient in range(30)]


def onset(times, values, threshold):
    """The first time at which a curve is over a share of its maximum."""
    values = np.asarray(values)
    return times[int(np.argmax(values >= threshold * values.max()))]


@pytest.mark.parametrize("study", SWALLOWS[:12], ids=lambda study: f"patient {study.patient}")
def test_events_come_in_order(study):
    swallow = study.swallow
    times = np.arange(swallow.begin_s, swallow.end_s, 0.01)
    motions = [motion_at(swallow, float(time)) for time in times]
    hyoid = [motion.hyoid_mm[1] for motion in motions]
    larynx = [motion.larynx_mm[1] for motion in motions]
    assert 0 <= onset(times, larynx, 0.5) - onset(times, hyoid, 0.5) <= 0.11
    assert onset(times, [m.leaf for m in motions], 0.45) >= onset(times, hyoid, 0.1)
    closed = times[[motion.closure > 0.96 for motion in motions]]
    assert 0.08 <= closed.min() <= 0.3
    assert 0.3 <= closed.max() - closed.min() <= 1.1
    assert closed.min() < swallow.gate_s < swallow.opening_s < swallow.tail_gone_s < closed.max()
    assert motions[-1].larynx_mm == (0.0, 0.0)
    assert motions[-1].leaf == 0.0
    phases = list(dict.fromkeys(phase_at(swallow, float(time)) for time in times))
    assert phases == ["oral_hold", "oral_transit", "pharyngeal", "oesophageal", "rest"]


def test_a_third_or_so_invert_incompletely_and_ranges_are_kept():
    swallows = [study.swallow for study in SWALLOWS]
    assert 0 < sum(swallow.inversion < 1 for swallow in swallows) < 15
    assert all(0.2 <= swallow.peak_s <= 0.45 for swallow in swallows)
    assert all(0.35 <= swallow.tail_gone_s - swallow.opening_s <= 0.6 for swallow in swallows)


@pytest.mark.parametrize("patient", range(5))
def test_the_bolus_keeps_to_its_way(patient):
    study = sample_study(12, patient)
    swallow = study.swallow
    scene = scene_of(study.person, swallow, study.unit, (12, patient, 0), 128)
    bolus, pharynx, trachea, epiglottis = range(4)
    for time_s in np.linspace(-0.3, swallow.settled_s, 9):
        frame = render_frame(scene, float(time_s))
        masks, truth = frame.masks, frame.truth
        barred = masks[epiglottis] | masks[trachea] | frame.extras["vestibule"]
        assert not (masks[bolus] & barred).any()
        assert not (masks[pharynx] & barred).any()
        if swallow.gate_s <= time_s <= swallow.tail_gone_s:
            assert truth.is_airway_closed
            assert not frame.extras["vestibule"].any()
        if not swallow.opening_s - 0.05 <= time_s <= swallow.tail_gone_s + 0.05:
            assert truth.ues_opening_mm == 0
        if time_s < swallow.tail_valley_s:
            assert truth.volume_ml == pytest.approx(swallow.volume_ml, rel=0.25)


def test_bones_do_not_slide_in_a_swallow():
    study = sample_study(12, 1)
    scene = scene_of(study.person, study.swallow, study.unit, (12, 1, 0), 96)
    spine = slice(STRUCTURES.index("C1"), None)
    early, late = (render_frame(scene, time_s).masks[spine] for time_s in (0.0, 0.02))
    assert (early == late).all()


def test_contrast_in_the_throat_is_pharynx_too():
    study = next(s for s in SWALLOWS if s.swallow.volume_ml >= 10)
    scene = scene_of(study.person, study.swallow, study.unit, (11, study.patient, 0), 160)
    frame = render_frame(scene, study.swallow.opening_s)
    shared = (frame.masks[0] & frame.masks[1]).sum()
    assert shared > 0.3 * frame.masks[0].sum()
    assert "pharynx" in frame.truth.caption
    assert "airway closed" in frame.truth.caption
