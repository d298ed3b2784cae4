"""Sets of lab scenes with their instance masks, made once and kept as files in the folder of the training.

A set is a pure function of its seed and size. Phantom frames are `frames`' business.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int, UInt8

from agglo.core.progress import Progress
from agglo.lab.cache import Arrays, cached_arrays, pack_masks, unpack_masks
from agglo.lab.scenes import KINDS, Scene, make_scene


@dataclass(frozen=True)
class SceneSet:
    """Scenes of one size; the masks of scene `i` are the packed rows `first[i]:first[i + 1]`."""

    images: UInt8[np.ndarray, "scenes size size"]
    packed: UInt8[np.ndarray, "things bytes"]
    first: Int[np.ndarray, " scenes_and_one"]
    kinds: Int[np.ndarray, " things"]
    captions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    def masks(self, index: int) -> Bool[np.ndarray, "some size size"]:
        """Return the masks of scene `index`."""
        return unpack_masks(self.packed[self.first[index] : self.first[index + 1]], self.images.shape[-1])

    def kinds_of(self, index: int) -> Int[np.ndarray, " some"]:
        """Return what the things of scene `index` are: places in a list of kinds."""
        return self.kinds[self.first[index] : self.first[index + 1]]


def scene_set(folder: Path, *, seed: int, count: int, size_px: int, progress: Progress) -> SceneSet:
    """Return the first `count` scenes of `seed`, from the cache in `folder` where it is there."""

    def make() -> Arrays:
        rows = []
        for index in range(count):
            rows.append(_scene_row(make_scene(seed, index, size_px=size_px)))
            progress(index + 1, count, "scenes")
        return _scene_arrays(rows)

    path = folder / f"scenes-{seed}-{count}-{size_px}.npz"
    arrays = cached_arrays(path, make, first_image=lambda: make_scene(seed, 0, size_px=size_px).image)
    return SceneSet(
        arrays["images"],
        arrays["packed"],
        arrays["first"],
        arrays["kinds"],
        tuple(str(text) for text in arrays["captions"]),
    )


def _scene_row(scene: Scene) -> tuple[np.ndarray, np.ndarray, list[int], str]:
    """Return image, packed masks, numbers of kinds and caption: an eighth of the memory of a scene."""
    return scene.image, pack_masks(scene.masks), [KINDS.index(kind) for kind in scene.kinds], scene.caption


def _scene_arrays(rows: list[tuple[np.ndarray, np.ndarray, list[int], str]]) -> Arrays:
    images, packed, kinds, captions = zip(*rows, strict=True)
    return {
        "images": np.stack(images),
        "packed": np.concatenate(packed),
        "first": np.cumsum([0, *(len(numbers) for numbers in kinds)]),
        "kinds": np.array([number for numbers in kinds for number in numbers], dtype=np.int64),
        "captions": np.array(captions),
    }
