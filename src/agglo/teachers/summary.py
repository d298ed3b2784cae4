"""A teacher's one vector per image, given as a map of one cell: so it is extracted, kept and learned from as any map is."""

from dataclasses import replace
from typing import cast, final

import torch
from jaxtyping import Float
from torch import Tensor

from agglo.core.errors import FeatureMismatch
from agglo.core.shapes import TeacherFeatures
from agglo.teachers.protocol import Teacher


@final
class SummaryTeacher(Teacher):
    """Gives the summary of another teacher, `[batch, summary_dim, 1, 1]`."""

    def __init__(self, teacher: Teacher) -> None:
        """Take a teacher that has a summary; nothing of it is copied.

        Raises:
            FeatureMismatch: it has none.
        """
        spec = teacher.spec
        if spec.summary_dim is None:
            raise FeatureMismatch(
                f"teacher {spec.name} must have a summary vector to give one, but has only a map; ask teachers whose "
                "`spec.summary_dim` is not None."
            )
        whole = replace(spec, dim=spec.summary_dim, stride_px=spec.input_px, summary_dim=None)
        super().__init__(teacher, whole)

    @torch.no_grad()
    def look(self, images: Float[Tensor, "batch 3 rows cols"]) -> TeacherFeatures:
        """Return the summary as a map; there is no other."""
        assert isinstance(self.encoder, Teacher)
        return TeacherFeatures(_as_map(self.encoder.summary(images)))


def who_looks(teacher: Teacher) -> Teacher:
    """Return whose look `teacher` needs: its own, or, of a summary, that of the teacher whose summary it is."""
    return cast(Teacher, teacher.encoder) if isinstance(teacher, SummaryTeacher) else teacher


def map_of(teacher: Teacher, seen: TeacherFeatures) -> Float[Tensor, "batch dim h w"]:
    """Return what `teacher.feature_map` would give, of what `who_looks(teacher)` has seen."""
    if not isinstance(teacher, SummaryTeacher):
        return seen.map
    assert seen.summary is not None
    return _as_map(seen.summary)


def _as_map(summary: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim 1 1"]:
    return summary[:, :, None, None]
