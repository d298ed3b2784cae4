"""Neck x Dice x milliseconds: every neck is trained with the same small budget on phantom masks alone, and timed.

    python results/necks.py                                  # four necks on RepViT; goes on where it stopped
    python results/necks.py --students repvit,tinyvit --seeds 3

Each cell (student, neck, seed) has a folder below `--work`, with its checkpoint and its figures; cells that are done are skipped.
The table goes to `results/necks.json` after every cell. The budget is short: it shows how fast a neck learns with a random
encoder, not how far it gets.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agglo.bench.students import students_in_turn
from agglo.config.schema import PhantomConfig, Recipe
from agglo.core.files import write_json
from agglo.evaluate.scoring import ScoreRules
from agglo.evaluate.tables import table
from agglo.predict import Model, ModelConfig, Predictor
from agglo.recipes import build
from agglo.recipes.align import mask_source
from agglo.recipes.context import Run
from agglo.recipes.environment import environment
from agglo.recipes.phantom import make_phantom
from agglo.recipes.score import score_frames
from agglo.recipes.stage import Facts, Stage
from agglo.students import NECKS
from agglo.train import Place, fit

PHANTOM = PhantomConfig(patients=40, frames=8, size_px=256, seed=5)
INPUT_PX, BATCH = 160, 8
TRAINING = {
    "batch_size": BATCH,
    "learning_rate": 0.001,
    "warmup_steps": 20,
    "ema_decay": 0.97,
    "checkpoint_every_s": 20.0,
}
TIMED_ROUNDS = 20
THIN = ("bolus", "epiglottis")


def main() -> None:
    """Train, score and time what the command line asks for."""
    options = _options()
    dataset = options.work / "dataset"
    if not (dataset / "dataset.json").exists():
        make_phantom(dataset, PHANTOM)
    pairs = [(student, neck) for student in options.students for neck in options.necks]
    cells: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        for student, neck in pairs:
            cells.append(_cell(options.work, student, neck, seed, options.steps))
            _say(f"{student} {neck} seed {seed}: Dice {cells[-1]['dice']:.3f} in {cells[-1]['wall_s']:.0f} s")
            _write(options.out, cells, pairs, [])
    timing = Stage("timing", options.work / "timing", {"pairs": [" ".join(pair) for pair in pairs]})
    timing.run(lambda: {"rows": students_in_turn(pairs, rounds=TIMED_ROUNDS)})
    _write(options.out, cells, pairs, timing.facts["rows"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train every neck alike, score and time it.")
    parser.add_argument("--students", type=lambda text: text.split(","), default=["repvit"])
    parser.add_argument("--necks", type=lambda text: text.split(","), default=list(NECKS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--work", type=Path, default=Path("runs/necks"))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    return parser.parse_args()


def _recipe(folder: Path, dataset: Path, student: str, neck: str, seed: int, steps: int) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "necks",
            "out": str(folder),
            "seed": seed,
            "data": {"folder": str(dataset)},
            "teachers": [{"name": "lab-sam"}],  # a recipe names at least one; masks alone need none
            "student": {"name": student, "neck": neck, "input_px": INPUT_PX},
            "distill": {"steps": 1},
            "align": {**TRAINING, "steps": steps},
            "device": {"accelerator": "cpu", "precision": "32-true"},
        }
    )


def _cell(work: Path, student: str, neck: str, seed: int, steps: int) -> dict[str, Any]:
    """Train and score one cell, unless that is done; return its figures."""
    recipe = _recipe(work / f"{student}-{neck}-{seed}", work / "dataset", student, neck, seed, steps)
    build.check_names(recipe)
    run = Run(recipe)
    settings = {
        "phantom": run.dataset.fingerprint,
        "align": build.training_settings(recipe.align),
        "student": build.student_settings(recipe),
        "seed": seed,
    }
    stage = run.stage("train", settings)
    stage.run(lambda: _train_and_score(run, stage))
    return {"student": student, "neck": neck, "seed": seed, **stage.facts}


def _train_and_score(run: Run, stage: Stage) -> Facts:
    recipe, found = run.recipe, run.dataset
    source = mask_source(run)
    plan = build.plan(recipe.align, seed=recipe.seed, num_samples=len(source))
    task = build.supervised_task(recipe, len(found.structures))
    state = fit(task, source, plan, Place(stage.folder, stage.identity, build.device(recipe)))
    entry = task.student.entry
    config = ModelConfig(
        name="necks",
        student=task.student.arguments,
        decoder=build.decoder_options(recipe, task.student, len(found.structures)),
        structures=found.structures,
        input_px=recipe.student.input_px,
        mean=entry.mean,
        std=entry.std,
    )
    rules = ScoreRules()
    scored = score_frames(
        Predictor(Model(task.student, task.decoder, config)).masks, found, run.split["test"], rules
    )
    scores = table(scored.cases, split="test", groups=found.groups, teachers=[], is_phantom=True, rules=rules)
    return {
        "dice": scores["mean"]["dice"],
        "dice_ci95": scores["mean"]["dice_ci95"],
        "moving_dice": scores["mean"]["moving_dice"],
        "static_dice": scores["mean"]["static_dice"],
        **{f"{name}_dice": scores["structures"][name]["dice"] for name in THIN},
        "test_patients": scores["num_patients"],
        "test_frames": scores["num_frames"],
        "steps": plan.steps,
        "wall_s": round(state.wall_s, 1),
    }


def _write(
    out: Path,
    cells: Sequence[dict[str, Any]],
    pairs: Sequence[tuple[str, str]],
    timed: Sequence[dict[str, Any]],
) -> None:
    """Write the cells, and one row for each student and neck: means over seeds beside parameters and times."""
    rows = []
    for student, neck in pairs:
        own = [cell for cell in cells if (cell["student"], cell["neck"]) == (student, neck)]
        times = next((row for row in timed if (row["student"], row["neck"]) == (student, neck)), {})
        if own:
            keys = [key for key in own[0] if key.endswith("dice")]
            means = {key: _mean([cell[key] for cell in own]) for key in keys}
            rows.append({"student": student, "neck": neck, "seeds": len(own), **means, **times})
    write_json(
        out,
        {
            "what": "PHANTOM; masks alone, random first weights, the same small budget for every neck; ms for one picture",
            "command": " ".join(["python", "results/necks.py", *sys.argv[1:]]),
            "phantom": PHANTOM.model_dump(),
            "input_px": INPUT_PX,
            "rows": rows,
            "cells": list(cells),
            "environment": environment(),
        },
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
