"""A file of the sources fits in one sitting (300 lines, functions of 40, seven parameters), and everything says what it is."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "runtime" / "src").rglob("*.py")])
MAX_FILE_LINES = 300
MAX_BODY_LINES = 40  # without the docstring
MAX_PARAMETERS = 7  # without `self` and `cls`

TORCHS_OWN = {
    "forward",
    "train",
}  # methods that torch defines; the docstring of the class says what they take and give

MAX_EXCEPTIONS = 3
EXCEPTIONS: dict[str, str] = {  # "path" or "path:function" -> "yyyy-mm-dd: why"
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def body_lines(function: Function) -> int:
    """Return how many lines the body of a function spans, its docstring left out."""
    has_docstring = ast.get_docstring(function, clean=False) is not None
    statements = function.body[1:] if has_docstring else function.body
    if not statements:
        return 0
    return (statements[-1].end_lineno or 0) - statements[0].lineno + 1


def num_parameters(function: Function) -> int:
    """Return how many parameters a function takes; a first one called `self` or `cls` does not count."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    collecting = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    is_bound = bool(named) and named[0].arg in {"self", "cls"}
    return len(named) + len(collecting) - is_bound


def over_budget(code: str, *, path: str) -> list[str]:
    """Return one sentence for everything in `code` that is too large, except what is excused by name."""
    found = []
    lines = code.count("\n")
    if lines > MAX_FILE_LINES and path not in EXCEPTIONS:
        found.append(f"{path}: {lines} lines, at most {MAX_FILE_LINES}")
    for function in [node for node in ast.walk(ast.parse(code)) if isinstance(node, Function)]:
        place = f"{path}:{function.name}"
        if place in EXCEPTIONS:
            continue
        if body_lines(function) > MAX_BODY_LINES:
            found.append(f"{place}: a body of {body_lines(function)} lines, at most {MAX_BODY_LINES}")
        if num_parameters(function) > MAX_PARAMETERS:
            found.append(f"{place}: {num_parameters(function)} parameters, at most {MAX_PARAMETERS}")
    return found


def without_docstring(code: str) -> list[str]:
    """Return the public names of a module (`module` for itself) that have no docstring; what is nested in functions is private."""
    tree = ast.parse(code)
    found = [] if ast.get_docstring(tree) else ["module"]
    return found + [name for name, node in _public(tree, "") if not ast.get_docstring(node)]


def _public(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, ast.ClassDef | Function]]:
    for child in node.body:
        if not isinstance(child, ast.ClassDef | Function) or child.name.startswith("_"):
            continue
        yield prefix + child.name, child
        if isinstance(child, ast.ClassDef):
            yield from _public(child, f"{prefix}{child.name}.")


def relative(file: Path) -> str:
    """Return the path of a file as the project names it."""
    return file.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("file", FILES, ids=relative)
def test_a_file_fits_in_one_sitting(file: Path) -> None:
    assert over_budget(file.read_text(encoding="utf-8"), path=relative(file)) == []


@pytest.mark.parametrize("file", FILES, ids=relative)
def test_everything_public_says_what_it_is(file: Path) -> None:
    code = file.read_text(encoding="utf-8")
    found = [name for name in without_docstring(code) if name.rpartition(".")[2] not in TORCHS_OWN]
    assert found == []


def test_exceptions_are_few_and_dated() -> None:
    assert len(EXCEPTIONS) <= MAX_EXCEPTIONS
    for place, reason in EXCEPTIONS.items():
        assert (ROOT / place.partition(":")[0]).exists(), f"{place} is gone: take it off the list"
        assert re.match(r"20\d\d-\d\d-\d\d: .", reason), f"{place}: say since when, and why"


def function_of(lines: int) -> str:
    """Return a made-up function whose body has `lines` lines."""
    return 'def f():\n    """Docstring.\n\n    Which does not count.\n    """\n' + "    x = 1\n" * lines


BUDGET_CASES = {  # name: (code, sentences that must be found)
    "small": (function_of(40), []),
    "long file": ("x = 1\n" * 301, ["p.py: 301 lines, at most 300"]),
    "long function": (function_of(41), ["p.py:f: a body of 41 lines, at most 40"]),
    "method": ("class A:\n    def m(self, a, b, c, d, e, f, g): ...\n", []),
    "many parameters": ("def f(a, b, c, d, *, e, f, g, h): ...\n", ["p.py:f: 8 parameters, at most 7"]),
    "collected parameters": ("def f(a, b, c, d, e, f, *g, **h): ...\n", ["p.py:f: 8 parameters, at most 7"]),
    "only a docstring": ('def f():\n    """Nothing."""\n', []),
}


@pytest.mark.parametrize(("code", "expected"), BUDGET_CASES.values(), ids=BUDGET_CASES)
def test_what_is_too_large_is_found(code: str, expected: list[str]) -> None:
    assert over_budget(code, path="p.py") == expected


DOCSTRING_CASES = {  # name: (code, names that must be found)
    "all there": ('"""M."""\n\n\ndef f():\n    """F."""\n\n\ndef _g(): ...\n', []),
    "module": ("x = 1\n", ["module"]),
    "method": ('"""M."""\n\n\nclass A:\n    """A."""\n\n    def m(self): ...\n', ["A.m"]),
    "class": ('"""M."""\n\n\nclass A:\n    x = 1\n', ["A"]),
    "nested": ('"""M."""\n\n\ndef f():\n    """F."""\n    def g(): ...\n', []),
}


@pytest.mark.parametrize(("code", "expected"), DOCSTRING_CASES.values(), ids=DOCSTRING_CASES)
def test_missing_docstrings_are_found(code: str, expected: list[str]) -> None:
    assert without_docstring(code) == expected
