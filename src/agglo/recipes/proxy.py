"""A student as a teacher: many teachers -> one large student (the proxy) -> a small one, as EUPE does (arXiv 2603.22387).

In the recipe of the small one, the proxy is a teacher of the recipe's own:

    teachers: [{name: "python:agglo.recipes.proxy:efficientvit", weights: runs/proxy/distill/student.safetensors}]
"""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from agglo.core.shapes import EMBEDDING_STRIDE_PX
from agglo.distill.distilled import teachers_of
from agglo.students import CATALOGUE, EMBED_DIM, Student, build_student
from agglo.teachers import OwnTeacher


class Embedding(nn.Module):
    """A student that gives its embedding alone, which is what a smaller one is to match."""

    def __init__(self, student: Student) -> None:
        """Keep `student`."""
        super().__init__()
        self.student = student

    def forward(self, images: Float[Tensor, "batch 3 rows cols"]) -> Float[Tensor, "batch dim rows/8 cols/8"]:
        """Return the embedding of stride 8."""
        embedding: Tensor = self.student(images).embedding
        return embedding


def repvit(weights: Path | None) -> OwnTeacher:
    """Return a RepViT with its usual neck as a teacher."""
    return _teacher("repvit", weights)


def tinyvit(weights: Path | None) -> OwnTeacher:
    """Return a TinyViT with its usual neck as a teacher."""
    return _teacher("tinyvit", weights)


def efficientvit(weights: Path | None) -> OwnTeacher:
    """Return an EfficientViT with its usual neck as a teacher."""
    return _teacher("efficientvit", weights)


def _teacher(name: str, weights: Path | None) -> OwnTeacher:
    """Return a distilled student as a teacher; without `weights` an untrained one, the same each time, as a control.

    Raises:
        WeightsError: the file is not of this student with its usual neck.
    """
    entry = CATALOGUE[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        student = build_student(name, init="random" if weights is None else weights)
    return OwnTeacher(
        Embedding(student),
        dim=EMBED_DIM,
        stride_px=EMBEDDING_STRIDE_PX,
        input_px=entry.input_px,
        mean=entry.mean,
        std=entry.std,
        **_terms(weights),
    )


def _terms(weights: Path | None) -> dict[str, Any]:
    """Return licence, restriction and labels of a student: those of its own teachers, which its file names."""
    if weights is None:
        return {
            "licence": "that of its backbone's code; with weights that of the teachers they were distilled from, too",
            "labels_seen": "none without weights; with them, none but those that its own teachers have seen",
        }
    teachers = teachers_of(weights)
    if teachers is None:
        return {
            "licence": "unknown: that of the teachers that it was distilled from, and of its backbone's code",
            "restriction": f"unknown: {weights.name} does not say which teachers it was distilled from; look up their licences, "
            "or distil it anew",
            "labels_seen": "none but those that its own teachers have seen",
        }
    bound = [f"{each['name']}: {each['restriction']}" for each in teachers if each["restriction"]]
    licences = ", ".join(f"{each['name']} ({each['licence']})" for each in teachers)
    seen = ", ".join(f"{each['name']} ({each['labels_seen']})" for each in teachers)
    return {
        "licence": f"that of the teachers that it was distilled from, {licences}, and of its backbone's code",
        "restriction": f"it was distilled from {'; '.join(bound)}" if bound else None,
        "labels_seen": f"none but those that its own teachers have seen: {seen}",
    }
