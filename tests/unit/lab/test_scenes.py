"""Scenes: the same for the same seed, exactly outlined, and free of the swallowing anatomy."""

import numpy as np
import pytest

from agglo.lab.prompts import coverage, jittered, tight_boxes, turned
from agglo.lab.scenes import KINDS, MIN_AREA, Light, describe, make_scene, visible_share
from agglo.lab.shapes import blob, curve, superellipse, tube
from agglo.lab.things import MAKERS, Thing
from agglo.phantom import EXTRAS, STRUCTURES
from agglo.phantom.xray import Beam

SIZE = 96


def test_a_scene_is_a_function_of_seed_and_index() -> None:
    first, again = make_scene(5, 3, size_px=SIZE), make_scene(5, 3, size_px=SIZE)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.masks, again.masks)
    assert (first.kinds, first.caption) == (again.kinds, again.caption)
    assert not np.array_equal(first.image, make_scene(5, 4, size_px=SIZE).image)
    assert not np.array_equal(first.image, make_scene(6, 3, size_px=SIZE).image)


def test_masks_are_large_enough_overlap_and_stay_in_the_field() -> None:
    scenes = [make_scene(1, index, size_px=SIZE) for index in range(30)]
    assert all(mask.mean() >= MIN_AREA for scene in scenes for mask in scene.masks)
    assert any((scene.masks.sum(0) > 1).any() for scene in scenes), "nothing ever overlaps"
    assert {kind for scene in scenes for kind in scene.kinds} >= set(KINDS) - {"wire"}, "only wires are rare"
    collimated = [scene for scene in scenes if (scene.image < 16).mean() > 0.1]
    assert collimated, "no field is ever collimated"
    for scene in scenes:
        assert len(scene.kinds) == len(scene.masks)
        assert scene.image.std() > 5


def test_no_scene_knows_the_swallowing_anatomy() -> None:
    words = " ".join([*KINDS, *(make_scene(2, index, size_px=SIZE).caption for index in range(20))]).split()
    assert set(words).isdisjoint({name.lower() for name in (*STRUCTURES, *EXTRAS)})


def test_captions_count_what_is_there() -> None:
    kinds = ("organ", "coin", "organ")
    assert describe(kinds, "round") == "scene in a round field showing two organ and one coin"
    assert describe((), "full") == "scene in a full field showing soft tissue only"


VISIBLE_CASES = {  # name: (centimetres of soft tissue, signal at its left and right half, share that shows)
    "thick in mid-grey": (3.0, (0.1, 0.1), 1.0),
    "thin in mid-grey": (0.01, (0.1, 0.1), 0.0),
    "half in the burnt-out beam": (1.0, (0.1, 2.0), 0.5),
}


@pytest.mark.parametrize(("thickness", "signals", "expected"), VISIBLE_CASES.values(), ids=VISIBLE_CASES)
def test_a_thing_shows_where_its_absence_would_change_the_picture(
    thickness: float, signals: tuple[float, float], expected: float
) -> None:
    signal = np.repeat(np.float32([signals]), 4, axis=0).repeat(2, axis=1)
    profile = np.ones((4, 4), np.float32)
    light = Light(signal, signal, Beam(saturation=0.25))
    thing = Thing({"soft": thickness * profile}, profile)
    assert visible_share(thing, profile > 0, light) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_thing_is_finite_and_outlined(kind: str) -> None:
    thing = MAKERS[kind][0](np.random.default_rng(4), SIZE)
    assert thing.profile.shape == (SIZE, SIZE)
    assert 0 <= thing.profile.min() <= thing.profile.max() <= 1 + 1e-6
    assert (thing.profile > 0).any()
    for path in thing.paths.values():
        assert np.isfinite(path).all()
        assert not path[thing.profile == 0].any(), "a thing attenuates outside of its mask"


def test_shapes_have_the_extent_asked_for() -> None:
    stream = np.random.default_rng(0)
    centre = np.array([0.5, 0.5])
    disc = superellipse(stream, centre, (0.25, 0.25), 2.0, 200)
    assert (disc > 0).mean() == pytest.approx(np.pi * 0.25**2, rel=0.01)
    assert disc[100, 100] == pytest.approx(1.0, abs=0.01)
    straight = tube(np.array([[0.2, 0.5], [0.8, 0.5]]), np.array([0.1, 0.1]), 200)
    assert (straight > 0).mean() == pytest.approx(0.6 * 0.2 + np.pi * 0.01, rel=0.01)
    assert (blob(stream, centre, 0.2, 64) > 0).any()
    points = curve(stream, centre, 0.4, 0.5, 9)
    assert points.mean(0) == pytest.approx(centre)
    assert np.linalg.norm(np.diff(points, axis=0), axis=1).sum() == pytest.approx(0.4 * 8 / 9)


def test_boxes_fit_and_shake_within_the_image() -> None:
    masks = np.zeros((1, 32, 32), dtype=bool)
    masks[0, 4:10, 20:32] = True
    boxes = tight_boxes(masks)
    assert boxes.tolist() == [[20, 4, 32, 10]]
    shaken = jittered(boxes, np.random.default_rng(0), share=0.1, size_px=32)
    assert np.abs(shaken - boxes).max() <= 0.1 * 12 + 2 * 32 / 256
    assert shaken.max() <= 32


def test_the_eight_symmetries_differ_and_keep_what_is_there() -> None:
    image = np.arange(9).reshape(3, 3)
    seen = {turned(image, symmetry).tobytes() for symmetry in range(8)}
    assert len(seen) == 8
    assert np.array_equal(turned(image, 0), image)


def test_coverage_is_the_share_of_a_square() -> None:
    mask = np.zeros((1, 8, 8), dtype=bool)
    mask[0, :2, :1] = True
    assert coverage(mask, 2)[0].tolist() == [[0.125, 0.0], [0.0, 0.0]]
