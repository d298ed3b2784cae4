"""Prompted samples from scenes: an image, some of its things, and a box around each, drawn as an annotator would draw it.

`ScenePrompts` is what lab-sam trains on: a pure function of (index, turn), with the image's eight symmetries and changes of
intensity. Boxes are `(x0, y0, x1, y1)` in pixels of the image.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8

from agglo.core.seeds import generator
from agglo.lab.material import SceneSet


def tight_boxes(masks: Bool[np.ndarray, "things size size"]) -> Float[np.ndarray, "things 4"]:
    """Return the smallest box around each mask, pixel edge to pixel edge; no mask may be empty."""
    boxes = np.zeros((len(masks), 4), np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
        box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes


def jittered(
    boxes: Float[np.ndarray, "things 4"], stream: np.random.Generator, *, share: float, size_px: int
) -> Float[np.ndarray, "things 4"]:
    """Move every edge by up to `share` of the box's side and two pixels, either way, inside the image."""
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    moved = boxes + stream.uniform(-1, 1, boxes.shape) * (share * sides + 2 * size_px / 256)
    return np.clip(moved, 0, size_px).astype(np.float32)


def turned(image: np.ndarray, symmetry: int) -> np.ndarray:
    """Return `image[..., H, W]` in one of the eight symmetries of the square, 0 to 7; 0 leaves it as it is."""
    rotated = np.rot90(image, symmetry % 4, axes=(-2, -1))
    return rotated[..., ::-1] if symmetry >= 4 else rotated


def recoloured(image: UInt8[np.ndarray, "*size"], stream: np.random.Generator) -> Float[np.ndarray, "*size"]:
    """Return the image in `[0, 1]` with another gamma, gain and offset, and now and then black for white."""
    levels = np.arange(256, dtype=np.float32) / 255
    if stream.random() < 0.1:
        levels = 1 - levels
    levels = levels ** stream.uniform(0.6, 1.6) * stream.uniform(0.8, 1.2) + stream.uniform(-0.1, 0.1)
    return np.clip(levels, 0, 1).astype(np.float32)[image]


@dataclass(frozen=True)
class ScenePrompts:
    """Training samples for prompted segmentation.

    Attributes:
        scenes: where images and masks come from; those without a mask are left out.
        seed: of augmentation, choice and jitter.
        num_kinds: how many kinds of things there are.
        num_prompts: things prompted per image, drawn again where a scene has fewer.
        cells: rows and columns of the target masks; must divide the image's side.
        box_jitter: how far edges of boxes are moved, as a share of the box's side.
        has_symmetries: whether images are turned and mirrored.
    """

    scenes: SceneSet
    seed: int
    num_kinds: int
    num_prompts: int = 5
    cells: int = 64
    box_jitter: float = 0.06
    has_symmetries: bool = True

    def __len__(self) -> int:
        return len(self.usable)

    @cached_property
    def usable(self) -> Int[np.ndarray, " usable"]:
        """The scenes with at least one mask."""
        return np.flatnonzero(np.diff(self.scenes.first))

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        """Return `image [S, S]` in `[0, 1]`, `boxes [P, 4]`, `coverage [P, cells, cells]` and `kinds [kinds, cells, cells]`.

        `kinds` is the coverage by all masked things of each kind.
        """
        stream = generator(self.seed, "prompts", index, turn)
        symmetry = int(stream.integers(8)) if self.has_symmetries else 0
        scene = int(self.usable[index])
        masks = self.scenes.masks(scene)
        of_kinds = turned(self._of_kinds(scene, masks), symmetry)
        chosen = stream.permutation(
            np.resize(stream.permutation(len(masks)), max(self.num_prompts, len(masks)))
        )
        masks = np.ascontiguousarray(turned(masks[chosen[: self.num_prompts]], symmetry))
        size = masks.shape[-1]
        boxes = jittered(tight_boxes(masks), stream, share=self.box_jitter, size_px=size)
        image = recoloured(np.ascontiguousarray(turned(self.scenes.images[scene], symmetry)), stream)
        return {
            "image": torch.from_numpy(image),
            "boxes": torch.from_numpy(boxes),
            "coverage": torch.from_numpy(coverage(masks, self.cells)),
            "kinds": torch.from_numpy(coverage(np.ascontiguousarray(of_kinds), self.cells)),
        }

    def _of_kinds(
        self, scene: int, masks: Bool[np.ndarray, "things size size"]
    ) -> Bool[np.ndarray, "kinds size size"]:
        united = np.zeros((self.num_kinds, *masks.shape[1:]), dtype=bool)
        for kind, mask in zip(self.scenes.kinds_of(scene), masks, strict=True):
            united[kind] |= mask
        return united


def coverage(
    masks: Bool[np.ndarray, "things size size"], cells: int
) -> Float[np.ndarray, "things {cells} {cells}"]:
    """Return the share of each of `cells x cells` equal squares that a mask covers."""
    factor = masks.shape[-1] // cells
    parts = masks.reshape(len(masks), cells, factor, cells, factor)
    return parts.mean(axis=(2, 4), dtype=np.float32)
