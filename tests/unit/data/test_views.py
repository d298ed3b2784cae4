"""Views: pure parameters, rendered sharp, images and masks alike."""

from dataclasses import replace

import numpy as np
import pytest

from agglo.core.errors import DataError
from agglo.data.masks import pack
from agglo.data.views import (
    View,
    ViewRecipe,
    identity_view,
    render_bits,
    render_image,
    render_masks,
    sample_view,
)
from agglo_runtime.prepare import prepare

SHAPES = [(64, 64), (48, 80), (101, 70), (33, 64)]
STRONG = ViewRecipe(
    rotation_deg=40.0, zoom=(0.6, 1.8), aspect=1.3, shift=0.2, flip_probability=0.5, invert_probability=0.3
)


def _noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (height, width), dtype=np.uint8)


def _smooth(height: int, width: int) -> np.ndarray:
    rows, cols = np.mgrid[:height, :width]
    return np.rint(127 + 60 * np.sin(rows / 9) + 60 * np.cos(cols / 7)).astype(np.uint8)


def _disc(height: int, width: int) -> np.ndarray:
    rows, cols = np.mgrid[:height, :width]
    return ((rows - height * 0.4) ** 2 + (cols - width * 0.6) ** 2 < (0.25 * min(height, width)) ** 2)[None]


def _sampled(number: int, height: int, width: int, recipe: ViewRecipe = STRONG) -> View:
    return sample_view(recipe, seed=5, frame=3, number=number, height=height, width=width)


@pytest.mark.parametrize(("height", "width"), SHAPES)
@pytest.mark.parametrize("size", [32, 64, 160])
def test_the_identity_is_what_the_runtime_prepares(height: int, width: int, size: int) -> None:
    image = _noise(height, width)
    prepared, _ = prepare(image, size_px=size, mean=(0.0,) * 3, std=(1.0,) * 3)
    rendered = render_image(image, identity_view(height, width), size)
    assert np.abs(rendered - prepared[0, 0]).max() < 0.05 / 255


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_the_identity_of_masks_lies_on_the_image(height: int, width: int) -> None:
    mask = _disc(height, width)
    coverage = render_masks(mask, identity_view(height, width), 64)
    picture = render_image(mask[0].astype(np.uint8) * np.uint8(255), identity_view(height, width), 64)
    assert np.abs(coverage[0] - picture).mean() < 0.02


def test_views_are_pure_functions_of_their_keys() -> None:
    views = [_sampled(number, 64, 80) for number in range(5)]
    assert views == [_sampled(number, 64, 80) for number in range(5)]
    assert len(set(views)) == 5
    assert _sampled(1, 64, 80) != sample_view(STRONG, seed=5, frame=4, number=1, height=64, width=80)
    assert _sampled(1, 64, 80) != sample_view(STRONG, seed=6, frame=3, number=1, height=64, width=80)


def test_number_zero_is_the_identity_only_when_asked() -> None:
    assert _sampled(0, 64, 80) == identity_view(64, 80)
    assert _sampled(0, 64, 80, replace(STRONG, first_is_identity=False)) != identity_view(64, 80)


def test_an_empty_range_leaves_the_other_draws_alone() -> None:
    full, still = (
        _sampled(1, 64, 80),
        _sampled(1, 64, 80, replace(STRONG, rotation_deg=0.0, flip_probability=0.0)),
    )
    assert (full.gamma, full.gain, full.offset, full.is_inverted) == (
        still.gamma,
        still.gain,
        still.offset,
        still.is_inverted,
    )
    assert still.affine[0][1] == still.affine[1][0] == 0


def test_draws_stay_in_their_ranges() -> None:
    recipe = ViewRecipe(flip_probability=0.5)
    views = [_sampled(number, 100, 100, recipe) for number in range(1, 300)]
    zooms = [50 / np.sqrt(abs(np.linalg.det(np.array(view.affine)[:, :2]))) for view in views]
    assert recipe.zoom[0] <= min(zooms) < 0.9
    assert 1.2 < max(zooms) <= recipe.zoom[1]
    assert all(recipe.gamma[0] <= view.gamma <= recipe.gamma[1] for view in views)
    assert 0.4 < np.mean([view.is_flipped for view in views]) < 0.6
    assert not any(view.is_inverted for view in views)


def _flipped(view: View) -> View:
    (a, b, c), (d, e, f) = view.affine
    return replace(view, affine=((-a, b, c), (-d, e, f)))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_flip_is_the_mirror_image_of_the_view(number: int) -> None:
    view, masks, image = _sampled(number, 70, 101), _disc(70, 101), _smooth(70, 101)
    mirrored = _flipped(view)
    assert mirrored.is_flipped != view.is_flipped
    assert np.array_equal(render_masks(masks, mirrored, 64), render_masks(masks, view, 64)[:, :, ::-1])
    assert np.abs(render_image(image, mirrored, 64) - render_image(image, view, 64)[:, ::-1]).max() < 1e-4


