"""The order of events in every swallow, and nothing that would make a clinician laugh."""

import numpy as np
import pytest

from agglo.phantom import STRUCTURES, sample_study
from agglo.phantom.frame import render_frame
from agglo.phantom.scene import scene_of

PATIENTS = [1, 2, *(pytest.param(patient, marks=pytest.mark.slow) for patient in (0, 3, 4))]
"""A swallow that keeps the airway clean and one that does not, then further ones of the latter."""


@pytest.mark.parametrize("patient", PATIENTS)
def test_the_bolus_keeps_to_its_way(patient):
    study = sample_study(12, patient)
    act = study.swallow.main
    scene = scene_of(study.person, study.swallow, study.unit, (12, patient, 0), 128)
    bolus, pharynx, trachea, epiglottis = range(4)
    for time_s in np.linspace(-0.3, act.settled_s, 9):
        frame = render_frame(scene, float(time_s))
        masks, truth, extras = frame.masks, frame.truth, frame.extras
        streak = extras["in_vestibule"] | extras["below_folds"]
        barred = masks[epiglottis] | masks[trachea] | extras["vestibule"]
        assert not (masks[bolus] & barred & ~streak).any()
        assert not (masks[bolus] & masks[epiglottis]).any()
        assert not (masks[pharynx] & (barred | streak)).any()
        assert not (streak & ~masks[bolus]).any()
        assert study.swallow.invasion is not None or truth.airway == "none"
        assert not streak.any() or truth.airway != "none"
        if max(act.gate_s, act.closed_s) <= time_s <= act.tail_gone_s:
            assert truth.is_airway_closed
            assert not extras["vestibule"].any()
        if not act.opening_s - 0.05 <= time_s <= act.tail_gone_s + 0.05:
            assert truth.ues_opening_mm == 0
        if time_s < act.tail_valley_s:
            assert truth.volume_ml == pytest.approx(act.volume_ml, rel=0.12)


def test_aspirated_contrast_is_seen_below_the_folds_and_recorded():
    study = next(
        s for s in (sample_study(14, p) for p in range(200))
        if s.swallow.airway == "aspiration" and s.unit.shoulder > 7.8
    )  # fmt: skip
    scene = scene_of(study.person, study.swallow, study.unit, (14, study.patient, 0), 192)
    frame = render_frame(scene, study.swallow.invasion.enter_s + 0.75)
    assert frame.truth.airway == frame.truth.swallow_airway == "aspiration"
    assert frame.truth.airway_timing == study.swallow.invasion.timing
    rows, _ = np.nonzero(frame.extras["below_folds"])
    fold = np.mean([frame.truth.landmarks["fold_front"], frame.truth.landmarks["fold_back"]], axis=0)
    assert rows.mean() > fold[1]
    assert "airway" in frame.truth.caption


def test_penetrated_contrast_stays_above_the_folds():
    study = next(s for s in (sample_study(14, p) for p in range(200)) if s.swallow.airway == "penetration")
    scene = scene_of(study.person, study.swallow, study.unit, (14, study.patient, 0), 128)
    seen = [
        render_frame(scene, study.swallow.invasion.enter_s + later).truth.airway for later in (-0.1, 0.3, 0.6)
    ]
    assert seen[0] == "none"
    assert "penetration" in seen[1:]
    assert "aspiration" not in seen


def test_bones_do_not_slide_in_a_swallow():
    study = sample_study(12, 1)
    scene = scene_of(study.person, study.swallow, study.unit, (12, 1, 0), 96)
    spine = slice(STRUCTURES.index("C1"), None)
    early, late = (render_frame(scene, time_s).masks[spine] for time_s in (0.0, 0.02))
    assert (early == late).all()


def test_contrast_in_the_throat_is_pharynx_too():
    study = next(s for s in (sample_study(11, p) for p in range(30)) if s.swallow.volume_ml >= 10)
    scene = scene_of(study.person, study.swallow, study.unit, (11, study.patient, 0), 160)
    frame = render_frame(scene, study.swallow.main.opening_s)
    shared = (frame.masks[0] & frame.masks[1]).sum()
    assert shared > 0.3 * frame.masks[0].sum()
    assert "pharynx" in frame.truth.caption
    assert "airway closed" in frame.truth.caption
