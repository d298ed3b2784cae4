"""The letterbox: exact geometry, antialiasing, and the way back."""

import numpy as np
import pytest

from agglo_runtime.errors import ImageError
from agglo_runtime.geometry import Letterbox, resize

FITS = {  # name: (height, width, size_px, scale, top, left)
    "square_shrunk": (512, 512, 256, 0.5, 0.0, 0.0),
    "square_as_is": (64, 64, 64, 1.0, 0.0, 0.0),
    "wide": (100, 200, 100, 0.5, 25.0, 0.0),
    "tall": (640, 220, 512, 0.8, 0.0, 168.0),
    "odd_difference": (3, 6, 12, 2.0, 2.0, 0.0),
    "one_pixel": (1, 1, 32, 32.0, 0.0, 0.0),
}


@pytest.mark.parametrize(("height", "width", "size", "scale", "top", "left"), FITS.values(), ids=FITS)
def test_fit_keeps_aspect_and_centres(
    height: int, width: int, size: int, scale: float, top: float, left: float
) -> None:
    box = Letterbox.fit(height, width, size)
    assert (box.scale, box.top, box.left) == pytest.approx((scale, top, left))


def test_geometry_is_the_same_at_every_size() -> None:
    small, large = Letterbox.fit(301, 640, 64), Letterbox.fit(301, 640, 1024)
    assert small.top / 64 == pytest.approx(large.top / 1024)
    assert small.scale * 16 == pytest.approx(large.scale)


def test_fit_refuses_an_empty_picture() -> None:
    with pytest.raises(ImageError, match=r"sides of at least 1 px, got a picture of 0x5 and a square of 32"):
        Letterbox.fit(0, 5, 32)


def test_apply_pads_with_zero_and_keeps_the_picture() -> None:
    image = np.ones((10, 20), np.float32)
    square = Letterbox.fit(10, 20, 20).apply(image)
    assert square[5:15].min() == 1
    assert square[:5].max() == square[15:].max() == 0


def test_apply_refuses_another_size() -> None:
    with pytest.raises(ImageError, match=r"for pictures of 4x6, got \(6, 4\)"):
        Letterbox.fit(4, 6, 8).apply(np.zeros((6, 4), np.float32))


def test_shrinking_does_not_alias() -> None:
    stripes = np.tile(np.array([0, 1], np.float32), (256, 128))
    shrunk = Letterbox.fit(256, 256, 64).apply(stripes)
    assert np.abs(shrunk[:, 2:-2] - 0.5).max() < 1e-3


def test_a_point_lands_where_the_letterbox_says() -> None:
    image = np.zeros((60, 100), np.float32)
    image[40:44, 70:74] = 1  # centre of mass at (42, 72)
    box = Letterbox.fit(60, 100, 50)
    square = box.apply(image)
    rows, cols = np.mgrid[:50, :50] + 0.5
    centre = (rows * square).sum() / square.sum(), (cols * square).sum() / square.sum()
    assert centre == pytest.approx((42 * box.scale + box.top, 72 * box.scale + box.left), abs=0.02)


@pytest.mark.parametrize(("height", "width"), [(48, 64), (64, 48), (64, 64), (33, 50)])
@pytest.mark.parametrize("cells", [16, 32, 128])
def test_undo_brings_a_ramp_back(height: int, width: int, cells: int) -> None:
    box = Letterbox.fit(height, width, 128)
    side = max(height, width)
    centres = (np.arange(cells, dtype=np.float32) + 0.5) * side / cells  # padded picture coordinates
    maps = np.stack([np.tile(centres, (cells, 1)), np.tile(centres[:, None], (1, cells))])
    x, y = box.undo(maps)
    left, top = (side - width) // 2, (side - height) // 2
    margin = max(2, side // cells)  # at the border of the square a resampling has nothing beyond
    inner = (slice(margin, -margin), slice(margin, -margin))
    assert np.abs(x - (np.arange(width) + 0.5 + left))[inner].max() < 0.02
    assert np.abs(y - (np.arange(height)[:, None] + 0.5 + top))[inner].max() < 0.02


def test_undo_of_no_maps_is_no_maps() -> None:
    assert Letterbox.fit(30, 40, 64).undo(np.zeros((0, 16, 16), np.float32)).shape == (0, 30, 40)


def test_undo_refuses_maps_that_are_not_square() -> None:
    with pytest.raises(ImageError, match=r"square maps \[K, h, h\] only, got \(2, 16, 8\)"):
        Letterbox.fit(30, 40, 64).undo(np.zeros((2, 16, 8), np.float32))


def test_resize_to_the_same_size_copies() -> None:
    image = np.random.default_rng(0).random((7, 9)).astype(np.float32)
    same = resize(image, 7, 9)
    assert np.array_equal(same, image)
    assert same is not image


PLACES = {  # name: (height, width, size_px, point of the picture, point of the square)
    "square": (64, 64, 128, (10.0, 20.0), (20.0, 40.0)),
    "wide": (50, 100, 100, (10.0, 20.0), (10.0, 45.0)),
    "tall": (100, 50, 200, (10.0, 20.0), (70.0, 40.0)),
    "odd": (3, 6, 12, (6.0, 3.0), (12.0, 8.0)),
}


@pytest.mark.parametrize(("height", "width", "size", "point", "expected"), PLACES.values(), ids=PLACES)
def test_points_are_placed_as_pixels_are(
    height: int, width: int, size: int, point: tuple[float, float], expected: tuple[float, float]
) -> None:
    box = Letterbox.fit(height, width, size)
    assert box.place(np.array([[point]])).tolist() == [[pytest.approx(expected)]]


def test_a_pixel_goes_where_its_centre_is_placed() -> None:
    image = np.zeros((20, 40), np.float32)
    image[7, 31] = 1
    box = Letterbox.fit(20, 40, 80)
    row, col = np.unravel_index(box.apply(image).argmax(), (80, 80))
    x, y = box.place(np.array([31.5, 7.5]))
    assert abs(col + 0.5 - x) <= 0.5
    assert abs(row + 0.5 - y) <= 0.5
