"""A grid of two cells from frames to tables: killed within a cell it goes on, and ends in the figures of one that never stopped."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from agglo.ablate import cell
from agglo.cli.console import app
from agglo.config.schema import PhantomConfig
from agglo.recipes.phantom import make_phantom

BASE = """
name: tiny
out: nowhere
data:
  folder: DATA
  split: {fractions: [0.4, 0.1, 0.5]}
views: {per_frame: 1}
teachers: [{name: lab-clip}]
student: {input_px: 64}
distill: {steps: 2, batch_size: 2}
align: {steps: 4, batch_size: 2, log_every: 1, checkpoint_every_s: 0, validations: 4, val_frames: 1}
device: {accelerator: cpu, threads: 1}
"""
GRID = """
name: tiny grid
out: nowhere
base: base.yaml
patients: [1]
seeds: [0]
encoder: [finetune]
learning_rates: [0.001]
arms:
  supervised: {kind: supervised}
  all: {teachers: [{name: lab-clip}]}
"""
KILLED = """
import os, signal, sys
from pathlib import Path
from agglo.ablate.engine import work_through
from agglo.ablate.load import load_grid

def tell(stage):
    def progress(done, total, note="", *, left_s=None):
        if stage == "all-finetune-n01-s0" and done == 3:
            os.kill(os.getpid(), signal.SIGKILL)
    return progress

work_through(load_grid(Path(sys.argv[1]), sys.argv[2:]), tell=tell)
"""
NAMES = ("all-finetune-n01-s0", "supervised-finetune-n01-s0")


def figures(folder: Path) -> dict[str, Any]:
    """Return all that cells hold but seconds and how often they were scored."""
    found = {}
    for name in NAMES:
        content = json.loads((folder / "cells" / f"{name}.json").read_text())
        found[name] = {key: value for key, value in content.items() if key not in {"wall_s", "environment"}}
    return found


def ablate(grid: Path, *words: str) -> str:
    """Run `agglo ablate` in this process and return what it printed."""
    done = CliRunner().invoke(app, ["ablate", str(grid), *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grid whose making was killed in the third step of its second cell."""
    folder = tmp_path_factory.mktemp("grid")
    data = make_phantom(
        folder / "data", PhantomConfig(patients=10, frames=1, size_px=64, seed=3), workers=1
    )  # in this process, which has all that takes seconds to import
    (folder / "base.yaml").write_text(BASE.replace("DATA", str(data)))
    (folder / "grid.yaml").write_text(GRID)
    words = [sys.executable, "-c", KILLED, str(folder / "grid.yaml"), f"out={folder / 'out'}"]
    # with the threads of this process, which goes on with it: other threads may round otherwise
    killed = subprocess.run(words, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    return folder / "grid.yaml"


def test_a_killed_grid_goes_on_and_ends_in_the_same_figures(
    grid: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, whole = grid.parent / "out", grid.parent / "whole"
    assert [path.stem for path in (out / "cells").glob("*.json")] == [NAMES[1]], "one of two was made before"
    before = (out / "cells" / f"{NAMES[1]}.json").read_bytes()
    left = out / "work" / NAMES[0]
    assert (left / "checkpoint.pt").exists()
    assert not (out / "work" / NAMES[1]).exists(), "a finished cell leaves only its file"
    shutil.copytree(out, whole)
    for folder in ("work", "cells", "distilled"):
        shutil.rmtree(whole / folder)
    (whole / "log.jsonl").unlink()

    monkeypatch.setattr(cell.shutil, "rmtree", lambda *_, **__: None)  # so that weights can be compared too
    text = ablate(grid, f"out={out}")
    assert "1 cells made, 0 left" in text
    assert (out / "cells" / f"{NAMES[1]}.json").read_bytes() == before, "what is done stays"
    assert "2 cells made, 0 left" in ablate(grid, f"out={whole}")
    assert figures(out) == figures(whole)
    for name in ("checkpoint.pt", "best.pt"):
        resumed, straight = (
            torch.load(place / "work" / NAMES[0] / name, weights_only=True)["task"] for place in (out, whole)
        )
        assert resumed.keys() == straight.keys()
        assert all(torch.equal(resumed[key], straight[key]) for key in straight), name

    content = figures(out)
    assert {each["scorings_of_test"] for each in content.values()} == {1}
    assert len({each["labels"]["which"] for each in content.values()}) == 1
    assert len(content[NAMES[0]]["training"]["curve"]) == 4
    budget = content[NAMES[1]]["budget"]
    assert (
        content[NAMES[1]]["training"]["steps"]
        == budget["steps"]
        == int(budget["budget_s"] / budget["step_s"])
    )


def test_a_finished_grid_has_its_tables_and_nothing_left_to_do(grid: Path) -> None:
    out = f"out={grid.parent / 'out'}"
    text = ablate(grid, out)
    assert "nothing to do" in text
    assert "PHANTOM (synthetic patients): tiny grid" in text
    table = json.loads((grid.parent / "out" / "table.json").read_text())
    assert [row["arm"] for row in table["tests"]["test"]["rows"]] == ["supervised", "all"]
    assert table["tests"]["test"]["patients"] == 5
    assert "done" in ablate(grid, out, "--list")


def test_a_grid_of_other_settings_touches_nothing(grid: Path) -> None:
    cells = grid.parent / "out" / "cells"
    before = {path: path.stat().st_mtime_ns for path in cells.iterdir()}
    for words in (["set.align.steps=5"], ["set.align.steps=5", "--collect"]):
        refused = CliRunner().invoke(app, ["ablate", str(grid), f"out={grid.parent / 'out'}", *words])
        assert refused.exit_code != 0
        assert "other settings" in str(refused.exception) or "made with others" in str(refused.exception)
    assert {path: path.stat().st_mtime_ns for path in cells.iterdir()} == before
