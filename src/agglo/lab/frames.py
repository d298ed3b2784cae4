"""Sets of phantom frames from the lab's own patients, made once and kept as files in the folder of the training.

Frames come with captions; structure masks are kept only in sets that are measured on, so a training set has none to see.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int, UInt8

from agglo.core.progress import Progress
from agglo.lab.cache import Arrays, cached_arrays, pack_masks, unpack_masks
from agglo.phantom.study import render_study, sample_study


@dataclass(frozen=True)
class FrameSet:
    """Phantom frames of many patients; `packed` is empty where masks were not asked for."""

    images: UInt8[np.ndarray, "frames size size"]
    patients: Int[np.ndarray, " frames"]
    captions: tuple[str, ...]
    packed: UInt8[np.ndarray, "frames structures bytes"]

    def __len__(self) -> int:
        return len(self.images)

    def masks(self, index: int) -> Bool[np.ndarray, "structures size size"]:
        """Return the structures' masks of frame `index`."""
        return unpack_masks(self.packed[index], self.images.shape[-1])


def frame_set(
    folder: Path, *, seed: int, patients: int, frames: int, size_px: int, with_masks: bool, progress: Progress
) -> FrameSet:
    """Return `frames` frames of one swallow of each of the first `patients` of `seed`, from the cache where it is there.

    Masks are kept only `with_masks`: a training set has none to see.
    """

    def make() -> Arrays:
        rows = []
        for patient in range(patients):
            rows += _patient_rows(seed, patient, frames=frames, size_px=size_px, with_masks=with_masks)
            progress(patient + 1, patients, "phantom patients")
        images, packed, captions = zip(*rows, strict=True)
        return {
            "images": np.stack(images),
            "packed": np.stack(packed),
            "captions": np.array(captions),
            "patients": np.repeat(np.arange(patients), frames),
        }

    def first_image() -> UInt8[np.ndarray, "size size"]:
        return _patient_rows(seed, 0, frames=frames, size_px=size_px, with_masks=False)[0][0]

    kind = "masked" if with_masks else "bare"
    path = folder / f"phantom-{kind}-{seed}-{patients}x{frames}-{size_px}.npz"
    arrays = cached_arrays(path, make, first_image=first_image)
    captions = tuple(str(text) for text in arrays["captions"])
    return FrameSet(arrays["images"], arrays["patients"], captions, arrays["packed"])


def _patient_rows(
    seed: int, patient: int, *, frames: int, size_px: int, with_masks: bool
) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """Return image, packed masks and caption of each frame of one patient's swallow."""
    study = sample_study(seed, patient)
    return [
        (frame.image, pack_masks(frame.masks if with_masks else frame.masks[:0]), frame.truth.caption)
        for frame in render_study(study, frames=frames, size_px=size_px)
    ]
