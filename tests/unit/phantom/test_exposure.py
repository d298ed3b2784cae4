"""What moves shows in the light: the recursive filter, the automatic brightness, and what is taken away from the mouth."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from agglo.phantom import STRUCTURES, sample_study
from agglo.phantom.distractors import DRAWN, HELD
from agglo.phantom.exposure import lag_weights
from agglo.phantom.frame import render_frame
from agglo.phantom.presets import DEVICES, UTENSILS
from agglo.phantom.scene import scene_of

SIZE = 96
BOLUS = STRUCTURES.index("bolus")


WIDE = (80.0,) * 4


@pytest.fixture(scope="module")
def bare():
    return render_frame(scene(margins_mm=WIDE), -0.5)


def scene(*, lag=0.0, **unit):
    study = sample_study(11, 2)
    plain = {"devices": (), "utensils": (), "text": "", "shrug_mm": 0.0, "sway_mm": (0.0, 0.0), "drift": 0.0}
    beam = replace(study.unit.beam, lag=lag, noise_grey=0.0, codec_quality=95)
    changed = replace(study.unit, **(plain | unit), beam=beam)
    swallow = replace(study.swallow, pulses_per_s=15.0)
    return scene_of(study.person, swallow, changed, (11, 2, 0), SIZE)


@pytest.mark.parametrize("lag", [0.0, 0.1, 0.3, 0.5])
def test_lag_weights_are_those_of_a_recursive_filter(lag):
    weights = lag_weights(lag)
    assert sum(weights) == pytest.approx(1.0)
    assert weights[0] == pytest.approx(1 - lag, abs=0.14)
    assert all(late <= early for early, late in itertools.pairwise(weights))
    assert (len(weights) > 1) == (lag > 0.12)


def test_with_lag_a_bolus_still_shows_where_it_was():
    sharp, lagging = scene(), scene(lag=0.45)
    time_s = sharp.swallow.begin_s + 18 / 15.0
    now, before = (render_frame(sharp, t) for t in (time_s, time_s - 1 / 15.0))
    left = before.masks[BOLUS] & ~now.masks[BOLUS] & (sharp.field > 0.99)
    assert left.sum() > 5
    trail = render_frame(lagging, time_s)
    assert trail.image[left].mean() < now.image[left].mean() - 3
    assert trail.masks.tobytes() == now.masks.tobytes()


def test_without_lag_and_drift_only_what_moves_changes():
    still = scene()
    first, later = (render_frame(still, still.swallow.begin_s + t) for t in (0.0, 0.2))
    assert np.abs(first.image.astype(int) - later.image)[SIZE // 2 :, : SIZE // 8].max() <= 2


def test_brightness_follows_a_shoulder_that_rises_and_sinks():
    study = sample_study(11, 2)
    raised = scene(drift=0.8, shrug_mm=45.0, shrug_share=0.5)
    swallow = study.swallow
    length = swallow.end_s - swallow.begin_s
    gains = [raised.brightness.at(swallow.begin_s + share * length) for share in (0.0, 0.6, 1.0)]
    assert gains[0] == pytest.approx(1.0)
    assert gains[1] > gains[2]
    assert gains[1] > 1.01
    assert raised.raised_cm.max() > 5


def test_brightness_follows_the_bolus_and_without_drift_it_does_not():
    assert set(scene().brightness.gains.tolist()) == {1.0}
    drifting = scene(drift=0.8)
    assert drifting.brightness.gains.max() - drifting.brightness.gains.min() > 0.005


@pytest.mark.parametrize("device", DRAWN)
def test_each_device_darkens_some_of_the_picture_and_is_named(device, bare):
    there = render_frame(scene(devices=(device,), margins_mm=WIDE), -0.5)
    darker = bare.image.astype(int) - there.image
    assert (darker > 15).sum() >= 3
    assert (darker > 15).mean() < 0.1
    assert device in there.truth.caption
    assert device not in bare.truth.caption
    assert there.masks.tobytes() == bare.masks.tobytes()


def at_both_ends(**unit):
    """Return frames before the swallow and long after it."""
    shown = scene(margins_mm=WIDE, **unit)
    return [render_frame(shown, shown.swallow.begin_s + later) for later in (0.0, 2.2)]


@pytest.fixture(scope="module")
def empty_handed():
    return at_both_ends()


@pytest.mark.parametrize("utensil", HELD)
def test_utensils_are_at_the_mouth_before_the_swallow_and_gone_after(utensil, empty_handed):
    held = at_both_ends(utensils=(utensil,))
    change = [
        int((np.abs(without.image.astype(int) - there.image) > 12).sum())
        for without, there in zip(empty_handed, held, strict=True)
    ]
    assert change[0] > 10
    assert change[1] == 0
    assert utensil in held[0].truth.caption
    assert utensil not in held[1].truth.caption


def test_presets_name_only_what_can_be_drawn():
    assert {name for name, _ in DEVICES} == set(DRAWN)
    assert {name for name, _ in UTENSILS} == set(HELD)
