"""From grey values to network inputs."""

import numpy as np
import pytest

from agglo_runtime.errors import ImageError
from agglo_runtime.prepare import invert, prepare, to_unit

UNITS = {  # name: (image, expected)
    "uint8": (np.array([[0, 51, 255]], np.uint8), [[0, 0.2, 1]]),
    "uint16": (np.array([[0, 13107, 65535]], np.uint16), [[0, 0.2, 1]]),
    "floats_are_stretched": (np.array([[-2.0, 0.0, 2.0]]), [[0, 0.5, 1]]),
    "constant_floats": (np.array([[3.0, 3.0]]), [[0, 0]]),
    "bool": (np.array([[True, False]]), [[1, 0]]),
}


@pytest.mark.parametrize(("image", "expected"), UNITS.values(), ids=UNITS)
def test_to_unit(image: np.ndarray, expected: list) -> None:
    unit = to_unit(image)
    assert unit.dtype == np.float32
    assert unit == pytest.approx(np.array(expected), abs=1e-6)


REFUSED = {  # name: (image, text)
    "int32": (np.zeros((2, 2), np.int32), "must be uint8, uint16 or floats, got int32"),
    "nan": (np.array([[np.nan]]), "must be finite"),
    "empty": (np.zeros((0, 3)), "must be finite and at least one"),
}


@pytest.mark.parametrize(("image", "text"), REFUSED.values(), ids=REFUSED)
def test_to_unit_refuses(image: np.ndarray, text: str) -> None:
    with pytest.raises(ImageError, match=text):
        to_unit(image)


def test_prepare_normalises_each_channel_and_pads_with_black() -> None:
    image = np.full((32, 64), 255, np.uint8)
    tensor, box = prepare(image, size_px=64, mean=(0.5, 0.4, 0.0), std=(0.5, 0.2, 1.0))
    assert tensor.shape == (1, 3, 64, 64)
    assert tensor.dtype == np.float32
    assert tensor[0, :, 32, 32] == pytest.approx([1, 3, 1], abs=1e-5)
    assert tensor[0, :, 0, 0] == pytest.approx([-1, -2, 0], abs=1e-5)
    assert (box.top, box.left) == (16, 0)


@pytest.mark.parametrize(
    ("shape", "mean", "text"),
    [
        ((4, 4, 3), (0.0, 0.0, 0.0), r"must be grey \[H, W\], got shape \(4, 4, 3\)"),
        ((4, 4), (0.0,), "must have three values each"),
    ],
)
def test_prepare_refuses(shape: tuple[int, ...], mean: tuple[float, ...], text: str) -> None:
    with pytest.raises(ImageError, match=text):
        prepare(np.zeros(shape, np.uint8), size_px=32, mean=mean, std=(1.0, 1.0, 1.0))


@pytest.mark.parametrize(("image", "expected"), UNITS.values(), ids=UNITS)
def test_inverting_turns_units_round(image: np.ndarray, expected: list) -> None:
    is_constant = image.min() == image.max()
    assert to_unit(invert(image)) == pytest.approx(
        np.array(expected) if is_constant else 1 - np.array(expected), abs=1e-6
    )
    assert (invert(invert(image)) == image).all()


def test_inverting_nothing_gives_nothing() -> None:
    assert invert(np.zeros((0, 3))).shape == (0, 3)
