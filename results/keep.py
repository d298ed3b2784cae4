"""What is worth keeping of a finished run or grid, as one small file: tables, what each stage did, and the machine.

    python results/keep.py runs/phantom results/phantom.json --command "agglo run recipes/phantom.yaml"
    python results/keep.py runs/baselines-phantom results/baselines-phantom.json --command "agglo ablate GRID"

Random parts of a student are not listed again. Of a grid its table as text and its curve are kept beside the file. No picture of a
patient is kept; the file holds means and counts alone, but whoever keeps figures of private patients decides whether these may be
shown.
"""

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from agglo.core.files import read_json, write_json

STAGES = ("dataset", "extract", "distill", "align", "light", "supervised", "evaluate")


def main() -> int:
    """Keep what the command line asks for."""
    options = _options()
    try:
        keep = keep_grid if (options.run / "cells").is_dir() else keep_run
        keep(options.run, options.out, options.command)
    except FileNotFoundError as problem:
        sys.stderr.write(
            f"{options.run} must be the folder of a finished run or grid, but lacks {problem.filename}\n"
        )
        return 2
    sys.stdout.write(f"kept {options.run} as {options.out}\n")
    return 0


def keep_run(run: Path, out: Path, command: str) -> None:
    """Keep a run."""
    write_json(out, kept(run, command))


def keep_grid(grid: Path, out: Path, command: str) -> None:
    """Keep a grid: its table, what a step of each kind cost, the machine; and the table as text, and its curve."""
    probe = read_json(grid / "probe.json")
    write_json(
        out,
        {
            "command": command,
            "table": read_json(grid / "table.json"),
            "seconds_a_step": probe["seconds"],
            "environment": probe["environment"],
        },
    )
    for name in ("table.md", "curve.png"):
        shutil.copyfile(grid / name, out.with_suffix(Path(name).suffix))


def kept(run: Path, command: str) -> dict[str, Any]:
    """Return tables, facts of stages and environment of a run; a table is None where the run has no such arm."""
    tables = {arm: run / "evaluate" / arm / "table.json" for arm in ("light", "supervised")}
    beside = {arm: read_json(table) if table.is_file() else None for arm, table in tables.items()}
    return {
        "command": command,
        "distilled": read_json(run / "evaluate" / "table.json"),
        "light": beside["light"],
        "masks_alone": beside["supervised"],
        "stages": {stage: _facts(run, stage) for stage in STAGES if _file(run, stage).is_file()},
        "environment": read_json(run / "environment.json"),
    }


def _file(run: Path, stage: str) -> Path:
    return run / ("features" if stage == "extract" else stage) / "stage.json"


def _facts(run: Path, stage: str) -> dict[str, Any]:
    facts: dict[str, Any] = read_json(_file(run, stage))["facts"]
    return facts


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Keep the figures of a finished run as one file.")
    parser.add_argument("run", type=Path, help="folder of the run or grid")
    parser.add_argument("out", type=Path, help="the file, .json")
    parser.add_argument("--command", required=True, help="what was typed to make the run")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
