"""Contours lie where the masks are, and figures take the page's font and colours."""

import re

import numpy as np
import pytest

from agglo.report.figures import MAX_POINTS, Series, Strip, line_panel, strip_figure, thinned
from agglo.report.frames import contour_paths


def corners(path: str) -> np.ndarray:
    return np.array(
        [[float(number) for number in pair.split()] for pair in re.findall(r"[\d.-]+ [\d.-]+", path)]
    )


def test_an_outline_encloses_its_pixels():
    mask = np.zeros((20, 30), dtype=bool)
    mask[4:9, 10:22] = True
    [path] = contour_paths(mask[None])
    points = corners(path)
    assert path.count("M") == path.count("Z") == 1
    assert points.min(axis=0) == pytest.approx((10, 4), abs=0.5)
    assert points.max(axis=0) == pytest.approx((22, 9), abs=0.5)


def test_holes_pieces_and_the_images_edge():
    whole = np.ones((6, 6), dtype=bool)
    ring = whole.copy()
    ring[2:4, 2:4] = False
    pieces = np.zeros((6, 6), dtype=bool)
    pieces[0, 0] = pieces[4:, 4:] = True
    paths = contour_paths(np.stack([whole, ring, pieces, np.zeros((6, 6), dtype=bool)]))
    assert [path.count("Z") for path in paths] == [1, 2, 2, 0]
    assert corners(paths[0]).max() == pytest.approx(6, abs=0.5)
    assert contour_paths(np.zeros((0, 6, 6), dtype=bool)) == []


def test_a_long_outline_is_simplified():
    rows, cols = np.mgrid[:400, :400]
    [path] = contour_paths((np.hypot(rows - 200, cols - 200) < 150)[None])
    points = corners(path)
    assert len(points) < 600
    assert np.abs(np.hypot(*(points - 200.5).T) - 150).max() < 1.2


def test_long_series_are_thinned_without_moving_their_mean():
    values = np.arange(1200.0)
    assert len(thinned(values)) == MAX_POINTS
    assert thinned(values).mean() == pytest.approx(values.mean())
    assert thinned(values[:10]).tolist() == values[:10].tolist()


@pytest.mark.parametrize(
    "values", [[1.0, 0.1, 0.01], [1.0, 0.0, -1.0], []], ids=["positive", "not positive", "empty"]
)
def test_a_figure_takes_the_pages_font_and_colours(values):
    svg = line_panel([Series(values, values, "#123456")], x_label="step & time", label="loss", is_log=True)
    assert svg.startswith('<svg viewBox="')
    assert 'aria-label="loss"' in svg
    assert "step &amp; time" in svg
    assert "var(--faint)" in svg
    for unwanted in ("font-family", "<style", 'id="figure', "xlink", "#010203"):
        assert unwanted not in svg


def test_a_name_from_outside_is_text_in_a_figure():
    svg = strip_figure([Strip("<b>$x$", [0.1, 0.5], [0.3], 0.3, None)], label="Dice")
    assert "&lt;b&gt;$x$" in svg
    assert "<b>" not in svg
