"""What a box and clicks are worth: Dice of the prompt decoder's masks on a run's test frames.

    python results/prompts.py RUN --out results/prompts.json

Each structure of a frame is asked for by its tight box, and by clicks: the first anywhere inside of it, every further one where the
last answer was wrong, which is given back with it. The model is that of the run, which must have been aligned with
`align.prompts: true`; beside it stands what it draws of the same structures without being asked.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from agglo.cli.progress import show
from agglo.config.load import load_recipe
from agglo.core.errors import AggloError
from agglo.core.files import write_json
from agglo.core.seeds import generator
from agglo.decoders.clicks import anywhere, correction
from agglo.evaluate.metrics import dice
from agglo.lab.prompts import tight_boxes
from agglo.predict import load
from agglo.predict.prompted import PromptedPredictor
from agglo.recipes.context import Run
from agglo.recipes.environment import environment
from agglo.recipes.evaluate import is_phantom

CLICKS = 5
SURE = 10.0


def main() -> int:
    """Score what the command line asks for."""
    parser = argparse.ArgumentParser(description="What a box and clicks are worth on test frames.")
    parser.add_argument("run", type=Path, help="folder of a run that was aligned with `align.prompts: true`")
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")
    parser.add_argument("--frames", type=int, default=60, help="test frames, evenly over the split")
    options = parser.parse_args()
    try:
        score(options.run, options.out, options.frames)
    except AggloError as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    return 0


def score(folder: Path, out: Path, frames: int) -> None:
    """Ask for every structure of some test frames of the run in `folder`; write and print mean Dice by structure and prompt."""
    run = Run(load_recipe(folder / "recipe.yaml", [f"out={folder}"]))
    model, test, progress = load(folder / "model"), run.split["test"], show("prompts")
    pointing = model.prompted()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in run.dataset.structures}
    chosen = [test[round(place)] for place in np.linspace(0, len(test) - 1, min(frames, len(test)))]
    for count, index in enumerate(chosen):
        image, truth = run.dataset.image(index), run.dataset.masks(index)
        pointing.set_image(image)
        unasked = model.masks(image)
        for k in np.flatnonzero(truth.any(axis=(1, 2))):
            said = {"unasked": dice(unasked[k], truth[k]), "box": _by_box(pointing, truth[k])}
            found[run.dataset.structures[k]].append(
                {**said, **_by_clicks(pointing, truth[k], (index, int(k)))}
            )
        progress(count + 1, len(chosen), "frames")
    rows = {name: _mean(cases) | {"cases": len(cases)} for name, cases in found.items() if cases}
    mean = _mean([{key: row[key] for key in row if key != "cases"} for row in rows.values()])
    what = "Dice of masks by one prompt decoder on test frames, structures present; clicks correct each other"
    write_json(
        out,
        {
            "what": f"PHANTOM; {what}" if is_phantom(run.dataset) else what,
            "frames": len(chosen),
            "mean": mean,
            "structures": rows,
            "environment": environment(),
        },
    )
    for name, row in [*rows.items(), ("mean", mean)]:
        told = "  ".join(f"{key} {value:.3f}" for key, value in row.items() if key != "cases")
        sys.stdout.write(f"{name:12s} {told}\n")


def _by_box(pointing: PromptedPredictor, truth: np.ndarray) -> float:
    return dice(pointing.predict(boxes_px=tight_boxes(truth[None])[0]).masks[0], truth)


def _by_clicks(pointing: PromptedPredictor, truth: np.ndarray, place: tuple[int, int]) -> dict[str, float]:
    """Return the Dice after each click; `place` is the word of the seed of where they fall."""
    draws = torch.from_numpy(generator(0, "prompts", *place).random(CLICKS))[:, None]
    whole = torch.from_numpy(truth)[None].float()
    points, labels = [anywhere(whole, draws[0])[0].tolist()], [1]
    earlier, scores = None, {}
    for click in range(1, CLICKS + 1):
        answer = pointing.predict(points_px=points, labels=labels, mask=earlier)
        earlier, mask = answer.logits[0], answer.masks[0]
        scores[f"{click} click{'s' if click > 1 else ''}"] = dice(mask, truth)
        if click < CLICKS:
            where, label = correction(_sure(mask), whole, torch.ones_like(whole), draws[click])
            points, labels = [*points, where[0].tolist()], [*labels, int(label)]
    return scores


def _sure(mask: np.ndarray) -> Tensor:
    return torch.where(torch.from_numpy(mask)[None], SURE, -SURE)


def _mean(cases: list[dict[str, float]] | list[Mapping[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([case[key] for case in cases])) for key in cases[0]}


if __name__ == "__main__":
    sys.exit(main())
