"""The documentation tells the truth: its Python blocks run, its links lead somewhere, and the files and commands it names exist.

A block under a line `<!-- needs: model -->` finds a picture and an untrained model where the demo would have left a trained one,
one under `<!-- needs: distilled -->` what a distillation would have left.
"""

import ast
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from small_model import write_small_distilled, write_small_model

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("runtime/*.md")])
HOMES = (
    ROOT,
    ROOT / "src",
    ROOT / "src" / "agglo",
    ROOT / "runtime" / "src",
    ROOT / "runtime" / "src" / "agglo_runtime",
)


@dataclass(frozen=True)
class Block:
    """A fenced block of code: where it begins, what the comment above it says it needs, its code."""

    page: Path
    line: int
    needs: str
    code: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path, language: str) -> list[Block]:
    """Return the fenced blocks of `language` on a page."""
    text = page.read_text(encoding="utf-8")
    pattern = rf"^(?:<!-- needs: (?P<needs>\w+) -->\n)?```{language}\n(?P<code>.*?)^```$"
    return [
        Block(page, text.count("\n", 0, match.start("code")) + 1, match["needs"] or "", match["code"])
        for match in re.finditer(pattern, text, flags=re.MULTILINE | re.DOTALL)
    ]


PYTHON_BLOCKS = [block for page in PAGES for block in blocks_of(page, "python")]
SHELL_BLOCKS = [block for page in PAGES for block in blocks_of(page, "bash")]


@pytest.mark.parametrize("block", PYTHON_BLOCKS, ids=str)
def test_a_python_block_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if block.needs == "model":
        for run in ("phantom-quick", "pointing"):
            write_small_model(tmp_path / "runs" / run / "model")
        ramp = np.linspace(0, 255, 96 * 128).reshape(96, 128).astype(np.uint8)
        Image.fromarray(ramp).save(tmp_path / "frame.png")
    if block.needs == "distilled":
        write_small_distilled(tmp_path / "runs" / "phantom-quick" / "distill")
    monkeypatch.chdir(tmp_path)
    exec(compile(block.code, str(block), "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page: Path) -> None:
    targets = re.findall(
        r"\]\((?!https?:|#|mailto:)([^)#\s]+)|(?:src|srcset|href)=\"(?!https?:|#)([^\"#]+)\"",
        page.read_text("utf-8"),
    )
    missing = [
        target for pair in targets for target in pair if target and not (page.parent / target).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_named_files_and_functions_exist(page: Path) -> None:
    """A page names code as `room/file.py` or `room/file.py:name`, other files from the top; NAME stands for any name."""
    missing = []
    for file, name in re.findall(r"`([\w./-]+\.(?:py|yaml|toml|txt))(?::(\w+))?`", page.read_text("utf-8")):
        homes = [home / file for home in HOMES if (home / file).is_file()]
        if "NAME" not in file and not (homes and (not name or name in top_level_names(homes[0]))):
            missing.append(f"{file}:{name}")
    assert missing == []


def top_level_names(file: Path) -> set[str]:
    """Return the functions and classes that a file defines."""
    body = ast.parse(file.read_text("utf-8")).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


@pytest.mark.parametrize("block", SHELL_BLOCKS, ids=str)
def test_a_shell_block_names_real_commands(block: Block) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    verbs = known_verbs()
    for line in block.code.splitlines():
        if found := re.match(r"make (\w+)", line):
            assert found[1] in targets, line
        if found := re.match(r"agglo (\w+)", line):
            assert found[1] in verbs, line
        for recipe in re.findall(r"recipes/[\w.-]+", line):
            assert (ROOT / recipe).exists(), line


def known_verbs() -> set[str]:
    """Return the verbs that `agglo --help` lists."""
    code = "import sys; sys.argv = ['agglo', '--help']; from agglo.cli.console import main; main()"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(re.findall(r"^\W*([a-z]+)\s{2,}", answer.stdout, flags=re.MULTILINE))


def test_blocks_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "a\n```python\nx = 1\n```\n\n<!-- needs: model -->\n```python\ny = 2\n```\n```bash\nls\n```\n"
    )
    found = [(block.line, block.needs, block.code) for block in blocks_of(page, "python")]
    assert found == [(3, "", "x = 1\n"), (8, "model", "y = 2\n")]
