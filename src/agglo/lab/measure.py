"""What a teacher's features are worth, in figures for its card: spread, constancy, and what a linear read-out finds in them.

All figures are of dense maps on images nobody has trained on. Where structure masks enter, they only score; the read-out is fitted
and thrown away.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from agglo.data.views import identity_view, render_image
from agglo.lab.phrases import QUESTIONS, UNANSWERED, answers_to, balanced_accuracy
from agglo.teachers.catalogue import TeacherEntry
from agglo.teachers.protocol import Teacher, preprocess

BATCH = 16
PROBE_CELLS = 16
ANSWER_STRENGTH = 0.3


def unit_images(
    images: UInt8[np.ndarray, "images rows cols"], size_px: int
) -> Float[Tensor, "images {size_px} {size_px}"]:
    """Return 8-bit images at another size, in `[0, 1]`, each sampled once from its own pixels."""
    rows, cols = images.shape[1:]
    view = identity_view(rows, cols)
    return torch.from_numpy(np.stack([render_image(image, view, size_px) for image in images]))


def feature_maps(
    teacher: Teacher, entry: TeacherEntry, images: UInt8[np.ndarray, "images rows cols"]
) -> Float[Tensor, "images dim h w"]:
    """Return the teacher's maps of 8-bit images, at its own input size."""
    parts = []
    for first in range(0, len(images), BATCH):
        units = unit_images(images[first : first + BATCH], entry.input_px)
        parts.append(teacher.feature_map(preprocess(entry, units)).float())
    return torch.cat(parts)


def pixel_maps(
    images: UInt8[np.ndarray, "images size size"], cells: int = PROBE_CELLS
) -> Float[Tensor, "images dim {cells} {cells}"]:
    """Return raw pixels as features: each of `cells x cells` squares is the vector of its pixels, at 16 pixels a side."""
    units = unit_images(images, 16 * cells)
    return F.pixel_unshuffle(units.unsqueeze(1), 16)


def effective_rank(maps: Float[Tensor, "images dim h w"]) -> float:
    """Return how many directions the cells' features spread over: `exp` of the entropy of the covariance's eigenvalues.

    Source: Roy & Vetterli, EUSIPCO 2007. 1 for features on a line, at most `dim`; constant features give 1.
    """
    cells = maps.double().movedim(1, -1).flatten(0, -2)
    values = torch.linalg.eigvalsh(torch.cov(cells.T)).clamp(min=0)
    shares = values / values.sum().clamp(min=1e-30)
    return float(torch.exp(-torch.xlogy(shares, shares).sum()))


def variance_shares(maps: Float[Tensor, "images dim h w"]) -> dict[str, float]:
    """Return which share of the features' variance says nothing of what is where in this image.

    Returns:
        `per_image`: constant within an image (variance of the images' means); `by_position`: the same in every image (variance
        of the positions' means). Both of the total about the grand mean, summed over channels.
    """
    maps = maps.double()
    mean = maps.mean((0, 2, 3), keepdim=True)
    total = (maps - mean).square().sum(1).mean().clamp(min=1e-30)
    per_image = (maps.mean((2, 3), keepdim=True) - mean).square().sum(1).mean()
    by_position = (maps.mean(0, keepdim=True) - mean).square().sum(1).mean()
    return {"per_image": float(per_image / total), "by_position": float(by_position / total)}


def on_grid(maps: Float[Tensor, "images dim h w"]) -> Float[Tensor, "images dim grid grid"]:
    """Return maps brought to the grid on which structures are read out."""
    return F.interpolate(maps, size=(PROBE_CELLS, PROBE_CELLS), mode="bilinear", align_corners=False)


def probe_r2(
    maps: Float[Tensor, "images dim h w"],
    masks: Bool[np.ndarray, "images structures rows cols"],
    is_fitted: Bool[np.ndarray, " images"],
) -> Float[np.ndarray, " structures"]:
    """Return how much of each structure's coverage a linear read-out of the features explains on images it was not fitted to.

    Ridge regression from a cell's features, brought to a 16 x 16 grid, to the share of the cell that each structure covers; the
    figure is R^2, 1 for a perfect read-out, 0 for the mean; NaN where a structure is in none of the images scored.
    """
    inputs, targets = (
        tensor.double().movedim(1, -1).flatten(0, 2) for tensor in (on_grid(maps), _coverage(masks))
    )
    fitted = torch.from_numpy(is_fitted).repeat_interleave(PROBE_CELLS**2)
    return ridge_r2(inputs, targets, fitted, strength=1e-3).numpy()


