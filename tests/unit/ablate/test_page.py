"""A grid's tables for people, and its curve."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agglo.ablate.collect import collect
from agglo.ablate.figure import BAR_COLOUR, colours_of, curve_png
from agglo.ablate.forest import OTHERS, forest_png
from agglo.ablate.grid import Plan
from agglo.ablate.page import markdown, write_tables
from agglo.evaluate.markdown import RESEARCH_ONLY


@pytest.fixture
def table(made: Callable[..., Plan]) -> dict[str, Any]:
    return collect(made())


def test_markdown_has_a_row_for_each_place_and_says_what_it_is(table: dict[str, Any]) -> None:
    text = markdown(table)
    assert text.startswith("# PHANTOM (synthetic patients): grid <of> two")
    assert RESEARCH_ONLY in text
    rows = [line.split(" | ") for line in text.splitlines() if " | finetune | " in line]
    assert [(row[0], row[2]) for row in rows] == [
        ("| supervised (the bar)", "1"),
        ("| supervised (the bar)", "3"),
        ("| all", "1"),
        ("| all", "3"),
    ]
    assert rows[2][5] == "+0.100"
    assert rows[2][8] == "better"
    assert rows[0][5:9] == ["–"] * 4
    assert "| all | distil; more & more | lab-sam: none | 30 s | 0.001 (finetune) | 3 to 5 of 6 |" in text


def test_the_folder_gets_one_page_that_opens_alone(table: dict[str, Any], tmp_path: Path) -> None:
    write_tables(tmp_path, table)
    assert json.loads((tmp_path / "table.json").read_text()) == table
    page = (tmp_path / "table.html").read_text()
    assert RESEARCH_ONLY in page
    assert "PHANTOM" in page
    assert "grid &lt;of&gt; two" in page
    assert "more &amp; more" in page
    assert "<of>" not in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert (tmp_path / "curve.png").read_bytes() == curve_png(table), "the same table, the same picture"


def test_the_curve_shows_every_arm_and_the_bar_in_black(table: dict[str, Any]) -> None:
    colours = colours_of(table)
    assert colours["supervised"] == BAR_COLOUR
    picture = np.asarray(Image.open(io.BytesIO(curve_png(table))).convert("RGB")).astype(int)
    for colour in colours.values():
        wanted = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
        assert (np.abs(picture - wanted).max(axis=2) <= 2).sum() > 50, colour


def test_with_one_number_of_patients_the_picture_shows_differences_in_place_of_a_curve(
    table: dict[str, Any], tmp_path: Path
) -> None:
    tests = {
        name: {**test, "rows": [row for row in test["rows"] if row["patients"] == 3]}
        for name, test in table["tests"].items()
    }
    one = {**table, "tests": tests}
    write_tables(tmp_path, one)
    drawn = (tmp_path / "curve.png").read_bytes()
    assert drawn == forest_png(one), "the same table, the same picture"
    picture = np.asarray(Image.open(io.BytesIO(drawn)).convert("RGB")).astype(int)
    for colour in (BAR_COLOUR, OTHERS):
        wanted = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
        assert (np.abs(picture - wanted).max(axis=2) <= 2).sum() > 50, colour


def test_an_arm_that_cannot_be_made_here_is_named_with_what_it_lacks(table: dict[str, Any]) -> None:
    gone = {**table["arms"]["all"], "cells": 0, "lacks": "no weights", "wall_s": None, "kept_steps": []}
    text = markdown({**table, "arms": {**table["arms"], "gone": {**gone, "learning_rates": {}}}})
    assert "| gone | distil; more & more; not available: no weights | – | – | – | – |" in text
