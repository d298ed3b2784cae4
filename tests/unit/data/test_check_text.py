"""The printed report: nothing wider than asked for, nothing lost."""

import pytest

from agglo.data.check import Counts, Problem, Report, render

COUNTS = Counts(
    states={
        "bolus": {"present": 3, "absent": 0},
        "a structure with a very long name " * 4: {"present": 1, "absent": 2},
    },
    units={"patients": 1, "frames": 40},
    patients={f"p{number:02}": {"videos": 1, "frames": number} for number in range(30)},
    parts={"split.json": {"train": {"frames": 3, "patients": 1}}},
    raters={"ann": 4},
)


def _report(*problems: Problem) -> Report:
    return Report("folder", "name", "native", COUNTS, problems)


MANY = [Problem("mask_size", f"masks/{'deep/' * 9}{number}.png", "is 3 x 4, " * 12) for number in range(40)]


@pytest.mark.parametrize("width", [80, 120])
def test_lines_keep_to_the_width(width: int) -> None:
    text = render(_report(*MANY, Problem("fps_source", "frames.csv line 2", "`fps` is 30")), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "… and 15 more (--all lists them, --json has them)" in text
    assert text.endswith("✗ 40 errors, 1 warning: mend the errors before using this dataset.")
    assert text.index("ERRORS") < text.index("WARNINGS") < text.index("FRAMES BY STRUCTURE")


def test_all_are_listed_when_asked_for() -> None:
    text = render(_report(*MANY), show_all=True)
    assert all(problem.where in text for problem in MANY)
    assert "p29" in text
    assert "more (" not in text


def test_a_kind_says_what_must_hold_and_what_to_do() -> None:
    lines = render(_report(MANY[0]), width=120).splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("Mask of another size"))
    assert lines[place].endswith(" 1")
    assert lines[place + 1 : place + 3] == [
        "    A mask has its picture's size.",
        "  → Resample the mask (nearest neighbour) or remove it.",
    ]


VERDICTS = {  # name: (problems, last line)
    "clean": ([], "✓ no problem found."),
    "warned": ([Problem("polarity", "p", "x")], "✓ no error; 1 warning: have a look."),
}


@pytest.mark.parametrize(("problems", "line"), VERDICTS.values(), ids=VERDICTS)
def test_the_last_line_is_the_verdict(problems: list[Problem], line: str) -> None:
    assert render(_report(*problems)).splitlines()[-1] == line
    assert "\x1b[" in render(_report(*problems), colour=True)
    assert "\x1b[" not in render(_report(*problems))
