"""How well each lab teacher does its own job, on scenes and patients it has not seen."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from agglo.lab.clip import TextContrast
from agglo.lab.crops import Crops
from agglo.lab.dino import PiecesInPlaces
from agglo.lab.frames import FrameSet
from agglo.lab.material import SceneSet
from agglo.lab.measure import unit_images
from agglo.lab.phrases import QUESTIONS, Question, answers_to, balanced_accuracy
from agglo.lab.sam import PromptedSegmentation, box_dice
from agglo.lab.scenes import KINDS
from agglo.phantom import STRUCTURES

Figures = Mapping[str, float]
BATCH = 32


def scene_dice(task: PromptedSegmentation, unseen: SceneSet) -> dict[str, float]:
    """Return the Dice of tight boxes around things in unseen scenes: mean and median over things, and the mean of each kind."""
    dice = np.concatenate(box_dice(task, [(unseen.images[i], unseen.masks(i)) for i in range(len(unseen))]))
    by_kind = {
        f"box_dice_{name}": float(dice[unseen.kinds == kind].mean())
        for kind, name in enumerate(KINDS)
        if (unseen.kinds == kind).any()
    }
    return {"box_dice": float(dice.mean()), "box_dice_median": float(np.median(dice))} | by_kind


def zero_shot_dice(task: PromptedSegmentation, frames: FrameSet) -> dict[str, float]:
    """Return the Dice of tight boxes around phantom structures: each, and the mean of these."""
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


@torch.no_grad()
def location_errors(task: PiecesInPlaces, unseen: Crops) -> dict[str, float]:
    """Return the mean loss terms over unseen crops."""
    task.eval()
    terms: dict[str, list[float]] = {}
    for first in range(0, len(unseen), BATCH):
        samples = [unseen.sample(i, 0) for i in range(first, min(first + BATCH, len(unseen)))]
        for term, value in task.terms(torch.utils.data.default_collate(samples)).items():
            terms.setdefault(term, []).append(float(value))
    return {term: float(np.mean(values)) for term, values in terms.items()}


@torch.no_grad()
def retrieved_answers(task: TextContrast, frames: FrameSet) -> dict[str, float]:
    """Return, for every question, the balanced accuracy of choosing the answer whose text is the most alike, and guessing's.

    Means over questions come first. A question about one text is answered by the sign of its logit.
    """
    task.eval()
    units = unit_images(frames.images, task.entry.input_px)
    logits = torch.cat([task.likeness(task.tokens(part)) for part in torch.split(units, BATCH)])
    right, chances = {}, []
    for question in QUESTIONS:
        accuracy = balanced_accuracy(
            chosen(question, logits, task.texts), answers_to(question, frames.captions)
        )
        if not np.isnan(accuracy):
            right[f"answers_{question.name}"] = accuracy
            chances.append(question.chance)
    means = {"answers": float(np.mean(list(right.values()))), "answers_by_chance": float(np.mean(chances))}
    return means | right


def chosen(
    question: Question, logits: Float[Tensor, "images texts"], texts: Sequence[str]
) -> Int[np.ndarray, " images"]:
    """Return the number of the answer chosen for each image; an answer that no training caption held is never chosen."""
    known = [(place, texts.index(text)) for place, text in enumerate(question.answers) if text in texts]
    if not known:
        return np.zeros(len(logits), np.int64)
    columns = logits[:, [column for _, column in known]]
    if len(question.answers) == 1:
        return np.where(columns[:, 0].numpy() > 0, 0, 1)
    return np.array([place for place, _ in known])[columns.argmax(1).numpy()]
