"""One lesson per lab teacher: its data, its task, its plan, and how well it does its own job on what it has not seen.

Everything comes from the reserved seeds. lab-sam gets scenes with masks, lab-dino pictures alone, lab-clip pictures with captions;
no lesson holds a mask of the swallowing anatomy.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agglo.core.errors import ConfigError
from agglo.core.progress import Progress
from agglo.lab.clip import MAX_WORDS, CaptionContrast, CaptionedImages, retrieval, same_caption
from agglo.lab.dino import SelfDistillation
from agglo.lab.frames import FrameSet, frame_set
from agglo.lab.material import SceneSet, scene_set
from agglo.lab.measure import unit_images
from agglo.lab.pairs import ViewPairs
from agglo.lab.prompts import ScenePrompts
from agglo.lab.sam import PromptedSegmentation, box_dice
from agglo.lab.seeds import LAB_SEEDS
from agglo.lab.words import Vocabulary
from agglo.phantom import STRUCTURES
from agglo.teachers.catalogue import CATALOGUE
from agglo.train import Plan, SampleSource, Task

SIZE_PX = 256


@dataclass(frozen=True)
class Amount:
    """How much of everything one training takes.

    Attributes:
        scenes: for training.
        patients: phantom patients for training.
        frames: per patient.
        measured_scenes: unseen scenes to measure on.
        measured_patients: unseen phantom patients to measure on, as many frames of each.
        plan: steps, batch and rates.
        option: of the command that asks for this amount.
    """

    scenes: int
    patients: int
    frames: int
    measured_scenes: int
    measured_patients: int
    plan: Plan
    option: str = ""


@dataclass(frozen=True)
class Lesson:
    """What there is to train and to measure.

    Attributes:
        task: holds the network to ship as `encoder`.
        source: training samples.
        plan: steps, batch and rates.
        own_job: measures the trained task at what it was trained for, on unseen data.
        seen: what the training is given, in words.
    """

    task: Any
    source: SampleSource
    plan: Plan
    own_job: Callable[[Task], dict[str, float]]
    seen: str


def _plan(name: str, steps: int, batch_size: int, learning_rate: float, ema_decay: float | None) -> Plan:
    return Plan(
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        final_learning_rate=learning_rate / 100,
        warmup_steps=min(40, steps // 5),
        weight_decay=0.02,
        ema_decay=ema_decay,
        seed=LAB_SEEDS[name],
    )


QUICK_OPTION = " --quick"
QUICK = {
    "lab-sam": Amount(2000, 0, 6, 100, 50, _plan("lab-sam", 500, 8, 1e-3, 0.99), QUICK_OPTION),
    "lab-dino": Amount(2000, 350, 6, 0, 50, _plan("lab-dino", 500, 16, 8e-4, None), QUICK_OPTION),
    "lab-clip": Amount(2000, 350, 6, 0, 50, _plan("lab-clip", 350, 32, 8e-4, 0.99), QUICK_OPTION),
}
FULL = {
    "lab-sam": replace(
        QUICK["lab-sam"], option="", scenes=12000, plan=_plan("lab-sam", 4000, 8, 1e-3, 0.998)
    ),
    "lab-dino": replace(
        QUICK["lab-dino"], option="", patients=1000, plan=_plan("lab-dino", 4000, 16, 8e-4, None)
    ),
    "lab-clip": replace(
        QUICK["lab-clip"], option="", patients=1000, plan=_plan("lab-clip", 3000, 32, 8e-4, 0.998)
    ),
}


def amount_of(name: str, *, quick: bool) -> Amount:
    """Return how much the training of `name` takes.

    Raises:
        ConfigError: if `name` is no lab teacher.
    """
    if name not in QUICK:
        raise ConfigError(
            f"a lab teacher must be one of {sorted(QUICK)}, got {name!r}; see `agglo teachers`."
        )
    return (QUICK if quick else FULL)[name]


def make_lesson(name: str, amount: Amount, *, folder: Path, progress: Progress) -> Lesson:
    """Make the data of a lab teacher (or read it from `folder`) and set its training up.

    Initial weights are drawn from the teacher's own seed; torch's global generator is left as it was.
    """
    lessons = {"lab-sam": _sam_lesson, "lab-dino": _dino_lesson, "lab-clip": _clip_lesson}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(LAB_SEEDS[name])
        return lessons[name](amount, folder, progress)


def training_scenes(amount: Amount, folder: Path, progress: Progress) -> SceneSet:
    """Return the scenes to train on."""
    seed = LAB_SEEDS["scenes, training"]
    return scene_set(folder, seed=seed, count=amount.scenes, size_px=SIZE_PX, progress=progress)


def training_frames(amount: Amount, folder: Path, progress: Progress) -> FrameSet:
    """Return the phantom frames to train on, without masks."""
    return frame_set(
        folder,
        seed=LAB_SEEDS["phantom, training"],
        patients=amount.patients,
        frames=amount.frames,
        size_px=SIZE_PX,
        with_masks=False,
        progress=progress,
    )


def measuring_frames(amount: Amount, folder: Path, progress: Progress) -> FrameSet:
    """Return phantom frames of other patients, with masks: to measure on, never to train on."""
    return frame_set(
        folder,
        seed=LAB_SEEDS["phantom, measuring"],
        patients=amount.measured_patients,
        frames=amount.frames,
        size_px=SIZE_PX,
        with_masks=True,
        progress=progress,
    )


def _sam_lesson(amount: Amount, folder: Path, progress: Progress) -> Lesson:
    name = "lab-sam"
    scenes = training_scenes(amount, folder, progress)

    def own_job(task: Task) -> dict[str, float]:
        assert isinstance(task, PromptedSegmentation)
        seed = LAB_SEEDS["scenes, measuring"]
        unseen = scene_set(
            folder, seed=seed, count=amount.measured_scenes, size_px=SIZE_PX, progress=progress
        )
        cases = [(unseen.images[i], unseen.masks(i)) for i in range(len(unseen))]
        dice = np.concatenate(box_dice(task, cases))
        return {"box_dice": float(dice.mean()), "box_dice_median": float(np.median(dice))} | _zero_shot(
            task, measuring_frames(amount, folder, progress)
        )

    source = ScenePrompts(scenes, seed=amount.plan.seed)
    seen = f"{len(source)} procedural scenes with the masks of the things in them; no phantom frame"
    return Lesson(PromptedSegmentation(CATALOGUE[name]), source, amount.plan, own_job, seen)


def _zero_shot(task: PromptedSegmentation, frames: FrameSet) -> dict[str, float]:
    """Return the Dice of tight boxes around phantom structures, which the training has not seen: each, and their mean."""
    found: dict[str, list[float]] = {structure: [] for structure in STRUCTURES}
    present = [[k for k, mask in enumerate(frames.masks(i)) if mask.any()] for i in range(len(frames))]
    cases = [(frames.images[i], frames.masks(i)[which]) for i, which in enumerate(present)]
    for which, values in zip(present, box_dice(task, cases), strict=True):
        for k, value in zip(which, values, strict=True):
            found[STRUCTURES[k]].append(float(value))
    means = {structure: float(np.mean(values)) for structure, values in found.items() if values}
    return {"zero_shot_phantom_dice": float(np.mean(list(means.values())))} | {
        f"zero_shot_{structure}": value for structure, value in means.items()
    }


def _dino_lesson(amount: Amount, folder: Path, progress: Progress) -> Lesson:
    entry = CATALOGUE["lab-dino"]
    cells = entry.input_px // entry.stride_px
    scenes, frames = training_scenes(amount, folder, progress), training_frames(amount, folder, progress)
    images = np.concatenate([scenes.images, frames.images])
    source = ViewPairs(images, seed=amount.plan.seed, patch_px=entry.stride_px, cells=cells)

    def own_job(task: Task) -> dict[str, float]:
        assert isinstance(task, SelfDistillation)
        seed, unseen = LAB_SEEDS["phantom, measuring"], measuring_frames(amount, folder, progress)
        pairs = ViewPairs(unseen.images, seed=seed, patch_px=entry.stride_px, cells=cells)
        return _prediction_errors(task, pairs)

    seen = f"{len(scenes)} scenes and {len(frames)} phantom frames as pictures alone; no label of any kind"
    return Lesson(SelfDistillation(entry), source, amount.plan, own_job, seen)


@torch.no_grad()
def _prediction_errors(task: SelfDistillation, unseen: ViewPairs) -> dict[str, float]:
    """Return the mean loss terms over unseen pairs; the copy stands still meanwhile."""
    task.eval()
    terms: dict[str, list[float]] = {}
    for first in range(0, len(unseen), 16):
        batch = torch.utils.data.default_collate(
            [unseen.sample(i, 0) for i in range(first, min(first + 16, len(unseen)))]
        )
        for term, value in task.errors(batch).items():
            terms.setdefault(term, []).append(float(value))
    return {term: float(np.mean(values)) for term, values in terms.items()}


def _clip_lesson(amount: Amount, folder: Path, progress: Progress) -> Lesson:
    entry = CATALOGUE["lab-clip"]
    scenes, frames = training_scenes(amount, folder, progress), training_frames(amount, folder, progress)
    captions = (*scenes.captions, *frames.captions)
    vocabulary = Vocabulary(captions)
    images = np.concatenate([scenes.images, frames.images])
    source = CaptionedImages(images, captions, vocabulary, size_px=entry.input_px, seed=amount.plan.seed)

    def own_job(task: Task) -> dict[str, float]:
        assert isinstance(task, CaptionContrast)
        return _caption_retrieval(task, measuring_frames(amount, folder, progress), vocabulary)

    seen = f"{len(scenes)} scenes and {len(frames)} phantom frames with their captions; no mask"
    return Lesson(CaptionContrast(entry, len(vocabulary)), source, amount.plan, own_job, seen)


@torch.no_grad()
def _caption_retrieval(task: CaptionContrast, frames: FrameSet, vocabulary: Vocabulary) -> dict[str, float]:
    """Return how often an unseen frame finds its caption among those of all unseen frames."""
    task.eval()
    units = unit_images(frames.images, task.entry.input_px)
    images = torch.cat([task.image_vectors(part) for part in torch.split(units, 32)])
    words = torch.stack([vocabulary.encode(caption, MAX_WORDS) for caption in frames.captions])
    return retrieval(images @ task.text_vectors(words).T, same_caption(words))
