"""The card of a lab teacher: how it was made, what it has seen, what it is worth, and whether it misses its floor.

Written as JSON for programs and as Markdown for people, beside the weights.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from agglo.core.files import sha256_of, write_json, write_text
from agglo.lab.seeds import LAB_SEEDS
from agglo.lab.worth import Figures
from agglo.teachers.catalogue import CATALOGUE
from agglo.train import Device, Plan


@dataclass(frozen=True)
class Card:
    """What is written down of one training.

    Attributes:
        name: of the teacher.
        command: that makes it.
        lesson: what it was taught.
        seen: the training data in words.
        vfss_masks_seen: which masks of the swallowing anatomy were among that.
        plan: steps, batch and rates.
        wall_s: seconds spent in training steps.
        device: what it was trained on.
        own_job: figures of what it was trained for, on unseen data.
        features: figures of its maps on unseen phantom frames, and of what they are compared with.
    """

    name: str
    lesson: str
    command: str
    seen: str
    vfss_masks_seen: str
    plan: Plan
    wall_s: float
    device: Device
    own_job: Figures
    features: Mapping[str, Figures]


@dataclass(frozen=True)
class Floor:
    """What a teacher must reach.

    Attributes:
        text: the demand in words.
        is_met: whether a card meets it; None where there is nothing to meet.
    """

    text: str
    is_met: Callable[[Card], bool] | None


def _is_clear(value: float | None, card: Card, figure: str, margin: float) -> bool:
    """Return whether a value lies above a figure of the untrained network and of raw pixels, by a margin."""
    others = [card.features[who][figure] for who in ("untrained", "raw pixels")]
    known = [-np.inf if other is None else other for other in others]
    return value is not None and value > max(known) + margin


SCENES_FLOOR = Floor(
    "box-prompted Dice on unseen scenes of at least 0.90",
    lambda card: (card.own_job["box_dice"] or 0) >= 0.90,
)
FLOORS = {
    "lab-sam": SCENES_FLOOR,
    "lab-dino": Floor(
        "a linear read-out of the structures clear of the untrained network and of raw pixels (by 0.03 in R2)",
        lambda card: _is_clear(card.features["trained"]["probe_r2"], card, "probe_r2", 0.03),
    ),
    "lab-clip": Floor(
        "answers found by their texts clear of chance and of linear read-outs of the untrained network and of raw pixels (by 0.05 "
        "in balanced accuracy)",
        lambda card: (
            _is_clear(card.own_job["answers"], card, "answers_read_out", 0.05)
            and (card.own_job["answers"] or 0) > (card.own_job["answers_by_chance"] or 1) + 0.05
        ),
    ),
    "lab-sam-vfss": Floor(
        "none: an upper bound that has seen the answers, to be named as such and never in a headline",
        None,
    ),
}

VERDICTS = {True: "met", False: "MISSED", None: "no floor to meet"}


def write_card(weights: Path, card: Card) -> None:
    """Write the card as `<name>.json` and `<name>.md` beside the weights it speaks of."""
    content = card_content(weights, card)
    write_json(weights.with_suffix(".json"), content)
    write_text(weights.with_suffix(".md"), as_markdown(content))


def card_content(weights: Path, card: Card) -> dict[str, Any]:
    """Return the card as JSON-like values."""
    entry, floor = CATALOGUE[card.name], FLOORS[card.lesson]
    return {
        "name": card.name,
        "command": card.command,
        "sha256": sha256_of(weights),
        "family": entry.family,
        "parameters": entry.num_parameters,
        "architecture": dict(entry.architecture),
        "trained_on": card.seen,
        "labels_seen": entry.labels_seen,
        "vfss_masks_seen": card.vfss_masks_seen,
        "seeds": dict(LAB_SEEDS),
        "plan": asdict(card.plan),
        "wall_s": round(card.wall_s, 1),
        "device": asdict(card.device),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "own_job": dict(card.own_job),
        "features_on_unseen_phantom_frames": {who: dict(figures) for who, figures in card.features.items()},
        "floor": {"text": floor.text, "is_met": floor.is_met(card) if floor.is_met else None},
    }


def as_markdown(content: Mapping[str, Any]) -> str:
    """Return the card for people."""
    plan, floor = content["plan"], content["floor"]
    features = content["features_on_unseen_phantom_frames"]
    head = [
        f"# {content['name']}",
        "",
        "A small teacher for Agglo's demo, tests and experiments, trained on synthetic images only. Research use only, not a "
        "medical device.",
        "",
        f"- Made by `{content['command']}`: {plan['steps']} steps of {plan['batch_size']}, "
        f"{content['wall_s'] / 60:.1f} minutes of training on {content['device']['accelerator']}.",
        f"- Architecture: {content['family']}, {content['parameters']:,} parameters.",
        f"- Trained on: {content['trained_on']}.",
        f"- Labels seen: {content['labels_seen']}. Masks of VFSS structures seen: {content['vfss_masks_seen']}.",
        f"- Floor: {floor['text']}: **{VERDICTS[floor['is_met']]}**.",
        f"- SHA-256: `{content['sha256']}`.",
        "",
        "## Its own job, on unseen data",
        "",
        *_table(["figure", "value"], [[name, _number(value)] for name, value in content["own_job"].items()]),
        "",
        "## Its features on unseen phantom frames (PHANTOM)",
        "",
        "`effective_rank`: exp of the entropy of the covariance's eigenvalues. `per_image`, `by_position`: shares of variance that "
        "are constant in an image, or the same in all. `answers_read_out`: balanced accuracy of a linear read-out of the mean "
        "feature for what captions say. `probe_r2`: variance of structure coverage that a linear read-out explains "
        "on other patients. `untrained`: the same network with the weights that training begins from. What all three lab teachers "
        "know together is in `together.md`.",
        "",
    ]
    rows = [
        [figure, *(_number(features[who][figure]) for who in features)]
        for figure in next(iter(features.values()))
    ]
    return "\n".join([*head, *_table(["figure", *features], rows)]) + "\n"


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in [header, ["---"] * len(header), *rows]]


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
