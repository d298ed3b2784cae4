"""Images per second of distilling on this machine: three teachers from Agglo's store against lightly-train's one online teacher.

    python -m venv runs/lightly-env && runs/lightly-env/bin/pip install "lightly-train[timm]==0.18.0"
    python results/against_lightly.py --other runs/lightly-env/bin/python

The same pictures (phantom frames), the same backbone (repvit_m0_9), 224 px, batches of 16, float32, all else by default; in turn,
each in a process of its own. lightly-train: `method="distillation"`, ViT-S/14 with random weights, which cost what trained ones do.
Agglo: `agglo distill` with the three lab teachers, its neck and heads included. Counted from optimizer step to optimizer step, the
first few left out. A store has to be filled first, so the figures say what that adds for so many epochs.
"""

import argparse
import importlib
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

BATCH, SIZE_PX, STUDENT = 16, 224, "repvit_m0_9"
PATIENTS, FRAMES, STEPS, WARMUP = 20, 8, 40, 8
EPOCHS = (2, 10, 100)


def main() -> None:
    """Compare, or be one of the two processes that a comparison starts."""
    parser = argparse.ArgumentParser(description="Images per second against lightly-train.")
    parser.add_argument("--other", type=Path, help="python of an environment that has lightly-train")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("runs/lightly"))
    parser.add_argument("--out", type=Path, default=Path("results/against-lightly.json"))
    parser.add_argument("--side", choices=("agglo", "lightly"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        found = {"agglo": of_agglo, "lightly": of_lightly}[options.side](options.work)
        sys.stdout.write("\n" + json.dumps(found) + "\n")
    elif options.other is None:
        parser.error("--other must name the python of an environment that has lightly-train")
    else:
        _compare(options.other, options.work, options.rounds, options.out)


def of_agglo(work: Path) -> dict[str, Any]:
    """Distil from a fresh store."""
    from agglo.config.schema import Recipe
    from agglo.core.files import read_json
    from agglo.recipes.run import run

    training = {"steps": STEPS, "batch_size": BATCH}
    recipe = Recipe.model_validate(
        {
            "name": "against-lightly",
            "out": str(work / f"agglo-{time.time_ns()}"),
            "data": {"folder": str(work / "dataset"), "split": {"fractions": [0.8, 0.1, 0.1]}},
            "teachers": [{"name": name} for name in ("lab-sam", "lab-dino", "lab-clip")],
            "views": {"per_frame": 1},
            "student": {"name": "repvit", "input_px": SIZE_PX},
            "distill": training,
            "align": training,
            "device": {"accelerator": "cpu", "precision": "32-true"},
        }
    )
    per_s = _counted(lambda: run(recipe, last="distill"))
    facts = read_json(recipe.out / "features" / "stage.json")["facts"]
    return {"images_per_s": per_s, "extract_s_per_view": facts["wall_s"] / facts["samples"]}


def of_lightly(work: Path) -> dict[str, Any]:
    """Distil with an online teacher."""
    lightly_train = importlib.import_module("lightly_train")  # of the other environment
    pictures = work / "dataset" / "images"
    number = len(list(pictures.rglob("*.png")))

    def train() -> None:
        lightly_train.pretrain(
            out=str(work / f"lightly-{time.time_ns()}"),
            data=str(pictures),
            model=f"timm/{STUDENT}",
            method="distillation",
            method_args={"teacher": "dinov2/vits14-noreg-notpretrained"},
            epochs=-(-STEPS // (number // BATCH)),
            batch_size=BATCH,
            accelerator="cpu",
            precision="32-true",
            transform_args={"image_size": (SIZE_PX, SIZE_PX)},
            model_args={"pretrained": False},
        )

    return {"images_per_s": _counted(train), "version": lightly_train.__version__}


def _counted(train: Callable[[], Any]) -> float:
    """Return images per second between the optimizer steps of `train`, the first ones left out."""
    at: list[float] = []
    handle = register_optimizer_step_post_hook(lambda *_: at.append(time.perf_counter()))
    train()
    handle.remove()
    return BATCH * (len(at) - 1 - WARMUP) / (at[-1] - at[WARMUP])


def _compare(other: Path, work: Path, rounds: int, out: Path) -> None:
    from agglo.config.schema import PhantomConfig
    from agglo.recipes.environment import environment
    from agglo.recipes.phantom import make_phantom

    if not (work / "dataset" / "dataset.json").exists():
        make_phantom(work / "dataset", PhantomConfig(patients=PATIENTS, frames=FRAMES))
    found: dict[str, list[dict[str, Any]]] = {"lightly": [], "agglo": []}
    for number in range(rounds):
        for side, python in (("lightly", str(other)), ("agglo", sys.executable)):
            ended = subprocess.run(
                [python, __file__, "--side", side, "--work", str(work)],
                capture_output=True,
                text=True,
                check=False,
            )
            if ended.returncode:
                raise SystemExit(f"{side} ended with {ended.returncode}:\n{ended.stderr[-3000:]}")
            found[side].append(json.loads(ended.stdout.strip().splitlines()[-1]))
            sys.stdout.write(f"round {number + 1}, {side}: {found[side][-1]['images_per_s']:.2f} images/s\n")
            sys.stdout.flush()
    figures = _figures(found)
    kept = {"what": __doc__, "rounds": found, "figures": figures, "environment": environment()}
    out.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


def _figures(found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return medians over rounds, and ratios within them, with and without extraction shared out over epochs."""

    def ratios(epochs: float) -> list[float]:
        return [
            1 / (1 / one["images_per_s"] + one["extract_s_per_view"] / epochs) / other["images_per_s"]
            for one, other in zip(found["agglo"], found["lightly"], strict=True)
        ]

    cases = {"from_a_filled_store": float("inf"), **{f"over_{epochs}_epochs": epochs for epochs in EPOCHS}}
    return {
        "lightly_images_per_s": statistics.median(one["images_per_s"] for one in found["lightly"]),
        "agglo_images_per_s": statistics.median(one["images_per_s"] for one in found["agglo"]),
        "agglo_over_lightly": {
            name: {"median": statistics.median(ratios(e)), "min": min(ratios(e)), "max": max(ratios(e))}
            for name, e in cases.items()
        },
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
    }


if __name__ == "__main__":
    main()
