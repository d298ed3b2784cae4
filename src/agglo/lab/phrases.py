"""Captions as words and phrases, and the questions they answer: which way a patient faces, which phase, which devices.

A caption is a sentence of phrases between commas; each phrase, and each word, is a short text that holds for a picture or does not.
A question is answered by one text out of a few that exclude each other. Nothing is known here but words.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from agglo.lab.words import split_words

UNANSWERED = -1
LEAST, MOST = 0.004, 0.97  # share of captions: rarer texts cannot be learned, commoner ones say nothing
MIRRORED = {"left": "right", "right": "left"}


def texts_of(caption: str) -> frozenset[str]:
    """Return what holds for a picture: the phrases of its caption, the items of its lists, and its words."""
    phrases = [part.strip() for part in re.split(r", | and | in the picture| showing ", caption)]
    return frozenset([*(phrase for phrase in phrases if phrase), *split_words(caption)])


def mirrored(caption: str) -> str:
    """Return the caption of the mirror image: left for right."""
    return re.sub(r"\b(left|right)\b", lambda found: MIRRORED[found[0]], caption)


def telling_texts(captions: Iterable[str]) -> tuple[str, ...]:
    """Return the texts, in alphabetical order, that hold for neither nearly all nor nearly none of the pictures."""
    counts: Counter[str] = Counter()
    total = 0
    for caption in captions:
        counts.update(texts_of(caption))
        total += 1
    return tuple(sorted(text for text, count in counts.items() if LEAST * total <= count <= MOST * total))


def held_texts(captions: Sequence[str], texts: Sequence[str]) -> Bool[np.ndarray, "captions texts"]:
    """Return which texts hold for which captions."""
    return np.array([[text in some for text in texts] for some in map(texts_of, captions)], dtype=bool)


@dataclass(frozen=True)
class Question:
    """Something that a caption answers.

    Attributes:
        name: of what is asked.
        answers: texts that exclude each other; a single one is there or not.
    """

    name: str
    answers: tuple[str, ...]

    @property
    def chance(self) -> float:
        """Balanced accuracy of guessing."""
        return 1 / max(len(self.answers), 2)


QUESTIONS = (
    Question("facing", ("patient facing left", "patient facing right")),
    Question("phase", ("oral", "pharyngeal phase", "oesophageal phase", "rest after the swallow")),
    Question("contrast", ("no contrast in view", "residue", "bolus")),
    Question("strength", ("light", "dense")),
    Question("in the mouth", ("mouth",)),
    Question("in the pharynx", ("pharynx",)),
    Question("in the oesophagus", ("oesophagus",)),
    Question("epiglottis", ("epiglottis upright", "epiglottis inverted")),
    Question("airway", ("airway open", "airway closed")),
    Question("teeth", ("no teeth", "natural teeth", "teeth with fillings")),
    Question("field", ("round field", "square field")),
    Question("ring marker", ("ring marker",)),
    Question("electrode lead", ("electrode lead",)),
    Question("ruler", ("ruler",)),
)


def answers_to(question: Question, captions: Sequence[str]) -> Int[np.ndarray, " captions"]:
    """Return the number of each caption's answer; `UNANSWERED` where it has none. A single text: 0 where it holds, else 1."""
    held = held_texts(captions, question.answers)
    if len(question.answers) == 1:
        return np.where(held[:, 0], 0, 1)
    return np.where(held.any(1), held.argmax(1), UNANSWERED)


def balanced_accuracy(chosen: Int[np.ndarray, " cases"], truth: Int[np.ndarray, " cases"]) -> float:
    """Return the mean over true answers of the share of cases that chose it; NaN where fewer than two answers occur."""
    there = [answer for answer in np.unique(truth) if answer != UNANSWERED]
    if len(there) < 2:
        return float("nan")
    return float(np.mean([(chosen[truth == answer] == answer).mean() for answer in there]))