def position_r2(
    masks: Bool[np.ndarray, "images structures rows cols"], is_fitted: Bool[np.ndarray, " images"]
) -> Float[np.ndarray, " structures"]:
    """Return the same for a read-out that knows the place of a cell and nothing else: the mean coverage there."""
    coverage = _coverage(masks).double()
    fitted = torch.from_numpy(is_fitted)
    truth = coverage[~fitted]
    left = (truth - coverage[fitted].mean(0)).square().sum((0, 2, 3))
    spread = (truth - truth.mean((0, 2, 3), keepdim=True)).square().sum((0, 2, 3))
    return torch.where(spread > 0, 1 - left / spread, torch.nan).numpy()


def _coverage(
    masks: Bool[np.ndarray, "images structures rows cols"],
) -> Float[Tensor, "images structures grid grid"]:
    return F.adaptive_avg_pool2d(torch.from_numpy(masks.astype(np.float32)), PROBE_CELLS)


def read_out_answers(
    vectors: Float[Tensor, "images dim"], captions: Sequence[str], is_fitted: Bool[np.ndarray, " images"]
) -> float:
    """Return how well a linear read-out of one vector per image answers `phrases.QUESTIONS` on images it was not fitted to.

    The mean over questions of balanced accuracy; ridge regression to the answers, each answer weighing the same.
    """
    accuracies = []
    for question in QUESTIONS:
        truth = answers_to(question, captions)
        fitted, scored = (half & (truth != UNANSWERED) for half in (is_fitted, ~is_fitted))
        if len(np.unique(truth[fitted])) < 2:
            continue
        wanted = F.one_hot(torch.from_numpy(truth[fitted])).double()
        inputs = vectors.double()
        found = weighted_ridge(inputs[torch.from_numpy(fitted)], wanted, inputs[torch.from_numpy(scored)])
        accuracies.append(balanced_accuracy(found.argmax(1).numpy(), truth[scored]))
    return float(np.nanmean(accuracies)) if accuracies else float("nan")


def weighted_ridge(
    inputs: Float[Tensor, "rows dim"],
    wanted: Float[Tensor, "rows answers"],
    asked: Float[Tensor, "cases dim"],
) -> Float[Tensor, "cases answers"]:
    """Return predictions for `asked` of a strong ridge in which every answer weighs the same, however often it was given."""
    weight = (wanted / wanted.sum(0).clamp(min=1)).sum(1, keepdim=True)
    weight = weight / weight.sum()
    centre, mean = (weight * inputs).sum(0), (weight * wanted).sum(0)
    scale = (weight * (inputs - centre).square()).sum(0).sqrt().clamp(min=1e-8)
    x = (inputs - centre) / scale
    gram = x.T @ (weight * x) + ANSWER_STRENGTH * torch.eye(x.shape[1], dtype=x.dtype)
    return (asked - centre) / scale @ torch.linalg.solve(gram, x.T @ (weight * (wanted - mean))) + mean


def ridge_r2(
    inputs: Float[Tensor, "rows dim"],
    targets: Float[Tensor, "rows columns"],
    is_fitted: Bool[Tensor, " rows"],
    *,
    strength: float,
) -> Float[Tensor, " columns"]:
    """Return R^2 on the rows not fitted to, of ridge regression on standardised inputs; NaN for a constant target."""
    x, y = inputs[is_fitted], targets[is_fitted]
    centre, scale, mean = x.mean(0), x.std(0).clamp(min=1e-8), y.mean(0)
    x = (x - centre) / scale
    ridge = strength * len(x) * torch.eye(x.shape[1], dtype=x.dtype)
    weights = torch.linalg.solve(x.T @ x + ridge, x.T @ (y - mean))
    truth = targets[~is_fitted]
    predicted = (inputs[~is_fitted] - centre) / scale @ weights + mean
    left, spread = (truth - predicted).square().sum(0), (truth - truth.mean(0)).square().sum(0)
    return torch.where(spread > 0, 1 - left / spread, torch.nan)
