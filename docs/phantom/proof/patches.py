"""Part (d): can a small network tell real patches from phantom ones? Its AUC is a measure of what is still wrong.

0.5 would mean that nothing gives the phantom away, 1.0 that anything does. Both kinds are brought to 0.5 mm/px by the same
antialiased resampling from pictures of similar fineness. A patch shows the open field only: no circle, no collimator, little
direct beam. Of the clip, only frames on which no label was ever painted take part.

Two ways to split. *within*: both real recordings, early frames against late ones; the network may know the person, so this is its
best case. *across*: trained on one recording and tested on the other, both ways; what it finds then is not the person. Phantom
patients never appear on both sides. Four ways to look (`VIEWS`) tell what it goes by.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import nn

from agglo.core.seeds import generator, seed_of
from agglo_runtime.geometry import resize
from proof.common import (
    CLIP_MM_PER_PX,
    MISC_MM_PER_PX,
    Job,
    auc,
    clip_frame,
    grey_image,
    misc_files,
    patient_frames,
)

MM_PER_PX = 0.5
PATCH_PX = 64
PHANTOM_PX = 768
PATIENTS, FRAMES = 48, 3
PER_FRAME = 16
STEPS, BATCH = 160, 64
DARK, BRIGHT, AT_MOST = 7, 235, 0.08
DRAWS = 1000


class Patches(NamedTuple):
    """Patches `[N, 64, 64]` in grey levels, with what each came from: a frame of a recording, or a phantom patient."""

    images: np.ndarray
    source: np.ndarray

    def where(self, keep: np.ndarray) -> "Patches":
        """Return those that `keep` names."""
        return Patches(self.images[keep], self.source[keep])


class Look(NamedTuple):
    """A way to look at patches: side in mm, what is done to them, and what that leaves to go by."""

    side_mm: float
    treat: Callable[[np.ndarray], np.ndarray]
    words: str


def plain(patches: np.ndarray) -> np.ndarray:
    """Return grey levels as they are, in units of the full range."""
    return patches / 255.0


def normalised(patches: np.ndarray) -> np.ndarray:
    """Take each patch's own mean away and divide by its own SD."""
    centred = patches - patches.mean((1, 2), keepdims=True)
    return centred / (centred.std((1, 2), keepdims=True) + 1.0)


def coarse(patches: np.ndarray) -> np.ndarray:
    """Blur with 2 px (6 mm at this scale), then normalise: only large shapes are left."""
    return normalised(gaussian_filter(patches, (0, 2, 2)))


def fine(patches: np.ndarray) -> np.ndarray:
    """Take what is coarser than 1.5 px away and normalise: only noise, texture and edges are left."""
    return normalised(patches - gaussian_filter(patches, (0, 1.5, 1.5))) / 2


VIEWS: Final[Mapping[str, Look]] = {
    "as they are": Look(32.0, plain, "everything: brightness, contrast, texture, shape"),
    "mean and variance removed": Look(32.0, normalised, "texture and shape"),
    "only fine detail": Look(32.0, fine, "noise, texture, sharpness of edges"),
    "only large shapes": Look(96.0, coarse, "anatomy and shading at 1.5 mm/px, blurred"),
}


def scaled(image: np.ndarray, mm_per_px: float, to_mm: float) -> np.ndarray:
    """Return a picture at `to_mm` mm/px, antialiased."""
    rows, cols = (max(8, round(side * mm_per_px / to_mm)) for side in image.shape)
    return resize(image.astype(np.float32), rows, cols)


def fitting(image: np.ndarray, random: np.random.Generator, count: int) -> list[np.ndarray]:
    """Cut up to `count` patches that show the open field; fewer where few places do."""
    found: list[np.ndarray] = []
    if min(image.shape) < PATCH_PX:
        return found
    for _ in range(count * 12):
        top, left = (int(random.integers(0, side - PATCH_PX + 1)) for side in image.shape)
        patch = image[top : top + PATCH_PX, left : left + PATCH_PX]
        if max(np.mean(patch < DARK), np.mean(patch > BRIGHT)) <= AT_MOST and patch.std() > 1:
            found.append(patch)
            if len(found) == count:
                break
    return found


def cut(pictures: Mapping[int, list[tuple[np.ndarray, float]]], side_mm: float, name: str) -> Patches:
    """Cut patches of `side_mm` from pictures by source; every patient or frame gives as many as it can, up to a bound."""
    images, source = [], []
    for key, frames in pictures.items():
        for number, (image, mm_per_px) in enumerate(frames):
            random = generator("proof patches", name, key, number)
            small = scaled(image, mm_per_px, side_mm / PATCH_PX)
            patches = fitting(small, random, PER_FRAME)
            images += patches
            source += [key] * len(patches)
    shape = (0, PATCH_PX, PATCH_PX)
    return Patches(np.stack(images) if images else np.zeros(shape, np.float32), np.asarray(source, int))


def phantom_pictures(job: Job) -> dict[int, list[tuple[np.ndarray, float]]]:
    """Render a few frames of many patients at the fineness of the real recordings."""
    return {
        patient: [
            (frame.image, frame.truth.spacing_mm[0])
            for frame in patient_frames(job, patient, frames=FRAMES + 3, size_px=PHANTOM_PX)
        ][:FRAMES]
        for patient in range(job.many(PATIENTS, 8))
    }


