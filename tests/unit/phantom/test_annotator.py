"""Three kinds of mask: exact, visible, and as a person might draw it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from agglo.phantom import STRUCTURES, render_study, sample_study
from agglo.phantom.annotator import masks_as, redrawn

C7 = STRUCTURES.index("C7")


@pytest.fixture(scope="module")
def frame():
    return next(render_study(sample_study(9, 1), frames=3, size_px=256))


def edge_distance(one, other):
    """Return the distances from the edge of one mask to that of another, in pixels."""

    def edge(mask):
        return mask & (distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] <= 1)

    return distance_transform_edt(~edge(other))[edge(one)]


@pytest.mark.parametrize("name", ["pharynx", "mandible", "C3", "C5", "trachea"])
def test_an_annotator_errs_by_one_to_two_pixels(frame, name):
    exact = frame.masks[STRUCTURES.index(name)]
    means = [edge_distance(redrawn(exact, ("a", n)), exact).mean() for n in range(6)]
    assert 0.7 <= np.mean(means) <= 2.0
    assert max(edge_distance(redrawn(exact, ("a", 0)), exact)) <= 7


def half_planes(size=96):
    """Return masks that fill the half of a picture at each of its borders."""
    lower = np.zeros((size, size), bool)
    lower[size // 2 :] = True
    return [np.rot90(lower, turns).copy() for turns in range(4)]


def test_the_border_of_a_picture_is_no_edge():
    for mask in half_planes():
        inner = mask & (distance_transform_edt(mask) > 7)
        assert inner[[0, -1]].any() or inner[:, [0, -1]].any()
        for number in range(4):
            drawn = redrawn(mask, ("border", number))
            assert drawn[inner].all()
            assert (drawn != mask).any()
    whole = np.ones((32, 32), bool)
    assert redrawn(whole, ("whole",)).all()


def test_an_annotator_errs_smoothly(frame):
    exact = frame.masks[STRUCTURES.index("mandible")]
    drawn = redrawn(exact, ("b",))
    perimeter = [
        (mask ^ np.roll(mask, 1, 0)).sum() + (mask ^ np.roll(mask, 1, 1)).sum() for mask in (drawn, exact)
    ]
    assert perimeter[0] < 1.25 * perimeter[1]


def test_a_hidden_c7_is_left_out_and_any_other_is_not(frame):
    shares = list(frame.truth.visible_fraction)
    shares[C7] = 0.29
    hidden = replace(frame, truth=replace(frame.truth, visible_fraction=tuple(shares)))
    masks, states = masks_as(hidden, "annotator", ("k",))
    assert states[C7] == "not_assessable"
    assert not masks[C7].any()
    shares[C7] = 0.31
    seen = replace(frame, truth=replace(frame.truth, visible_fraction=tuple(shares)))
    masks, states = masks_as(seen, "annotator", ("k",))
    assert states[C7] == frame.states[C7] == "present"
    assert masks[C7].any()


def test_the_visible_part_is_a_part_and_its_share_is_the_fraction(frame):
    masks, states = masks_as(frame, "visible", ("k",))
    assert not (masks & ~frame.masks).any()
    assert masks.sum() < frame.masks.sum()
    assert masks.any()
    for name in ("bolus", "pharynx", "trachea"):
        at = STRUCTURES.index(name)
        if frame.states[at] == "present":
            share = masks[at].sum() / frame.masks[at].sum()
            assert share == pytest.approx(frame.truth.visible_fraction[at], abs=1e-3)
    for state, mask in zip(states, masks, strict=True):
        assert mask.any() == (state == "present") or state == "not_assessable"


def test_exact_masks_are_those_of_the_frame(frame):
    masks, states = masks_as(frame, "exact", ("k",))
    assert masks is frame.masks
    assert states == frame.states


def test_contrast_to_noise_is_high_for_a_bolus_and_nought_outside_the_field(frame):
    ratios = dict(zip(STRUCTURES, frame.contrast_to_noise, strict=True))
    assert ratios["bolus"] > ratios["C4"] > 0
    assert len(frame.contrast_to_noise) == len(STRUCTURES)
