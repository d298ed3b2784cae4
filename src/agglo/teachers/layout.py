"""How published names become those of a network, as data of a family; and what became of every key of a file.

Nothing is guessed: a key is loaded, or dropped for a reason that the family states, or the file is refused.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from torch import Tensor, nn

from agglo.core.errors import WeightsError
from agglo.teachers.weights import fitting_problems, load_fitting

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Layout:
    """How the keys that a family's weights are published under are read.

    Attributes:
        renames: `(pattern, replacement)` of regular expressions, applied in this order to every key.
        splits: part of a renamed key -> what stands in its place in the keys of equal parts of the tensor, along its first axis.
        dropped: renamed keys (`*` stands for anything) that are no part of a teacher -> why.
    """

    renames: Sequence[tuple[str, str]] = ()
    splits: Mapping[str, Sequence[str]] = field(default_factory=dict)
    dropped: Mapping[str, str] = field(default_factory=dict)

    def name(self, key: str) -> str:
        """Return the renamed key."""
        for pattern, replacement in self.renames:
            key = re.sub(pattern, replacement, key)
        return key

    def read(self, state: State) -> dict[str, Tensor]:
        """Return `state` under the network's keys; what is unknown keeps its name, so that strict loading can say so."""
        found: dict[str, Tensor] = {}
        for key, value in state.items():
            for name, piece in self._pieces(self.name(key), value).items():
                found[f"{key} beside another {name}" if name in found else name] = piece
        return found

    def _pieces(self, name: str, value: Tensor) -> dict[str, Tensor]:
        part = next((part for part in self.splits if part in name), None)
        if part is None:
            return {name: value}
        places = self.splits[part]
        pieces = value.tensor_split(len(places)) if value.ndim else (value,) * len(places)
        return {name.replace(part, place): piece for place, piece in zip(places, pieces, strict=True)}

    def reason(self, name: str) -> str | None:
        """Return which pattern of `dropped` the renamed key falls under."""
        return next((pattern for pattern in self.dropped if fnmatchcase(name, pattern)), None)


@dataclass(frozen=True)
class Loaded:
    """What became of the keys of a weights file.

    Attributes:
        file: which one, and for whom.
        num_loaded: tensors of the network that were filled: all of them.
        dropped: pattern -> how many keys of the file were left out under it, and why.
        is_pinned: whether the file's SHA-256 was known beforehand, and was right.
    """

    file: str
    num_loaded: int
    dropped: Mapping[str, tuple[int, str]]
    is_pinned: bool

    def in_words(self) -> str:
        """Return it as one line."""
        losses = [f"without {number} of {pattern} ({why})" for pattern, (number, why) in self.dropped.items()]
        pin = "sha256 checked" if self.is_pinned else "sha256 not pinned"
        return "; ".join([f"{self.file}, {pin}: {self.num_loaded} tensors", *losses])


def sort_keys(state: State, layout: Layout, encoder: nn.Module) -> tuple[dict[str, Tensor], dict[str, int]]:
    """Return what of a file is meant for `encoder` (or is unknown), and how many keys were dropped under which pattern."""
    expected = encoder.state_dict().keys()
    kept: dict[str, Tensor] = {}
    dropped: dict[str, int] = {}
    for name, value in layout.read(state).items():
        pattern = None if name in expected else layout.reason(name)
        if pattern is None:
            kept[name] = value
        else:
            dropped[pattern] = dropped.get(pattern, 0) + 1
    return kept, dropped


def problems_of(state: State, layout: Layout, encoder: nn.Module) -> list[str]:
    """Return why a file does not fit `encoder`; an empty list where it does. Nothing is loaded."""
    return fitting_problems(encoder, sort_keys(state, layout, encoder)[0])


def load_published(
    encoder: nn.Module, state: State, layout: Layout, *, where: str, is_pinned: bool = False
) -> Loaded:
    """Fill `encoder` with a published state: every key is loaded or dropped for a reason, or nothing is loaded.

    Args:
        encoder: the network.
        state: as the file has it.
        layout: of the network's family.
        where: the file, for the message and the report.
        is_pinned: whether its SHA-256 was checked.

    Raises:
        WeightsError: naming absent keys, unknown keys and wrong shapes, or weights that are not finite.
    """
    kept, dropped = sort_keys(state, layout, encoder)
    problems = fitting_problems(encoder, kept)
    if problems:
        raise WeightsError(f"weights must fit the model key by key; {where} does not: {'; '.join(problems)}.")
    load_fitting(encoder, kept, where=where)
    reasons = {pattern: (number, layout.dropped[pattern]) for pattern, number in dropped.items()}
    return Loaded(where, len(kept), reasons, is_pinned)