def real_pictures(job: Job) -> dict[str, dict[int, list[tuple[np.ndarray, float]]]]:
    """Return frames of both recordings by time; of the clip only those without painted labels."""
    assert job.real is not None
    clip = {index: [(clip_frame(job.real, index), CLIP_MM_PER_PX)] for index in range(128, 246, 2)}
    misc = {number: [(grey_image(path), MISC_MM_PER_PX)] for number, path in enumerate(misc_files(job.real))}
    return {"clip": clip, "misc": dict(list(misc.items())[::2])}


class Net(nn.Module):
    """Four strided convolutions and a mean: some 60 thousand weights."""

    def __init__(self) -> None:
        """Build it; nothing about it can be chosen."""
        super().__init__()
        widths = (1, 16, 32, 64, 64)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(4, after), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.end = nn.Linear(widths[-1], 1)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Return one logit a patch: above 0 means real."""
        return self.end(self.body(patches).mean((2, 3)))[:, 0]


def train(real: np.ndarray, phantom: np.ndarray, *, steps: int, name: str) -> Net:
    """Train on as many real as phantom patches in each batch, mirrored at random."""
    torch.manual_seed(seed_of("proof net", name) % 2**31)
    random = generator("proof batches", name)
    net = Net()
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    target = torch.cat([torch.ones(BATCH // 2), torch.zeros(BATCH // 2)])
    for _ in range(steps):
        picked = [kind[random.integers(0, len(kind), BATCH // 2)] for kind in (real, phantom)]
        batch = np.concatenate(picked)
        flip = random.random(BATCH) < 0.5
        batch[flip] = batch[flip][:, :, ::-1]
        loss = F.binary_cross_entropy_with_logits(net(torch.from_numpy(batch[:, None])), target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    return net.eval()


@torch.inference_mode()
def scores(net: Net, patches: np.ndarray) -> np.ndarray:
    """Return one logit a patch."""
    return net(torch.from_numpy(patches[:, None])).numpy()


def with_interval(
    real: np.ndarray, real_source: np.ndarray, phantom: np.ndarray, source: np.ndarray
) -> list[float]:
    """Return AUC and its 95 % interval over resampled frames (real) and patients (phantom); no interval over real people exists."""
    random = generator("proof interval")
    groups = [
        [values[keys == key] for key in np.unique(keys)]
        for values, keys in ((real, real_source), (phantom, source))
    ]
    draws = []
    for _ in range(DRAWS):
        picked = [
            np.concatenate([kind[i] for i in random.integers(0, len(kind), len(kind))]) for kind in groups
        ]
        draws.append(auc(*picked))
    low, high = np.quantile(draws, (0.025, 0.975))
    return [auc(real, phantom), float(low), float(high)]


def splits(
    real: Mapping[str, Patches], phantom: Patches
) -> dict[str, tuple[Patches, Patches, Patches, Patches]]:
    """Return, by name, real and phantom patches to train on, then real and phantom patches to test on."""
    half = phantom.source % 2 == 0
    seen, unseen = phantom.where(half), phantom.where(~half)
    early, late = [], []
    for patches in real.values():
        middle, gap = np.median(patches.source), 0.1 * np.ptp(patches.source)
        early.append(patches.where(patches.source < middle - gap))
        late.append(patches.where(patches.source > middle + gap))
    clip, misc = real["clip"], real["misc"]
    return {
        "within": (_joined(early), seen, _joined(late), unseen),
        "across: clip to other": (clip, seen, misc, unseen),
        "across: other to clip": (misc, seen, clip, unseen),
    }


def _joined(parts: list[Patches]) -> Patches:
    """Join recordings; their frames stay different sources."""
    keys = np.concatenate([patches.source + 10_000 * number for number, patches in enumerate(parts)])
    return Patches(np.concatenate([patches.images for patches in parts]), keys)


def measure(job: Job) -> dict[str, Any]:
    """Return the figures of this part; only a reason without real frames."""
    if job.real is None:
        return {"skipped": "no real frames were given (--real)"}
    pictures = {**real_pictures(job), "phantom": phantom_pictures(job)}
    rows: dict[str, Any] = {}
    for name, look in VIEWS.items():
        found = {kind: cut(frames, look.side_mm, name) for kind, frames in pictures.items()}
        found = {
            kind: Patches(look.treat(p.images).astype(np.float32), p.source) for kind, p in found.items()
        }
        phantom = found.pop("phantom")
        rows[name] = {"words": look.words, "side_mm": look.side_mm}
        for split, (real, fake, real_test, fake_test) in splits(found, phantom).items():
            net = train(real.images, fake.images, steps=job.many(STEPS, 8), name=f"{name} {split}")
            tested = (
                scores(net, real_test.images),
                real_test.source,
                scores(net, fake_test.images),
                fake_test.source,
            )
            rows[name][split] = {
                "auc": with_interval(*tested),
                "train": [len(real.images), len(fake.images)],
                "test": [len(real_test.images), len(fake_test.images)],
            }
    return {
        "patients": len(pictures["phantom"]),
        "mm_per_px": MM_PER_PX,
        "steps": job.many(STEPS, 8),
        "rows": rows,
    }
