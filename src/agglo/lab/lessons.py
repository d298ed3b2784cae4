"""One lesson per lab teacher: its data, its task, its plan, and how well it does its own job on what it has not seen.

Everything comes from the reserved seeds. lab-sam gets scenes with masks, lab-dino pictures alone, lab-clip pictures with captions;
only lab-sam-vfss, the upper bound, is given masks of the swallowing anatomy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agglo.core.progress import Progress
from agglo.lab.amounts import SIZE_PX, Amount
from agglo.lab.clip import CaptionedImages, TextContrast
from agglo.lab.crops import Crops
from agglo.lab.dino import PiecesInPlaces
from agglo.lab.frames import FrameSet, frame_set
from agglo.lab.jobs import Figures, location_errors, retrieved_answers, scene_dice, zero_shot_dice
from agglo.lab.material import SceneSet, scene_set
from agglo.lab.phrases import telling_texts
from agglo.lab.prompts import ScenePrompts
from agglo.lab.sam import PromptedSegmentation
from agglo.lab.scenes import KINDS, MIN_AREA
from agglo.lab.seeds import LAB_SEEDS
from agglo.phantom import STRUCTURES
from agglo.teachers.catalogue import CATALOGUE
from agglo.train import Plan, SampleSource, Task

NO_VFSS = "none"


@dataclass(frozen=True)
class Lesson:
    """What there is to train and to measure.

    Attributes:
        task: holds the network to ship as `encoder`.
        source: training samples.
        plan: steps, batch and rates.
        own_job: measures the trained task at what it was trained for, on unseen data.
        seen: what the training is given, in words.
        vfss_masks_seen: which masks of the swallowing anatomy it is given.
    """

    task: Any
    source: SampleSource
    plan: Plan
    own_job: Callable[[Task], Figures]
    seen: str
    vfss_masks_seen: str = NO_VFSS


def make_lesson(amount: Amount, *, folder: Path, progress: Progress) -> Lesson:
    """Make the data of a lab teacher (or read it from `folder`) and set its training up.

    Initial weights are drawn from the plan's seed; torch's global generator is left as it was.
    """
    lessons = {
        "lab-sam": _sam_lesson,
        "lab-dino": _dino_lesson,
        "lab-clip": _clip_lesson,
        "lab-sam-vfss": _vfss_lesson,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(amount.plan.seed)
        return lessons[amount.lesson](amount, folder, progress)


def training_scenes(amount: Amount, folder: Path, progress: Progress) -> SceneSet:
    """Return the scenes to train on."""
    seed = LAB_SEEDS["scenes, training"]
    return scene_set(folder, seed=seed, count=amount.scenes, size_px=SIZE_PX, progress=progress)


def training_frames(
    amount: Amount, folder: Path, progress: Progress, *, with_masks: bool = False
) -> FrameSet:
    """Return the phantom frames to train on; without masks unless they are asked for."""
    return frame_set(
        folder,
        seed=LAB_SEEDS["phantom, training"],
        patients=amount.patients,
        frames=amount.frames,
        size_px=SIZE_PX,
        with_masks=with_masks,
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
    scenes = training_scenes(amount, folder, progress)
    source = ScenePrompts(scenes, seed=amount.plan.seed, num_kinds=len(KINDS))
    seen = f"{len(source)} procedural scenes with the masks of the things in them; no phantom frame"
    return _prompted(amount, source, folder, progress, seen, NO_VFSS)


def _vfss_lesson(amount: Amount, folder: Path, progress: Progress) -> Lesson:
    frames = training_frames(amount, folder, progress, with_masks=True)
    source = ScenePrompts(
        structures_as_things(frames), seed=amount.plan.seed, num_kinds=len(STRUCTURES), has_symmetries=False
    )
    seen = f"{len(source)} phantom frames with the masks of the 12 VFSS structures"
    return _prompted(amount, source, folder, progress, seen, "all 12, on phantom frames: an upper bound")


def _prompted(
    amount: Amount, source: ScenePrompts, folder: Path, progress: Progress, seen: str, masks_seen: str
) -> Lesson:
    def own_job(task: Task) -> Figures:
        assert isinstance(task, PromptedSegmentation)
        seed, count = LAB_SEEDS["scenes, measuring"], amount.measured_scenes
        unseen = scene_set(folder, seed=seed, count=count, size_px=SIZE_PX, progress=progress)
        return scene_dice(task, unseen) | zero_shot_dice(task, measuring_frames(amount, folder, progress))

    entry, seed = CATALOGUE[amount.teacher], amount.plan.seed
    task = PromptedSegmentation(entry, source.num_kinds, source.scenes.images, seed)
    return Lesson(task, source, amount.plan, own_job, seen, masks_seen)


def structures_as_things(frames: FrameSet) -> SceneSet:
    """Return phantom frames as scenes whose things are the structures that cover enough of the picture."""
    present = [
        [k for k, mask in enumerate(frames.masks(i)) if mask.mean() >= MIN_AREA] for i in range(len(frames))
    ]
    return SceneSet(
        images=frames.images,
        packed=np.concatenate([frames.packed[i][which] for i, which in enumerate(present)]),
        first=np.cumsum([0, *(len(which) for which in present)]),
        kinds=np.array([k for which in present for k in which], dtype=np.int64),
        captions=frames.captions,
    )


def _dino_lesson(amount: Amount, folder: Path, progress: Progress) -> Lesson:
    entry, seed = CATALOGUE[amount.teacher], amount.plan.seed
    cells = entry.input_px // entry.stride_px
    scenes, frames = training_scenes(amount, folder, progress), training_frames(amount, folder, progress)
    images = np.concatenate([scenes.images, frames.images])
    source = Crops(images, seed=seed, patch_px=entry.stride_px, cells=cells)

    def own_job(task: Task) -> Figures:
        assert isinstance(task, PiecesInPlaces)
        unseen = measuring_frames(amount, folder, progress).images
        crops = Crops(unseen, seed=LAB_SEEDS["phantom, measuring"], patch_px=entry.stride_px, cells=cells)
        return location_errors(task, crops)

    seen = f"{len(scenes)} scenes and {len(frames)} phantom frames as pictures alone; no label of any kind"
    return Lesson(PiecesInPlaces(entry, images, seed), source, amount.plan, own_job, seen)


def _clip_lesson(amount: Amount, folder: Path, progress: Progress) -> Lesson:
    entry, seed = CATALOGUE[amount.teacher], amount.plan.seed
    scenes, frames = training_scenes(amount, folder, progress), training_frames(amount, folder, progress)
    captions = (*scenes.captions, *frames.captions)
    texts = telling_texts(captions)
    images = np.concatenate([scenes.images, frames.images])
    source = CaptionedImages(images, captions, texts, size_px=entry.input_px, seed=seed)

    def own_job(task: Task) -> Figures:
        assert isinstance(task, TextContrast)
        return retrieved_answers(task, measuring_frames(amount, folder, progress))

    seen = f"{len(scenes)} scenes and {len(frames)} phantom frames with their captions; no mask"
    return Lesson(TextContrast(entry, texts, images, seed), source, amount.plan, own_job, seen)
