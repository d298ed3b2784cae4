"""A study is a pure function of its numbers, and its frames are whole."""

import numpy as np
import pytest

from agglo.core.errors import ConfigError, DataError
from agglo.phantom import EXTRAS, GROUPS, STRUCTURES, preset_hash, render_study, sample_study
from agglo.phantom.frame import render_frame
from agglo.phantom.scene import scene_of

SIZE = 64


def test_structures_are_the_twelve_in_order():
    assert STRUCTURES == (
        "bolus", "pharynx", "trachea", "epiglottis", "mandible", "C1", "C2", "C3", "C4", "C5", "C6", "C7"
    )  # fmt: skip
    assert GROUPS["moving"] + GROUPS["static"] == STRUCTURES


PINNED = {"standard": "a10ee2a1f214a07e", "hard": "69c86bf9c2cc6414", "test-v1": "194899b62548331f"}


@pytest.mark.parametrize("name", PINNED)
def test_presets_are_frozen(name):
    assert preset_hash(name) == PINNED[name]


def test_frames_have_their_shapes_and_times():
    frames = list(render_study(sample_study(3, 1), frames=6, size_px=SIZE))
    assert len(frames) == 6
    for frame in frames:
        assert frame.image.shape == (SIZE, SIZE)
        assert frame.image.dtype == np.uint8
        assert frame.masks.shape == (12, SIZE, SIZE)
        assert set(frame.extras) == set(EXTRAS)
        assert len(frame.states) == len(frame.truth.visible_fraction) == 12
        assert all(0 <= share <= 1 for share in frame.truth.visible_fraction)
        assert frame.truth.caption.startswith("lateral videofluoroscopic swallow study, patient facing ")
    times = [frame.truth.time_s for frame in frames]
    assert times == sorted(times)
    assert len({frame.truth.phase for frame in frames}) >= 3
    assert frames[0].index == 0


def test_the_same_seed_gives_the_same_bytes_in_any_order():
    study = sample_study(5, 2)
    assert study == sample_study(5, 2)
    first = list(render_study(study, frames=3, size_px=SIZE))
    again = list(render_study(sample_study(5, 2), frames=3, size_px=SIZE))
    scene = scene_of(study.person, study.swallow, study.unit, (5, 2, 0), SIZE)
    backwards = [render_frame(scene, frame.truth.time_s) for frame in reversed(first)][::-1]
    for one, two, three in zip(first, again, backwards, strict=True):
        assert one.image.tobytes() == two.image.tobytes() == three.image.tobytes()
        assert one.masks.tobytes() == two.masks.tobytes() == three.masks.tobytes()
        assert one.truth == two.truth


def test_seed_patient_and_swallow_each_matter():
    base = sample_study(5, 2)
    assert sample_study(6, 2).person != base.person
    assert sample_study(5, 3).person != base.person
    other = sample_study(5, 2, swallow=1)
    assert other.person == base.person
    assert other.unit.facing == base.unit.facing
    assert other.swallow != base.swallow


def test_patients_face_both_ways():
    assert {sample_study(1, patient).unit.facing for patient in range(12)} == {1, -1}


WRONG = {
    "no frames": (
        lambda: list(render_study(sample_study(1, 0), frames=0, size_px=64)),
        DataError,
        "frames = 0",
    ),
    "tiny": (
        lambda: list(render_study(sample_study(1, 0), frames=1, size_px=8)),
        DataError,
        "size_px >= 64, got",
    ),
    "negative": (lambda: sample_study(-1, -2), DataError, "got seed = -1, patient = -2"),
    "preset": (
        lambda: sample_study(1, 0, "easy"),
        ConfigError,
        "must be one of ['hard', 'standard'], got 'easy'",
    ),
}


@pytest.mark.parametrize(("call", "error", "text"), WRONG.values(), ids=WRONG)
def test_wrong_requests_are_named(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert text in str(caught.value)
