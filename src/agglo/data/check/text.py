"""A report as people read it: problems by kind, errors before warnings, then what there is. At most `width` columns."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from agglo.data.check.kinds import KINDS
from agglo.data.check.report import Problem, Report

SHOWN = 25
"""Problems of one kind that are listed unless all are asked for."""

SHOWN_PATIENTS = 12
"""Patients that are listed unless all are asked for."""

_RED, _YELLOW, _GREEN, _BOLD, _FAINT, _PLAIN = "31;1", "33;1", "32;1", "1", "2", "0"


def render(report: Report, *, width: int = 100, show_all: bool = False, colour: bool = False) -> str:
    """Return the report as text, without an end of line.

    Args:
        report: to print.
        width: columns of the terminal; at least 60 are used.
        show_all: list every problem and every patient, however many.
        colour: with the terminal's colours.
    """
    page = _Page(max(60, width), show_all=show_all, colour=colour)
    lines = [*page.head(report), *page.problems(report), *page.counts(report), "", page.verdict(report)]
    return "\n".join(line.rstrip() for line in lines)


class _Page:
    """How one report is laid out."""

    def __init__(self, width: int, *, show_all: bool, colour: bool) -> None:
        """Lay out in `width` columns."""
        self.width, self.show_all, self.colour = width, show_all, colour

    def paint(self, text: str, code: str) -> str:
        """Return text in a colour, if colours are wanted."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text

    def rule(self, title: str, note: str = "", code: str = _BOLD) -> str:
        """Return a heading with a line after it and a note at its end."""
        line = "─" * max(2, self.width - len(title) - len(note) - 2)
        return f"{self.paint(title, code)} {self.paint(line, _FAINT)} {note}"

    def head(self, report: Report) -> Iterator[str]:
        """Say what was looked at."""
        layouts = {"native": "native format", "plain": "pictures with index masks"}
        layout = layouts.get(report.layout, "no dataset")
        units = ", ".join(
            _counted(name, count) for name, count in report.counts.units.items() if count or name == "frames"
        )
        yield self.paint(report.name or report.folder, _BOLD) + f" · {layout} · {units}"

    def problems(self, report: Report) -> Iterator[str]:
        """List all problems by kind, errors first."""
        for title, found, code in (
            ("ERRORS", report.errors, _RED),
            ("WARNINGS", report.warnings, _YELLOW),
        ):
            if not found:
                continue
            kinds = [list(each) for _, each in groupby(found, key=lambda problem: problem.kind)]
            yield ""
            yield self.rule(title, f"{len(found)} of {_many(len(kinds), 'kind')}", code)
            for problems in kinds:
                yield ""
                yield from self.kind(problems, code)

    def kind(self, problems: Sequence[Problem], code: str) -> Iterator[str]:
        """List the problems of one kind under what must hold and what to do."""
        kind, number = KINDS[problems[0].kind], str(len(problems))
        gap = " " * max(2, self.width - len(kind.title) - len(number))
        yield self.paint(kind.title, code) + gap + self.paint(number, code)
        for mark, sentence in ((" ", kind.must), ("→", kind.remedy)):
            yield from textwrap.wrap(
                sentence, self.width, initial_indent=f"  {mark} ", subsequent_indent="    "
            )
        shown = problems if self.show_all else problems[:SHOWN]
        column = min(max(len(problem.where) for problem in shown), max(20, self.width * 2 // 5))
        for problem in shown:
            yield from self.line(problem, column)
        if len(shown) < len(problems):
            yield f"    … and {len(problems) - len(shown)} more (--all lists them, --json has them)"

    def line(self, problem: Problem, column: int) -> Iterator[str]:
        """Set one problem: where it is, and beside it what was found; below it, if the place is too long."""
        room = self.width - column - 8
        found = textwrap.wrap(problem.found, room, break_on_hyphens=False) or [""]
        if len(problem.where) > column:
            yield f"    • {problem.where}"
            yield from (" " * (column + 8) + each for each in found)
            return
        yield f"    • {problem.where:<{column}}  {found[0]}"
        yield from (" " * (column + 8) + each for each in found[1:])

    def counts(self, report: Report) -> Iterator[str]:
        """Say what there is: structures by state, parts, raters, patients."""
        counts = report.counts
        if counts.states:
            yield from ("", self.rule("FRAMES BY STRUCTURE AND STATE"), "")
            yield from self.table("structure", counts.states)
        for path, parts in counts.parts.items():
            yield from ("", self.rule(f"SPLIT {path}"), "")
            yield from self.table("part", parts)
        if counts.raters:
            yield from ("", self.rule("RATERS"), "")
            yield from self.table(
                "rater", {name: {"frames judged": each} for name, each in counts.raters.items()}
            )
        if len(counts.patients) > 1:
            shown = dict(list(counts.patients.items())[: None if self.show_all else SHOWN_PATIENTS])
            yield from ("", self.rule("PATIENTS", f"{len(counts.patients)}"), "")
            kinds = {tuple(row.values()) for row in counts.patients.values()}
            if len(kinds) == 1 and not self.show_all:
                each = next(iter(counts.patients.values()))
                yield "  each: " + ", ".join(
                    _counted(name, number) for name, number in each.items() if number
                )
                return
            yield from self.table("patient", shown)
            if len(shown) < len(counts.patients):
                yield f"  … and {len(counts.patients) - len(shown)} more (--all lists them, --json has them)"

    def table(self, corner: str, rows: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
        """Set numbers in columns; zeros are dots, so that what is there stands out."""
        columns = [name for name in next(iter(rows.values()), {}) if any(row[name] for row in rows.values())]
        widest = self.width - sum(len(column) + 3 for column in columns) - 2
        first = max(8, min(max(len(corner), *map(len, rows)), widest))
        head = "".join(f"{column.replace('_', ' '):>{len(column) + 3}}" for column in columns)
        yield self.paint(f"  {corner:<{first}}{head}", _FAINT)
        for name, cells in rows.items():
            label = name if len(name) <= first else name[: first - 1] + "…"
            numbers = "".join(f"{cells[column] or '·':>{len(column) + 3}}" for column in columns)
            yield f"  {label:<{first}}{numbers}"

    def verdict(self, report: Report) -> str:
        """Return one line that says whether the dataset can be used."""
        errors, warnings = len(report.errors), len(report.warnings)
        if errors:
            told = f"✗ {_many(errors, 'error')}" + (f", {_many(warnings, 'warning')}" if warnings else "")
            return self.paint(f"{told}: mend the errors before using this dataset.", _RED)
        if warnings:
            return self.paint(f"✓ no error; {_many(warnings, 'warning')}: have a look.", _YELLOW)
        return self.paint("✓ no problem found.", _GREEN)


def _counted(name: str, number: int) -> str:
    """Return "1 video", "3 videos", "3 labelled"."""
    return f"{number} {name.removesuffix('s') if number == 1 else name}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
