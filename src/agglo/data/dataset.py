"""A dataset in memory: what is known of every frame, and its pixels on demand.

Opening reads no pixels, so a dataset is cheap to open, to pickle and to send to workers. Reading formats is done in `native` and
`importers`; choosing frames in `splits`; geometry in `views`.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt16

from agglo.core.errors import DataError
from agglo.core.files import fingerprint, sha256_of
from agglo.data.cache import ArrayCache
from agglo.data.masks import MaskEncoding, num_planes, pack, read_bits, unpack
from agglo.data.raters import MAJORITY, RaterLabels, majority_masks
from agglo.data.states import State
from agglo_runtime.images import read_image

Polarity = Literal["as_is", "bone_black"]

CACHE_BYTES = 1 << 30
"""Default bound of the pixels kept in memory."""


@dataclass(frozen=True)
class Frame:
    """What is known of one frame.

    Attributes:
        id: unique in the dataset.
        patient: no patient may be in two parts of a split.
        video: one recording; unique within the patient.
        swallow: one swallow within the video; empty when not known.
        index: position in the video, counted from 0.
        spacing_mm: mm per pixel (rows, columns), or None.
        spacing_source: where the spacing comes from; "none" without one.
        fps: frames per second, or None.
        fps_source: where that comes from; "none" without one.
        states: of every structure, in the dataset's order.
        visible: share of every structure that can be seen, in [0, 1]; 1 where not known.
        image: the picture's file.
        mask_files: the masks' files as the dataset's encoding orders them; empty when there are none.
        facts: everything else the frame table says: phase, caption, facing, polarity ...
        raters: what each rater has said, where the dataset has raters.
    """

    id: str
    patient: str
    video: str
    swallow: str
    index: int
    spacing_mm: tuple[float, float] | None
    spacing_source: str
    fps: float | None
    fps_source: str
    states: tuple[State, ...]
    visible: tuple[float, ...]
    image: Path
    mask_files: tuple[Path | None, ...]
    facts: Mapping[str, str]
    raters: Mapping[str, RaterLabels] = field(default_factory=dict)

    @property
    def is_labelled(self) -> bool:
        """Whether at least one structure is known to be present or absent."""
        return any(state.is_judged for state in self.states)


@dataclass(frozen=True)
class Header:
    """What holds for a whole dataset.

    Attributes:
        folder: where it lies; not part of its identity.
        name: for reports and logs.
        structures: names in mask order; may be empty.
        groups: named sets of structures, such as "moving" and "static".
        encoding: how mask files are read.
        description: licence, label semantics, whether it is a phantom or patient data.
        raters: names of those who labelled besides, or instead of, the frame table's own masks.
        reference: whose labels count: "own" (the frame table's), a rater's name, "first" or "majority" (`agglo.data.raters`).
    """

    folder: Path
    name: str
    structures: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    encoding: MaskEncoding
    description: Mapping[str, Any]
    raters: tuple[str, ...] = ()
    reference: str = "own"


@final
class Dataset:
    """Frames with their states, images and masks. Pixels are read when asked for and kept in a bounded memory, read-only."""

    def __init__(
        self,
        header: Header,
        frames: Sequence[Frame],
        *,
        polarity: Polarity = "as_is",
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        """Describe a dataset; no pixel is read.

        With `polarity="bone_black"` images whose fact `polarity` is `bone_white` are given inverted.
        """
        self.header = header
        self.frames = tuple(frames)
        self.polarity: Polarity = polarity
        self._cache = ArrayCache(cache_bytes)

    @property
    def folder(self) -> Path:
        """Where the dataset lies."""
        return self.header.folder

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.header.name

    @property
    def structures(self) -> tuple[str, ...]:
        """Names of the structures in mask order."""
        return self.header.structures

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """Named sets of structures."""
        return self.header.groups

    @property
    def description(self) -> Mapping[str, Any]:
        """Licence, label semantics and the like."""
        return self.header.description

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.frames)

    def image(self, index: int) -> UInt8[np.ndarray, "rows cols"]:
        """Return the picture of frame `index`; deeper ones are brought to 8 bits by their type's range."""
        return self._cache.get(("image", index), lambda: self._read_image(index))

    def bits(self, index: int) -> UInt16[np.ndarray, "planes rows cols"]:
        """Return the masks of frame `index` packed as `agglo.data.masks` describes; zero where there is no mask."""
        return self._cache.get(("bits", index), lambda: self._read_bits(index))

    def masks(self, index: int) -> Bool[np.ndarray, "structures rows cols"]:
        """Return the masks of frame `index`; False where there is no mask: ask the frame's states before believing it."""
        return unpack(self.bits(index), len(self.structures))

    @property
    def raters(self) -> tuple[str, ...]:
        """Names of the raters; empty where there is only the reference."""
        return self.header.raters

    def rater_masks(self, index: int) -> dict[str, Bool[np.ndarray, "structures rows cols"]]:
        """Return the masks of frame `index` by rater, for those who judged anything in it; ask `rater_states` what False means."""
        height, width = self.image(index).shape
        encoding, count = self.header.encoding, len(self.structures)
        return {
            rater: unpack(read_bits(labels.mask_files, encoding, height, width), count)
            for rater, labels in self.frames[index].raters.items()
            if labels.is_judged
        }

    def rater_states(self, index: int) -> dict[str, tuple[State, ...]]:
        """Return the states of frame `index` by rater, for those who judged anything in it."""
        return {
            rater: labels.states for rater, labels in self.frames[index].raters.items() if labels.is_judged
        }

    def visible(self, index: int) -> Float[np.ndarray, " structures"]:
        """Return the share of every structure that can be seen in frame `index`; 1 where not known."""
        return np.asarray(self.frames[index].visible, np.float32)

    @cached_property
    def image_hashes(self) -> tuple[str, ...]:
        """The SHA-256 of every frame's picture as its file has it."""
        return tuple(sha256_of(frame.image) for frame in self.frames)

    @cached_property
    def image_fingerprint(self) -> str:
        """Sixteen hex digits that stand for the pixels alone: labels may change without changing it."""
        hashed = zip(self.frames, self.image_hashes, strict=True)
        pixels = [[frame.id, digest, self._is_inverted(frame)] for frame, digest in hashed]
        return fingerprint({"images": pixels})

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits that stand for the frame table, the structures, and the bytes of every image and mask file."""
        masks = [
            [None if file is None else sha256_of(file) for file in self._reference_files(frame)]
            for frame in self.frames
        ]
        return fingerprint(
            {
                "images": self.image_fingerprint,
                "masks": masks,
                "encoding": [self.header.encoding.kind, *self.header.encoding.channels],
                "structures": list(self.structures),
                "frames": [_identity(frame) for frame in self.frames],
            }
        )

    def with_structures(self, names: Sequence[str]) -> "Dataset":
        """Return the same frames with only the structures `names`, in that order.

        Raises `DataError` for names that are unknown or repeated.
        """
        unknown = [name for name in names if name not in self.structures]
        if unknown or len(set(names)) < len(names):
            raise DataError(
                f"structures of {self.name} must be chosen once each from {list(self.structures)}, got {list(names)}; "
                "fix `structures`."
            )
        picked = [self.structures.index(name) for name in names]
        header = replace(
            self.header,
            structures=tuple(names),
            groups=_groups_among(self.groups, names),
            encoding=replace(
                self.header.encoding, channels=tuple(self.header.encoding.channels[k] for k in picked)
            ),
        )
        frames = [
            _pick(frame, picked, is_per_structure=header.encoding.kind == "per_structure")
            for frame in self.frames
        ]
        return Dataset(header, frames, polarity=self.polarity, cache_bytes=self._cache.limit_bytes)

    def with_cache(self, cache_bytes: int) -> "Dataset":
        """Return the same dataset with a memory of its own of at most `cache_bytes`; what was hashed is not hashed again."""
        found = copy.copy(self)
        found._cache = ArrayCache(cache_bytes)
        return found

    def _reference_files(self, frame: Frame) -> list[Path | None]:
        """Return the files that the reference masks of `frame` are made from."""
        if self.header.reference != MAJORITY:
            return list(frame.mask_files)
        return [file for labels in frame.raters.values() for file in labels.mask_files]

    def _is_inverted(self, frame: Frame) -> bool:
        return self.polarity == "bone_black" and frame.facts.get("polarity") == "bone_white"

    def _read_image(self, index: int) -> UInt8[np.ndarray, "rows cols"]:
        frame = self.frames[index]
        pixels = read_image(frame.image)
        if pixels.dtype == np.uint16:
            pixels = ((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
        return np.uint8(255) - pixels if self._is_inverted(frame) else pixels

    def _read_bits(self, index: int) -> UInt16[np.ndarray, "planes rows cols"]:
        height, width = self.image(index).shape
        if not self.structures:
            return np.zeros((num_planes(0), height, width), np.uint16)
        if self.header.reference == MAJORITY:
            shape = (len(self.structures), height, width)
            return pack(majority_masks(self.rater_masks(index), self.rater_states(index), shape))
        return read_bits(self.frames[index].mask_files, self.header.encoding, height, width)


def _groups_among(groups: Mapping[str, tuple[str, ...]], names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    kept = {group: tuple(name for name in members if name in names) for group, members in groups.items()}
    return {group: members for group, members in kept.items() if members}


def _pick(frame: Frame, picked: Sequence[int], *, is_per_structure: bool) -> Frame:
    files = frame.mask_files
    if is_per_structure and files:
        files = tuple(files[k] for k in picked)
    return replace(
        frame,
        states=tuple(frame.states[k] for k in picked),
        visible=tuple(frame.visible[k] for k in picked),
        mask_files=files,
        raters={
            rater: labels.pick(picked, is_per_structure=is_per_structure)
            for rater, labels in frame.raters.items()
        },
    )


def _identity(frame: Frame) -> list[Any]:
    place = [frame.id, frame.patient, frame.video, frame.swallow, frame.index]
    units = [list(frame.spacing_mm or ()), frame.spacing_source, frame.fps, frame.fps_source]
    return [*place, *units, [int(state) for state in frame.states], list(frame.visible), dict(frame.facts)]
