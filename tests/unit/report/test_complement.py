"""The picture of a comparison is a whole PNG, whatever the number of teachers, and its sentence says what it shows."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agglo.core.seeds import generator
from agglo.evaluate.complement import Comparison, Seen, compare
from agglo.evaluate.similarity import Spectrum
from agglo.report.complement import draw_comparison, verdict


def comparison(count: int) -> Comparison:
    found = {}
    for name in ("one", "two", "three", "four")[:count]:
        maps = generator(1, name).standard_normal((12, 5, 4, 4))
        spectrum = Spectrum.of(np.eye(5) * np.arange(1, 6), np.zeros(5))
        found[name] = Seen(maps, np.ones((12, 4, 4), bool), spectrum)
    return compare(found)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_any_number_of_teachers_is_drawn(tmp_path: Path, count: int) -> None:
    file = tmp_path / "sub" / "teachers.png"
    draw_comparison(comparison(count), file, title="of a test")
    with Image.open(file) as picture:
        pixels = np.asarray(picture.convert("L"))
    assert pixels.shape == (1230, 555 * max(3, count))
    assert pixels.std() > 10
    first = file.read_bytes()
    draw_comparison(comparison(count), file, title="of a test")
    assert file.read_bytes() == first


def test_the_answer_in_a_sentence() -> None:
    assert verdict(comparison(1)) == "Only one encoder: nothing to compare."
    assert verdict(comparison(2)).startswith(
        "Not linear in all the others, so each one's own (share of variance"
    )
    assert "one 100%, two 100%" in verdict(comparison(2))
