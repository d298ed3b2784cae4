"""What is stored of a swallow: duplicated pulses, and frames that show something else."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from agglo.phantom import STRUCTURES, render_study, sample_study
from agglo.phantom.presets import PRESETS
from agglo.phantom.recording import KINDS, Stretch, sample_unusable, shots_of

SIZE = 64


def slow_study():
    study = sample_study(3, 1)
    return replace(
        study, swallow=replace(study.swallow, pulses_per_s=7.5), unit=replace(study.unit, fps=30.0)
    )


def test_fewer_pulses_than_frames_give_duplicated_frames():
    swallow = slow_study().swallow
    stored = int((swallow.end_s - swallow.begin_s) * 30.0)
    shots = shots_of(swallow, 30.0, stored)
    assert [shot.index for shot in shots] == sorted({shot.index for shot in shots})
    assert [shot.time_s for shot in shots] == sorted(shot.time_s for shot in shots)
    duplicates = np.diff([shot.time_s for shot in shots]) == 0
    assert duplicates.mean() == pytest.approx(0.75, abs=0.03)
    assert all(0 <= swallow.begin_s + shot.index / 30.0 - shot.time_s < 1 / 7.5 for shot in shots)


def test_frames_of_one_pulse_are_the_same_picture_and_of_two_are_not():
    study = slow_study()
    stored = int((study.swallow.end_s - study.swallow.begin_s) * 30.0)
    frames = []
    for frame in render_study(study, frames=stored, size_px=SIZE):
        frames.append(frame)
        if len(frames) == 6:
            break
    for one, other in itertools.pairwise(frames):
        is_same = one.image.tobytes() == other.image.tobytes()
        assert is_same == (one.truth.time_s == other.truth.time_s)
    assert len({frame.image.tobytes() for frame in frames}) == 2


def test_more_frames_than_a_recording_holds_go_on_after_its_end():
    swallow = slow_study().swallow
    shots = shots_of(swallow, 25.0, 400)
    assert len({shot.index for shot in shots}) == 400


def partly(kind):
    part = (0.0, 0.3) if kind == "beam_off" else (0.7, 1.0)
    return replace(slow_study(), unusable=(Stretch(kind, *part),))


def ending(kind):
    return list(render_study(partly(kind), frames=6, size_px=SIZE, with_unusable=True))


@pytest.fixture(scope="module")
def usable():
    """Give the frames without anything unusable, though the recording has a stretch of it."""
    frames = list(render_study(partly("ap_view"), frames=6, size_px=SIZE))
    assert all(frame.shows == "lateral" for frame in frames)
    return frames


STATES = {  # kind: states of bolus, trachea and of all else
    "beam_off": ({"not_assessable"}, {"not_assessable"}, {"not_assessable"}),
    "ap_view": ({"not_assessable"}, {"not_assessable"}, {"not_assessable"}),
    "oesophagus_view": ({"present", "absent"}, {"not_assessable"}, {"absent"}),
}


@pytest.mark.parametrize("kind", STATES)
def test_unusable_frames_say_so_and_claim_nothing(kind, usable):
    frames = ending(kind)
    shown = [frame for frame in frames if frame.shows != "lateral"]
    assert len(shown) == 2
    first = 0 if kind == "beam_off" else 4
    assert [frame.shows == kind for frame in frames] == [first <= n < first + 2 for n in range(6)]
    for number, frame in enumerate(shown, start=first):
        assert frame.shows == kind
        bolus, trachea = (frame.states[STRUCTURES.index(name)] for name in ("bolus", "trachea"))
        others = set(frame.states) - ({bolus, trachea} if kind == "oesophagus_view" else set())
        allowed = STATES[kind]
        assert bolus in allowed[0]
        assert trachea in allowed[1]
        assert others <= allowed[2]
        for state, mask in zip(frame.states, frame.masks, strict=True):
            assert mask.any() == (state == "present")
        assert not frame.truth.landmarks
        assert not np.array_equal(frame.image, usable[number].image)
    if kind == "beam_off":
        assert shown[0].image[SIZE // 4 : -SIZE // 4].max() < 12


def test_a_held_image_keeps_picture_labels_and_time(usable):
    frames = ending("last_image_held")
    held = [frame for frame in frames if frame.shows == "last_image_held"]
    assert len(held) == 2
    assert held[0].image.tobytes() == held[1].image.tobytes() == usable[4].image.tobytes()
    assert held[1].truth.time_s == held[0].truth.time_s < usable[5].truth.time_s
    assert held[1].states == usable[4].states
    assert held[0].index < held[1].index


def test_hard_has_more_unusable_frames_and_every_kind_occurs():
    counts = {}
    for name in ("standard", "hard"):
        drawn = [sample_unusable(1, patient, 0, PRESETS[name]) for patient in range(300)]
        counts[name] = sum(len(parts) for parts in drawn)
        assert {part.kind for parts in drawn for part in parts} == set(KINDS) - {"lateral"}
    assert counts["hard"] > 2 * counts["standard"] > 0
