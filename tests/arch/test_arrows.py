"""Import arrows point down: a folder imports only what the table names, nothing goes in circles, and the runtime needs no torch."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = {"agglo": ROOT / "src", "agglo_runtime": ROOT / "runtime" / "src"}

BELOW_RECIPES = (
    "agglo_runtime core config data phantom teachers students decoders features"
    " train distill align lab evaluate predict report"
)
MAY_IMPORT = {
    "agglo_runtime": "",
    "core": "agglo_runtime",
    "config": "core",
    "data": "agglo_runtime core",
    "phantom": "agglo_runtime core",
    "teachers": "core",
    "students": "core",
    "decoders": "core",
    "features": "core data teachers",
    "train": "core data",
    "distill": "core data students decoders features train",
    "align": "core data students decoders train distill",
    "lab": "core data phantom teachers students decoders train distill align",
    "evaluate": "core data",
    "predict": "agglo_runtime core students decoders",
    "report": "core evaluate",
    "recipes": BELOW_RECIPES,
    "ablate": f"{BELOW_RECIPES} recipes",
    "bench": f"{BELOW_RECIPES} recipes",
    "cli": "recipes ablate bench config core",
    "__main__": "cli",  # `python -m agglo`
    "__init__": BELOW_RECIPES,  # the package's own front: `agglo.load`, `agglo.open_dataset`
}
RUNTIME_NEEDS = {"numpy", "PIL"}


def module_name(file: Path, source: Path) -> str:
    """Return the dotted name of a file, a package standing for its `__init__.py`."""
    parts = file.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(tree: ast.Module, *, package: str) -> set[str]:
    """Return every dotted name that a module of `package` imports, at any depth of its code; relative ones are resolved."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            names.update(f"{origin}.{alias.name}" for alias in node.names)
    return names


def folder_of(name: str) -> str | None:
    """Return the folder of the table to which an imported name belongs; none for other packages and for `agglo.__version__`."""
    first, *rest = name.split(".")
    if first == "agglo_runtime":
        return first
    if first != "agglo" or rest[:1] == ["__version__"]:
        return None
    is_folder = bool(rest) and rest[0] in MAY_IMPORT
    return rest[0] if is_folder else "__init__"


def forbidden_imports(code: str, *, module: str, is_package: bool = False) -> set[str]:
    """Return the folders that the code of `module` imports against the table."""
    package = module if is_package else module.rpartition(".")[0]
    folders = {folder_of(name) for name in imported_names(ast.parse(code), package=package)} - {None}
    own = folder_of(f"{module}.__doc__")
    assert own is not None
    return {str(folder) for folder in folders} - {own} - set(MAY_IMPORT[own].split())


class WithoutTypeChecking(ast.NodeTransformer):
    """Takes out what only a type checker imports: it makes no circle when the program runs."""

    def visit_If(self, node: ast.If) -> ast.AST:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return ast.Pass()
        return self.generic_visit(node)


def import_graph(codes: Mapping[str, tuple[str, bool]]) -> dict[str, set[str]]:
    """Return, for each module, which of the others it imports; `codes` gives each module's code and whether it is a package."""
    graph = {}
    for module, (code, is_package) in codes.items():
        tree = WithoutTypeChecking().visit(ast.parse(code))
        names = imported_names(tree, package=module if is_package else module.rpartition(".")[0])
        graph[module] = {_known(name, codes) for name in names} - {"", module}
    return graph


def _known(name: str, modules: Iterable[str]) -> str:
    """Return the module that an imported name lies in: the name itself, or what it is taken from; empty when it is not ours."""
    origin = name.rpartition(".")[0]
    return name if name in modules else origin if origin in modules else ""


