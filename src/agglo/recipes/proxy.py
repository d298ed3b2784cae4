"""A student as a teacher: many teachers -> one large student (the proxy) -> a small one, as EUPE does (arXiv 2603.22387).

In the recipe of the small one, the proxy is a teacher of the recipe's own:

    teachers: [{name: "python:agglo.recipes.proxy:efficientvit", weights: runs/proxy/distill/student.safetensors}]
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from agglo.core.shapes import EMBEDDING_STRIDE_PX
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
        licence="that of the teachers that it was distilled from, and of its backbone's code",
        labels_seen="none but those that its own teachers have seen",
    )
