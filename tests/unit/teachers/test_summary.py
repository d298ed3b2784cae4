"""A summary given as a map of one cell."""

import pytest
import torch

from agglo.core.errors import FeatureMismatch
from agglo.teachers import build_from_entry
from agglo.teachers.summary import SummaryTeacher
from tiny_teachers import INPUT_PX, tiny_entry


@pytest.mark.parametrize("kind", ["dinov2", "medclip", "clip", "resnet"])
def test_it_is_the_teachers_own_summary(kind):
    torch.manual_seed(0)
    teacher = build_from_entry(tiny_entry(kind), weights="random")
    summary = SummaryTeacher(teacher)
    images = torch.randn(2, 3, INPUT_PX[kind], INPUT_PX[kind])
    assert (summary.spec.grid, summary.spec.dim) == ((1, 1), teacher.spec.summary_dim)
    assert torch.equal(summary.feature_map(images)[:, :, 0, 0], teacher.summary(images))
    assert not any(parameter.requires_grad for parameter in summary.parameters())


def test_a_teacher_without_one_is_refused():
    with pytest.raises(FeatureMismatch, match="must have a summary vector to give one"):
        SummaryTeacher(build_from_entry(tiny_entry("sam2"), weights="random"))
