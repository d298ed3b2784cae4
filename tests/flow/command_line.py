"""How flow tests call the program: as a user does, in a process of its own."""

import os
import subprocess
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

from agglo.cli import console
from agglo.core.runlog import read_log

ROOT = Path(__file__).parents[2]
THREADS = "1" if "PYTEST_XDIST_WORKER" in os.environ else "2"  # as in conftest
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": THREADS, "PYTHONWARNINGS": "ignore"}

TINY = (
    "data.phantom={patients: 8, frames: 6, size_px: 128, seed: 3}",
    "student.input_px=64",
    "distill.steps=12",
    "distill.batch_size=4",
    "distill.log_every=1",
    "distill.checkpoint_every_s=0",
    "align.steps=12",
    "align.batch_size=4",
    "align.log_every=1",
    "align.checkpoint_every_s=0",
    "align.validations=1",
    "device.accelerator=cpu",
    f"device.threads={THREADS}",
)
"""Overrides that make a run of seconds out of `recipes/phantom-quick.yaml`."""


def agglo(*words: str | Path, timeout_s: float = 240) -> subprocess.CompletedProcess[str]:
    """Run `agglo WORDS…` and return what came of it."""
    return subprocess.run(
        command(*words), capture_output=True, text=True, timeout=timeout_s, env=ENVIRONMENT, check=False
    )


def agglo_here(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `agglo WORDS…` in this very process, which spares seconds of imports; for what ends before anything is made."""
    said, complained, code = StringIO(), StringIO(), 0
    with patch.object(sys, "argv", ["agglo", *map(str, words)]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in `ENVIRONMENT`
        with redirect_stdout(said), redirect_stderr(complained):
            try:
                console.main()
            except SystemExit as end:
                code = int(end.code or 0)
    return subprocess.CompletedProcess(sys.argv, code, said.getvalue(), complained.getvalue())


def command(*words: str | Path) -> list[str]:
    """Return the command `agglo WORDS…` of this very environment."""
    return [sys.executable, "-m", "agglo", *map(str, words)]


def tiny(out: Path, *more: str) -> list[str]:
    """Return the words of a tiny run into `out`."""
    return ["run", str(ROOT / "recipes" / "phantom-quick.yaml"), f"out={out}", *TINY, *more]


def losses_of(run: Path) -> dict[str, list[float]]:
    """Return the losses of both stages, step by step."""
    return {
        stage: [round(entry["loss"], 5) for entry in read_log(run / stage / "log.jsonl") if "loss" in entry]
        for stage in ("distill", "align")
    }
