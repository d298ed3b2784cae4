"""Overlay frames: anatomy is never covered by words, and every frame has the same layout."""

import numpy as np
import pytest

from agglo_runtime.overlay import OverlayPainter
from agglo_runtime.writers import COLOURS, MaskShapeError

NAMES = ["bolus", "pharynx", "C4"]
NOTES = ("Research use only, not a medical device", "PHANTOM: synthetic picture")


def painter(height: int = 512, width: int = 512) -> OverlayPainter:
    return OverlayPainter(NAMES, height=height, width=width, notes=NOTES)


def masks(*found: int) -> np.ndarray:
    """Return three masks of which those numbered in `found` are squares."""
    drawn = np.zeros((3, 512, 512), np.bool_)
    for index in found:
        drawn[index, 100 + 90 * index : 150 + 90 * index, 100:150] = True
    return drawn


def test_words_never_lie_on_the_picture() -> None:
    image = np.random.default_rng(0).integers(0, 256, (512, 512), np.uint8)
    frame = painter().paint(image, None, caption="frame 1 " * 40, flags=["not_lateral"] * 30)
    np.testing.assert_array_equal(frame[:512, :512], np.repeat(image[..., None], 3, axis=2))
    below, beside = frame[512:].reshape(-1, 3), frame[:512, 512:].reshape(-1, 3)
    assert len(np.unique(below, axis=0)) > 10
    assert not (beside == COLOURS["bolus"]).all(-1).any()


@pytest.mark.parametrize("size", [(512, 512), (501, 333), (64, 80), (40, 1200)])
def test_every_frame_has_the_same_even_size(size: tuple[int, int]) -> None:
    one = painter(*size)
    nothing = np.zeros((3, *size), np.bool_)
    image = np.zeros(size, np.uint8)
    shapes = {
        one.paint(image, shown, caption="", flags=flags).shape
        for shown in (None, nothing)
        for flags in ((), ("jump: C4",))
    }
    assert shapes == {(one.height, one.width, 3)}
    assert one.height % 2 == one.width % 2 == 0


def test_contours_and_legend_show_what_is_found_in_its_colour() -> None:
    frame = painter().paint(np.zeros((512, 512), np.uint8), masks(0, 2), caption="", flags=[])
    colours_beside = {tuple(colour) for colour in frame[:512, 512:].reshape(-1, 3).tolist()}
    assert COLOURS["bolus"] in colours_beside
    assert COLOURS["C4"] in colours_beside
    assert COLOURS["pharynx"] not in colours_beside
    assert np.abs(frame[125, 100].astype(int) - COLOURS["bolus"]).sum() < 120
    assert (frame[125, 125] == 0).all()


def test_flags_are_lit_and_points_marked() -> None:
    image = np.zeros((512, 512), np.uint8)
    calm = painter().paint(image, masks(), caption="frame 0", flags=[])
    alarmed = painter().paint(
        image, masks(), caption="frame 0", flags=["jump: C4"], points=[np.array([200.0, 100.0])]
    )
    assert ((alarmed[512:, :, 0] > 200) & (alarmed[512:, :, 2] < 90)).any()
    assert not ((calm[512:, :, 0] > 200) & (calm[512:, :, 2] < 90)).any()
    assert alarmed[100, 200].min() > 200
    assert calm[100, 200].max() == 0


def test_masks_must_fit_the_picture() -> None:
    with pytest.raises(MaskShapeError, match="the picture's size"):
        painter().paint(np.zeros((512, 512), np.uint8), np.zeros((3, 4, 4), np.bool_), caption="", flags=[])
