"""From a lab teacher's name to its weights and its card: data, training, export, measurement, in one folder that can be resumed.

The loop is `agglo.train.fit`; the architecture and the way weights are saved and read are `agglo.teachers`'. Nothing is copied
into the package here: shipping weights is a decision, not a step.
"""

import logging
from pathlib import Path

import torch

from agglo.core.progress import Progress, silent
from agglo.lab.card import Card, measured_features, write_card
from agglo.lab.lessons import Amount, Lesson, amount_of, make_lesson, measuring_frames
from agglo.teachers.build import build_teacher
from agglo.teachers.catalogue import CATALOGUE
from agglo.teachers.weights import save_weights
from agglo.train import Device, Place, Watch, fit

logger = logging.getLogger(__name__)

DEFAULT_DEVICE = Device(accelerator="cpu", precision="bf16-mixed")


def train_lab_teacher(
    name: str,
    *,
    out: Path,
    quick: bool = False,
    device: Device | None = None,
    progress: Progress = silent,
) -> Path:
    """Train the lab teacher `name` and return its weights file; the card lies beside it as `.json` and `.md`.

    Data, checkpoint and log are kept in `out`: the same command goes on from where it was stopped, and does nothing twice.

    Args:
        name: `lab-sam`, `lab-dino` or `lab-clip`.
        out: folder of this training.
        quick: the short training (minutes on two cores), in place of the long one.
        device: what to train on; bf16 autocast on the CPU where nothing is said.
        progress: told of every piece of data and every logged step.

    Raises:
        ConfigError: if `name` is no lab teacher.
        CheckpointError: if `out` holds another training.
    """
    amount = amount_of(name, quick=quick)
    return train_lesson(name, amount, out=out, device=device or DEFAULT_DEVICE, progress=progress)


def train_lesson(name: str, amount: Amount, *, out: Path, device: Device, progress: Progress) -> Path:
    """Train `name` with a given amount of data and steps; see `train_lab_teacher`."""
    material = out / "material"
    lesson = make_lesson(name, amount, folder=material, progress=progress)
    place = Place(out / name, identity={"lab": name, "seen": lesson.seen}, device=device)
    state = fit(lesson.task, lesson.source, lesson.plan, place, Watch(progress=progress))
    weights = out / f"{name}.safetensors"
    made = f"{name}: {state.step} steps on {lesson.seen}"  # one entry only: the order of several is not kept
    save_weights(weights, lesson.task.encoder, metadata={"made": made})
    logger.info("%s: %d steps in %.0f s", name, state.step, state.wall_s)
    write_card(weights, _card(name, amount, lesson, wall_s=state.wall_s, device=device, weights=weights))
    return weights


def _card(name: str, amount: Amount, lesson: Lesson, *, wall_s: float, device: Device, weights: Path) -> Card:
    """Measure what came out, as it will be loaded, and write down how it came about."""
    frames = measuring_frames(amount, weights.parent / "material", silent)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(lesson.plan.seed)
        random = build_teacher(name, weights="random")
    return Card(
        name=name,
        command=f"agglo lab train {name}{amount.option}",
        seen=lesson.seen,
        plan=lesson.plan,
        wall_s=wall_s,
        device=device,
        own_job=lesson.own_job(lesson.task),
        features=measured_features(build_teacher(name, weights=weights), random, CATALOGUE[name], frames),
    )
