"""Several raters of the same frames: what each of them says, and how one reference is made of them.

Which files they lie in is read in `rater_tables`. How far raters agree is measured in `evaluate`, not here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from agglo.data.states import State

OWN = "own"
"""The reference is what the frame table and its masks say."""

FIRST = "first"
"""The reference is, frame by frame, what the first rater (in the dataset's order) says who judged anything in it."""

MAJORITY = "majority"
"""The reference is what more than half of the raters who judged a structure say; a tie is nothing."""

RULES = (OWN, FIRST, MAJORITY)
"""Words that no rater may be called by, because they say how a reference is made."""


@dataclass(frozen=True)
class RaterLabels:
    """What one rater has said of one frame: a state for every structure, and mask files as a frame has them."""

    states: tuple[State, ...]
    mask_files: tuple[Path | None, ...]

    @property
    def is_judged(self) -> bool:
        """Whether the rater has judged at least one structure."""
        return any(state.is_judged for state in self.states)

    def pick(self, picked: Sequence[int], *, is_per_structure: bool) -> "RaterLabels":
        """Return the labels of the structures at the places `picked` only."""
        files = self.mask_files
        if is_per_structure and files:
            files = tuple(files[k] for k in picked)
        return RaterLabels(tuple(self.states[k] for k in picked), files)


def majority_masks(
    masks: Mapping[str, Bool[np.ndarray, "structures rows cols"]],
    states: Mapping[str, Sequence[State]],
    shape: tuple[int, int, int],
) -> Bool[np.ndarray, "structures rows cols"]:
    """Return where more than half of the raters who judged a structure have outlined it; empty where nobody has.

    `shape` is that of the result, for frames that nobody has judged.
    """
    votes, judges = np.zeros(shape, np.int16), np.zeros((shape[0], 1, 1), np.int16)
    for rater, mask in masks.items():
        is_judged = np.array([state.is_judged for state in states[rater]], np.bool_)[:, None, None]
        votes += mask & is_judged
        judges += is_judged
    return 2 * votes > judges


def majority_state(states: Sequence[State]) -> State:
    """Return what more than half of those who judged say; without a majority unlabelled, or not assessable if somebody says so."""
    judged = [state for state in states if state.is_judged]
    for state in (State.PRESENT, State.ABSENT):
        if 2 * judged.count(state) > len(judged):
            return state
    is_hidden = State.NOT_ASSESSABLE in states and not judged
    return State.NOT_ASSESSABLE if is_hidden else State.UNLABELLED


def reference_labels(
    raters: Mapping[str, RaterLabels], reference: str, num_structures: int
) -> tuple[tuple[State, ...], tuple[Path | None, ...]]:
    """Return states and mask files of one frame as the rule `reference` makes them; no file for a majority, which is counted."""
    if reference == MAJORITY:
        said = [labels.states for labels in raters.values()]
        return tuple(majority_state([states[k] for states in said]) for k in range(num_structures)), ()
    judged = [labels for labels in raters.values() if labels.is_judged]
    chosen = judged[:1] if reference == FIRST else [raters[name] for name in [reference] if name in raters]
    if not chosen:
        return (State.UNLABELLED,) * num_structures, ()
    return chosen[0].states, chosen[0].mask_files