def test_a_flip_of_the_identity_is_exact() -> None:
    view = identity_view(64, 64)
    masks = np.random.default_rng(0).random((3, 64, 64)) > 0.5
    assert np.array_equal(render_masks(masks, _flipped(view), 64), masks[:, :, ::-1].astype(np.float32))


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_two_sizes_show_the_same(number: int) -> None:
    view, image = _sampled(number, 120, 120), _smooth(120, 120)
    large, small = render_image(image, view, 128), render_image(image, view, 64)
    pooled = large.reshape(64, 2, 64, 2).mean((1, 3))
    inner = np.abs(pooled - small)[2:-2, 2:-2]
    assert np.percentile(inner, 95) < 0.03
    masks = _disc(120, 120)
    covered = render_masks(masks, view, 128)[0].reshape(64, 2, 64, 2).mean((1, 3))
    assert np.abs(covered - render_masks(masks, view, 64)[0]).mean() < 0.01


@pytest.mark.parametrize("number", [1, 2, 3])
def test_images_and_masks_move_together(number: int) -> None:
    plain = replace(_sampled(number, 90, 110), gamma=1.0, gain=1.0, offset=0.0, is_inverted=False)
    mask = _disc(90, 110)
    picture = render_image(mask[0].astype(np.uint8) * np.uint8(255), plain, 96)
    coverage = render_masks(mask, plain, 96)[0]
    assert coverage.sum() > 50
    assert np.abs(picture - coverage).sum() / coverage.sum() < 0.12


def test_a_known_point_is_shown_where_the_affine_says() -> None:
    image = np.zeros((100, 100), np.uint8)
    image[30:34, 60:64] = 255  # centre of mass at x = 62, y = 32
    view = replace(_sampled(1, 100, 100), gamma=1.0, gain=1.0, offset=0.0, is_inverted=False)
    shown = render_image(image, view, 100)
    rows, cols = np.mgrid[:100, :100]
    u = ((2 * cols + 1) / 100 - 1 + 0 * rows) * shown
    v = ((2 * rows + 1) / 100 - 1) * shown
    centre = np.array([u.sum(), v.sum()]) / shown.sum()
    matrix = np.array(view.affine)
    assert matrix[:, :2] @ centre + matrix[:, 2] == pytest.approx([62, 32], abs=0.15)


def test_outside_of_the_picture_is_black_whatever_the_intensities() -> None:
    view = replace(identity_view(20, 60), is_inverted=True, offset=0.2)
    shown = render_image(np.zeros((20, 60), np.uint8), view, 60)
    assert shown[:18].max() == shown[42:].max() == 0
    assert shown[22:38].min() > 0.9999


PHOTOMETRY = {  # name: (parameters, intensity shown for 51/255 = 0.2)
    "as_is": ({}, 0.2),
    "gamma": ({"gamma": 2.0}, 0.04),
    "gain": ({"gain": 1.5}, 0.3),
    "offset": ({"offset": 0.1}, 0.3),
    "inverted": ({"is_inverted": True}, 0.8),
    "clipped": ({"gain": 9.0}, 1.0),
    "in_order": ({"gamma": 2.0, "gain": 2.0, "offset": 0.1, "is_inverted": True}, 1.0),
    "not_below_black": ({"offset": -0.5}, 0.0),
}


@pytest.mark.parametrize(("changes", "expected"), PHOTOMETRY.values(), ids=PHOTOMETRY)
def test_photometry(changes: dict[str, float], expected: float) -> None:
    view = replace(identity_view(8, 8), **changes)
    assert render_image(np.full((8, 8), 51, np.uint8), view, 8) == pytest.approx(
        np.full((8, 8), expected), abs=1e-6
    )


def test_shrinking_does_not_alias() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (256, 128))
    turned = replace(
        _sampled(
            1,
            256,
            256,
            ViewRecipe(
                flip_probability=0.0, gamma=(1.0, 1.0), gain=(1.0, 1.0), offset=(0.0, 0.0), zoom=(1.0, 1.0)
            ),
        )
    )
    assert np.abs(render_image(stripes, turned, 32)[10:22, 10:22] - 0.5).max() < 0.02


@pytest.mark.parametrize("count", [0, 1, 16, 20])
def test_packed_and_plain_masks_render_alike(count: int) -> None:
    masks = np.random.default_rng(1).random((count, 40, 40)) > 0.5
    view = _sampled(2, 40, 40)
    plain = render_masks(masks, view, 32)
    assert plain.shape == (count, 32, 32)
    assert plain.dtype == np.float32
    assert np.array_equal(render_bits(pack(masks), count, view, 32), plain)
    assert set(np.unique(plain)) <= {0, 0.25, 0.5, 0.75, 1}


def test_a_size_of_nothing() -> None:
    with pytest.raises(DataError, match="must be rendered at 1 px or more, got 0"):
        render_image(_noise(8, 8), identity_view(8, 8), 0)


def test_a_recipe_names_all_its_bad_ranges() -> None:
    with pytest.raises(DataError) as caught:
        ViewRecipe(zoom=(0.0, 1.0), gamma=(2.0, 1.0), flip_probability=1.5, aspect=0.5)
    message = str(caught.value)
    assert "views: 4 problems" in message
    for name in ("`zoom`", "`gamma`", "`flip_probability`", "`aspect`"):
        assert name in message