def find_cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the modules of one import cycle, in order; empty when there is none."""
    finished: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in finished:
            return []
        for imported in sorted(graph[module]):
            if cycle := visit(imported, [*path, module]):
                return cycle
        finished.add(module)
        return []

    return next((cycle for module in sorted(graph) if (cycle := visit(module, []))), [])


MODULES = {
    module_name(file, source): file for source in SOURCES.values() for file in sorted(source.rglob("*.py"))
}


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downwards(module: str) -> None:
    file = MODULES[module]
    found = forbidden_imports(
        file.read_text(encoding="utf-8"), module=module, is_package=file.name == "__init__.py"
    )
    allowed = MAY_IMPORT[folder_of(f"{module}.__doc__") or ""]
    assert not found, f"{module} may import only [{allowed}], not {sorted(found)}: see ARCHITECTURE.md"


def test_everything_at_the_top_is_in_the_table() -> None:
    package = SOURCES["agglo"] / "agglo"
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    files = {path.stem for path in package.glob("*.py")}
    assert folders | files == set(MAY_IMPORT) - {"agglo_runtime"}


def test_imports_do_not_go_in_circles() -> None:
    codes = {
        module: (file.read_text(encoding="utf-8"), file.name == "__init__.py")
        for module, file in MODULES.items()
        if module != "agglo"  # the front reaches for the rooms only when a name is asked of it
    }
    assert find_cycle(import_graph(codes)) == []


def test_the_runtime_needs_numpy_and_pillow_only() -> None:
    code = """
import sys
before = set(sys.modules)
import agglo_runtime, importlib, pkgutil
for module in pkgutil.walk_packages(agglo_runtime.__path__, "agglo_runtime."):
    importlib.import_module(module.name)
names = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(name for name in names - sys.stdlib_module_names if not name.startswith("_")))
"""
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert set(answer.stdout.split()) <= {"agglo_runtime"} | RUNTIME_NEEDS


FORBIDDEN_CASES = {  # name: (module, is a package, code, folders that must be found)
    "allowed": ("agglo.train.loop", False, "from agglo.core.seeds import generator\nimport torch", set()),
    "own folder": ("agglo.train.loop", False, "from agglo.train.ema import Average", set()),
    "upwards": ("agglo.train.loop", False, "from agglo.distill.heads import Head", {"distill"}),
    "plain import": ("agglo.evaluate.metrics", False, "import agglo.predict.predictor", {"predict"}),
    "folder as a name": ("agglo.data.views", False, "from agglo import recipes", {"recipes"}),
    "relative, own": ("agglo.train.loop", False, "from .ema import Average", set()),
    "relative, upwards": ("agglo.train.loop", False, "from ..recipes import build", {"recipes"}),
    "relative, from a package": (
        "agglo.train",
        True,
        "from ..lab import scenes\nfrom .loop import run",
        {"lab"},
    ),
    "inside a function": (
        "agglo.core.seeds",
        False,
        "def f():\n    from agglo.data import open_dataset",
        {"data"},
    ),
    "the runtime looks up": ("agglo_runtime.images", False, "from agglo.core import errors", {"core"}),
    "the runtime, not granted": (
        "agglo.train.loop",
        False,
        "from agglo_runtime import images",
        {"agglo_runtime"},
    ),
    "the front": ("agglo.cli.predict", False, "from agglo import load", {"__init__"}),
    "the version": ("agglo.core.runlog", False, "from agglo import __version__", set()),
}


@pytest.mark.parametrize(
    ("module", "is_package", "code", "expected"), FORBIDDEN_CASES.values(), ids=FORBIDDEN_CASES
)
def test_forbidden_imports_are_found(module: str, is_package: bool, code: str, expected: set[str]) -> None:
    assert forbidden_imports(code, module=module, is_package=is_package) == expected


CYCLE_CASES = {  # name: (code of each module, the cycle that must be found)
    "none": ({"agglo.a.x": "from agglo.a import y", "agglo.a.y": "import os"}, []),
    "two": (
        {"agglo.a.x": "from agglo.a import y", "agglo.a.y": "from agglo.a.x import f"},
        ["agglo.a.x", "agglo.a.y", "agglo.a.x"],
    ),
    "for types only": (
        {
            "agglo.a.x": "if TYPE_CHECKING:\n    from agglo.a import y",
            "agglo.a.y": "from agglo.a.x import f",
        },
        [],
    ),
    "through a function": (
        {
            "agglo.a.x": "import agglo.a.y",
            "agglo.a.y": "def f():\n    from .z import g",
            "agglo.a.z": "from . import x",
        },
        ["agglo.a.x", "agglo.a.y", "agglo.a.z", "agglo.a.x"],
    ),
}


@pytest.mark.parametrize(("codes", "expected"), CYCLE_CASES.values(), ids=CYCLE_CASES)
def test_cycles_are_found(codes: dict[str, str], expected: list[str]) -> None:
    assert find_cycle(import_graph({module: (code, False) for module, code in codes.items()})) == expected
