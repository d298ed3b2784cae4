"""From a lab teacher's name to its weights and its card: data, training, export, measurement, in one folder that can be resumed.

The loop is `agglo.train.fit`; the architecture and the way weights are saved and read are `agglo.teachers`'. Nothing is copied
into the package here: shipping weights is a decision, not a step.
"""

import logging
from pathlib import Path
from typing import Any

import torch

from agglo.core.progress import Progress, silent
from agglo.lab.amounts import SHIPPED, Amount, amount_of
from agglo.lab.card import Card, write_card
from agglo.lab.initial import begin_encoder
from agglo.lab.lessons import Lesson, make_lesson, measuring_frames
from agglo.lab.worth import measure_together, measured_features
from agglo.teachers.build import build_teacher, family_of, spec_of
from agglo.teachers.catalogue import CATALOGUE
from agglo.teachers.weights import save_weights
from agglo.train import Device, Place, Watch, fit

logger = logging.getLogger(__name__)


def train_lab_teacher(
    name: str,
    *,
    out: Path,
    is_large: bool = False,
    repeat: int = 0,
    device: Device | None = None,
    progress: Progress = silent,
) -> Path:
    """Train the lab teacher `name` and return its weights file; the card lies beside it as `.json` and `.md`.

    Data, checkpoint and log are kept in `out`: the same command goes on from where it was stopped, and does nothing twice.

    Args:
        name: `lab-sam`, `lab-dino`, `lab-clip` or `lab-sam-vfss`.
        out: folder of this training.
        is_large: the size for a GPU, in place of the shipped one (minutes on two cores).
        repeat: 0 for the shipped teacher; any other number makes a sister of it, from other initial weights.
        device: what to train on; the best there is where nothing is said.
        progress: told of every piece of data and every logged step.

    Raises:
        ConfigError: if `name` is no lab teacher.
        CheckpointError: if `out` holds another training.
    """
    amount = amount_of(name, is_large=is_large, repeat=repeat)
    return train_lesson(
        amount, out=out, device=device or Device(precision=amount.precision), progress=progress
    )


def compare_lab_teachers(out: Path, *, progress: Progress = silent) -> dict[str, Any]:
    """Measure what the lab teachers that ship know together, and write `together.json` and `.md` into `out`; return the former.

    Where `out` holds weights of a teacher, these take the place of the shipped ones.
    """
    names = [name for name, amount in SHIPPED.items() if CATALOGUE[amount.teacher].is_shipped]
    files = {name: out / f"{name}.safetensors" for name in names}
    frames = measuring_frames(SHIPPED[names[0]], out / "material", progress)
    return measure_together(
        {name: file if file.is_file() else None for name, file in files.items()}, frames, out
    )


def train_lesson(amount: Amount, *, out: Path, device: Device, progress: Progress) -> Path:
    """Train with a given amount of data and steps; see `train_lab_teacher`."""
    material, name = out / "material", amount.teacher
    lesson = make_lesson(amount, folder=material, progress=progress)
    place = Place(out / name, identity={"lab": name, "seen": lesson.seen}, device=device)
    state = fit(lesson.task, lesson.source, lesson.plan, place, Watch(progress=progress))
    lesson.task.cpu()
    weights = out / f"{name}.safetensors"
    made = f"{name}: {state.step} steps on {lesson.seen}"  # one entry only: the order of several is not kept
    save_weights(weights, lesson.task.encoder, metadata={"made": made})
    logger.info("%s: %d steps in %.0f s", name, state.step, state.wall_s)
    card = _card(amount, lesson, wall_s=state.wall_s, device=device, weights=weights, progress=progress)
    write_card(weights, card)
    return weights


def _card(
    amount: Amount, lesson: Lesson, *, wall_s: float, device: Device, weights: Path, progress: Progress
) -> Card:
    """Measure what came out, as it will be loaded, and write down how it came about."""
    entry = CATALOGUE[amount.teacher]
    frames = measuring_frames(amount, weights.parent / "material", progress)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(lesson.plan.seed)
        untrained = family_of(entry).teacher(
            begin_encoder(entry, frames.images, lesson.plan.seed), spec_of(entry), entry.map
        )
    trained = build_teacher(amount.teacher, weights=weights)
    return Card(
        name=amount.teacher,
        lesson=amount.lesson,
        command=amount.command,
        seen=lesson.seen,
        vfss_masks_seen=lesson.vfss_masks_seen,
        plan=lesson.plan,
        wall_s=wall_s,
        device=device,
        own_job=lesson.own_job(lesson.task),
        features=measured_features(trained, untrained, entry, frames),
    )
