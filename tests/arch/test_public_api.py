"""The names that users build upon are pinned: changing a signature of `agglo.__all__` means renewing a golden file on purpose.

The same text is made by `python tests/golden/renew_public_api.py`, which imports this file.
"""

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import agglo

GOLDEN = Path(__file__).parents[1] / "golden" / "public_api.txt"

Definition = ast.FunctionDef | ast.ClassDef


def describe_public_api() -> str:
    """Return one line per public signature: those of `agglo.__all__`, and the methods of what they return or are."""
    lines = []
    for name in sorted(agglo.__all__):
        value = getattr(agglo, name)
        if isinstance(value, FunctionType | type):
            lines += _lines_of(name, value.__module__, value.__qualname__)
        else:
            lines.append(f"{name}: {type(value).__name__}")
    return "\n".join(lines) + "\n"


def _lines_of(name: str, module: str, definition_name: str) -> Iterator[str]:
    definition = _find_definition(module, definition_name)
    if isinstance(definition, ast.ClassDef):
        yield f"class {name}"
        yield from (f"    {line}" for line in _members(definition))
        return
    yield f"{name}{_signature(definition)}"
    if isinstance(definition.returns, ast.Name):
        returned = getattr(importlib.import_module(module), definition.returns.id, None)
        if isinstance(returned, type) and returned.__module__.startswith("agglo"):
            yield from _lines_of(returned.__name__, returned.__module__, returned.__qualname__)


def _find_definition(module: str, name: str) -> Definition:
    """Return the definition of a top-level name in the source of a module: what was written, whatever wraps it at run time."""
    file = inspect.getsourcefile(importlib.import_module(module))
    assert file is not None
    body = ast.parse(Path(file).read_text(encoding="utf-8")).body
    return next(node for node in body if isinstance(node, Definition) and node.name == name)


def _members(definition: ast.ClassDef) -> Iterator[str]:
    for node in definition.body:
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and not node.target.id.startswith("_")
        ):
            yield ast.unparse(node)
        if isinstance(node, ast.FunctionDef) and (
            node.name in {"__init__", "__call__"} or not node.name.startswith("_")
        ):
            decorators = "".join(f"@{ast.unparse(decorator)} " for decorator in node.decorator_list)
            yield f"{decorators}{node.name}{_signature(node)}"


def _signature(function: ast.FunctionDef) -> str:
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    return f"({ast.unparse(function.args)}){returns}"


def test_public_names_and_signatures_are_as_recorded() -> None:
    assert describe_public_api() == GOLDEN.read_text(encoding="utf-8"), (
        "the public interface has changed; if it was meant to, say so in CHANGELOG.md and run"
        " `python tests/golden/renew_public_api.py`"
    )
