"""The script that draws clicks: one picture per click, in which the clicks so far can be seen."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agglo.core.errors import PromptError
from small_model import write_small_model

SCRIPT = runpy.run_path(str(Path(__file__).parents[3] / "results" / "clicks.py"))


def test_one_picture_per_click(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_small_model(tmp_path / "model")
    Image.fromarray(np.full((40, 80), 90, np.uint8)).save(tmp_path / "frame.png")
    clicks = ["20,10", "60.5,30", "5,5,0"]
    SCRIPT["draw_clicks"](model, tmp_path / "frame.png", tmp_path / "out", clicks, is_inverted=False)
    assert capsys.readouterr().out.count("quality") == 3
    factor = 7  # 80 px become at least 512
    for count in (1, 2, 3):
        shown = np.asarray(Image.open(tmp_path / "out" / f"click-{count}.png"))
        assert shown.shape == (40 * factor, 80 * factor, 3)
        dots = [tuple(shown[int(y * factor), int(x * factor)]) for x, y in ((20, 10), (60.5, 30), (5, 5))]
        colours = [SCRIPT["INSIDE"], SCRIPT["INSIDE"], SCRIPT["OUTSIDE"]]
        drawn = [dot == colour for dot, colour in zip(dots, colours, strict=True)]
        assert drawn == [place < count for place in range(3)]


@pytest.mark.parametrize("words", ["20", "20,x", "20,10,2", "1,2,3,4"])
def test_a_click_that_is_none_is_refused(tmp_path: Path, words: str) -> None:
    with pytest.raises(PromptError, match="a click must be X,Y"):
        SCRIPT["draw_clicks"](tmp_path, tmp_path, tmp_path, [words], is_inverted=False)
