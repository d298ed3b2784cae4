"""Masks on disk and contours to look at."""

from pathlib import Path

import numpy as np
import pytest

from agglo_runtime.images import read_image
from agglo_runtime.writers import COLOURS, MaskShapeError, colours_for, draw_contours, write_masks

SWALLOWING = [
    "bolus",
    "pharynx",
    "trachea",
    "epiglottis",
    "mandible",
    *(f"C{level}" for level in range(1, 8)),
]
SPINE = [*(f"T{level}" for level in range(1, 13)), *(f"L{level}" for level in range(1, 6))]


def _square(height: int = 64, width: int = 64) -> np.ndarray:
    masks = np.zeros((1, height, width), np.bool_)
    masks[0, height // 4 : height // 2, width // 4 : width // 2] = True
    return masks


def test_write_masks_one_file_per_structure(tmp_path: Path) -> None:
    masks = np.random.default_rng(0).random((2, 5, 7)) > 0.5
    paths = write_masks(tmp_path, "f1", masks, ["bolus", "C1"])
    assert paths == [tmp_path / "bolus" / "f1.png", tmp_path / "C1" / "f1.png"]
    for path, mask in zip(paths, masks, strict=True):
        assert np.array_equal(read_image(path), mask * np.uint8(255))
    assert not list(tmp_path.rglob("*.tmp"))


def test_masks_and_names_must_fit() -> None:
    with pytest.raises(MaskShapeError, match=r"one per name \(2\)"):
        draw_contours(np.zeros((64, 64), np.uint8), _square(), ["a", "b"])
    with pytest.raises(MaskShapeError, match=r"the picture's size \(32, 64\)"):
        draw_contours(np.zeros((32, 64), np.uint8), _square(), ["a"])


@pytest.mark.parametrize("names", [SWALLOWING, SPINE, [f"thing {number}" for number in range(12)]])
def test_colours_are_distinct_and_fixed(names: list[str]) -> None:
    colours = colours_for(names)
    assert len(set(colours)) == len(names)
    apart = [
        sum(abs(a - b) for a, b in zip(one, two, strict=True))
        for one in colours
        for two in colours
        if one != two
    ]
    assert min(apart) >= 30
    assert colours == colours_for(names)


def test_known_colours_do_not_depend_on_the_order() -> None:
    assert colours_for(["C3", "bolus", "other"])[:2] == [COLOURS["C3"], COLOURS["bolus"]]
    assert colours_for(["bolus", "other"])[1] != COLOURS["bolus"]


def test_contours_lie_on_the_edge_and_leave_the_rest_alone() -> None:
    image = np.full((512, 512), 100, np.uint8)
    drawn = np.asarray(draw_contours(image, _square(512, 512), ["bolus"]))[:512, :512]
    coloured = np.abs(drawn.astype(int) - 100).max(-1) > 60
    rows, cols = np.nonzero(coloured)
    assert 127 <= rows.min() <= rows.max() <= 256
    assert 127 <= cols.min() <= cols.max() <= 256
    assert coloured[200].sum() == 4  # two pixels at either side
    assert not coloured[140:240, 140:240].any()


def test_small_pictures_are_enlarged_and_thin_masks_stay_visible() -> None:
    masks = np.zeros((2, 64, 80), np.bool_)
    masks[0, 30, 10:60] = True
    masks[1, 10, 10] = True
    drawn = np.asarray(draw_contours(np.zeros((64, 80), np.uint8), masks, ["bolus", "trachea"]))
    picture = drawn[: 64 * 7, : 80 * 7].astype(int)
    assert (np.abs(picture - COLOURS["bolus"]).sum(-1) < 40).sum() > 300
    assert (np.abs(picture - COLOURS["trachea"]).sum(-1) < 40).sum() > 20


def test_legend_and_note_add_room_and_empty_masks_are_faint() -> None:
    image, masks = np.zeros((512, 512), np.uint8), np.zeros((1, 512, 512), np.bool_)
    plain = draw_contours(image, np.zeros((0, 512, 512), np.bool_), [])
    noted = draw_contours(
        image, masks, ["bolus"], notes=["research use only, not a medical device", "PHANTOM"]
    )
    assert plain.size == (512, 512)
    assert noted.width > 512
    assert noted.height > 512
    legend = np.asarray(noted)[:512, 512:].reshape(-1, 3)
    assert not (legend == COLOURS["bolus"]).all(-1).any()


def test_a_long_legend_makes_the_picture_taller() -> None:
    names = [f"thing {number}" for number in range(30)]
    drawn = draw_contours(np.zeros((100, 512), np.uint8), np.zeros((30, 100, 512), np.bool_), names)
    assert drawn.height >= 30 * 20
