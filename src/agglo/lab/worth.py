"""What a teacher's maps are worth on unseen phantom frames, beside what costs no training; and what all know together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from agglo.core.files import write_json, write_text
from agglo.lab.frames import FrameSet
from agglo.lab.measure import (
    effective_rank,
    feature_maps,
    on_grid,
    pixel_maps,
    position_r2,
    probe_r2,
    read_out_answers,
    variance_shares,
)
from agglo.phantom import STRUCTURES
from agglo.teachers.build import build_teacher
from agglo.teachers.catalogue import CATALOGUE, TeacherEntry
from agglo.teachers.protocol import Teacher

Figures = Mapping[str, float | None]
TOGETHER = "together"


def measured_features(
    teacher: Teacher, untrained: Teacher, entry: TeacherEntry, frames: FrameSet
) -> dict[str, Figures]:
    """Return the figures of a teacher's maps, of the same network before training, of raw pixels, and of position alone.

    Raw pixels are 16 x 16 patches for what is read out cell by cell, and a 16 x 16 picture for what is read out of a whole image.
    """
    masks, is_fitted = _masks(frames), frames.patients % 2 == 0
    figures: dict[str, Figures] = {}
    for who, maps in (
        ("trained", feature_maps(teacher, entry, frames.images)),
        ("untrained", feature_maps(untrained, entry, frames.images)),
        ("raw pixels", pixel_maps(frames.images)),
    ):
        vectors = maps.mean(1).flatten(1) if who == "raw pixels" else maps.mean((2, 3))
        figures[who] = {
            "dim": float(maps.shape[1]),
            "effective_rank": effective_rank(maps),
            **variance_shares(maps),
            "answers_read_out": _known(read_out_answers(vectors, frames.captions, is_fitted)),
            **_by_structure(probe_r2(maps, masks, is_fitted)),
        }
    empty = dict.fromkeys(figures["trained"], None)
    figures["position alone"] = empty | _by_structure(position_r2(masks, is_fitted))
    return figures


def _by_structure(values: Float[np.ndarray, " structures"]) -> dict[str, float | None]:
    """Return a mean and one figure per structure; None where it is not known."""
    named = {f"probe_r2_{name}": _known(value) for name, value in zip(STRUCTURES, values, strict=True)}
    return {"probe_r2": _known(np.nanmean(values)) if not np.isnan(values).all() else None} | named


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _masks(frames: FrameSet) -> np.ndarray:
    return np.stack([frames.masks(index) for index in range(len(frames))])


def measure_together(weights: Mapping[str, Path | None], frames: FrameSet, out: Path) -> dict[str, Any]:
    """Write how well structures are read out of each teacher, and of all of them side by side, as `together.json` and `.md`.

    Args:
        weights: file of each teacher; None for the shipped one.
        frames: with masks; read-outs are fitted to every other patient and scored on the rest.
        out: folder.

    Returns:
        What was written: `probe_r2` of each teacher and of `all`, `gain` of all over the best single one, and both by structure.
    """
    masks, is_fitted = _masks(frames), frames.patients % 2 == 0
    grids: dict[str, Tensor] = {}
    for name, file in weights.items():
        teacher = build_teacher(name, weights=file)
        grids[name] = on_grid(feature_maps(teacher, CATALOGUE[name], frames.images))
    grids["all"] = torch.cat(list(grids.values()), 1)
    found = {who: _by_structure(probe_r2(maps, masks, is_fitted)) for who, maps in grids.items()}
    means = {who: float(values["probe_r2"] or 0.0) for who, values in found.items()}
    best = max(weights, key=lambda name: means[name])
    content = {
        "probe_r2": means,
        "best_single": best,
        "gain": means["all"] - means[best],
        "frames": len(frames),
        "patients": len(set(frames.patients.tolist())),
        "by_structure": found,
    }
    write_json(out / f"{TOGETHER}.json", content)
    write_text(out / f"{TOGETHER}.md", _page(content))
    return content


def _page(content: Mapping[str, Any]) -> str:
    found = content["by_structure"]
    rows = [
        [figure, *("n/a" if found[who][figure] is None else f"{found[who][figure]:.3f}" for who in found)]
        for figure in found["all"]
    ]
    cells = [["figure", *found], ["---"] * (len(found) + 1), *rows]
    table = "\n".join(f"| {' | '.join(row)} |" for row in cells)
    return (
        "# What the lab teachers know together (PHANTOM)\n\nResearch use only, not a medical device.\n\n"
        f"Variance of structure coverage (16 x 16 cells) that a linear read-out explains on other patients: {content['frames']} "
        f"unseen frames of {content['patients']} patients, half to fit, half to score. All maps side by side against the best "
        f"single one, {content['best_single']}: {content['gain']:+.3f}.\n\n{table}\n"
    )
