"""Masks and features together: which samples meet, what teaches whom and when, and what is refused."""

from collections import Counter
from typing import Any

import pytest
import torch

from agglo.align import AlignTask, EncoderTuning, JointSource, JointTask
from agglo.core.errors import ConfigError
from agglo.decoders import StructureDecoder
from agglo.distill import DistilTask, Sizes, TeacherTarget, make_balancer, make_head
from agglo.features import Moments, make_normaliser
from agglo.students import Student, build_student


class Numbered:
    """Samples that are nothing but their own number and turn."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        return {"index": index, "turn": turn}


@pytest.mark.parametrize(("frames", "views"), [(3, 7), (7, 3), (4, 4), (1, 5)])
def test_every_view_comes_equally_often_and_every_frame_as_before(frames: int, views: int) -> None:
    source = JointSource(Numbered(frames), Numbered(views), seed=1)
    pairs = [source.sample(index, turn) for turn in range(2 * views) for index in range(frames)]
    assert len(source) == frames
    assert [pair["masks"] for pair in pairs] == [
        {"index": index, "turn": turn} for turn in range(2 * views) for index in range(frames)
    ]
    assert set(Counter(pair["features"]["index"] for pair in pairs).values()) == {2 * frames}
    assert pairs == [source.sample(index, turn) for turn in range(2 * views) for index in range(frames)]


def student_of(seed: int) -> Student:
    torch.manual_seed(seed)
    return build_student("repvit", embed_dim=32)


def parts(student: Student, *, tuned_from: int | None = 1) -> tuple[AlignTask, DistilTask]:
    torch.manual_seed(1)
    decoder = StructureDecoder(num_structures=2, embed_dim=32, grid_stride=8, high_res_dims=None)
    align = AlignTask(student, decoder, encoder=EncoderTuning(tuned_from, learning_rate_scale=0.5))
    target = TeacherTarget(
        make_normaliser("global", Moments.of(torch.randn(500, 12).numpy())),
        make_head("mlp", student_dim=32, teacher_dim=12, hidden_dim=16),
    )
    balancer = make_balancer("uniform", Sizes(32, (12,)))
    return align, DistilTask(student, {"teacher": target}, balancer)


def batch() -> dict[str, Any]:
    random = torch.Generator().manual_seed(2)
    masks = {
        "grey": torch.rand(2, 64, 64, generator=random),
        "coverage": torch.ones(2, 2, 32, 32),
        "inside": torch.ones(2, 32, 32),
        "known": torch.zeros(
            2, 2, dtype=torch.bool
        ),  # masks teach nothing here: what is learned comes from features
        "absent": torch.zeros(2, 2, dtype=torch.bool),
    }
    features = {
        "grey": torch.rand(2, 64, 64, generator=random),
        "inside": torch.ones(2, 8, 8),
        "features": {"teacher": torch.randn(2, 12, 4, 4, generator=random).half()},
    }
    return {"masks": masks, "features": features}


def encoder_gradient(task: JointTask, step: int) -> float:
    task.zero_grad()
    outcome = task(batch(), step)
    if outcome.total.requires_grad:
        outcome.total.backward()
    found = [each.grad.abs().sum() for each in task.align.student.parameters() if each.grad is not None]
    return float(sum(found))


def test_features_teach_the_encoder_once_it_is_tuned_and_not_before() -> None:
    task = JointTask(*parts(student_of(0)), weight=0.5)
    assert encoder_gradient(task, 0) == 0
    assert "features_loss" not in task(batch(), 0).scalars
    assert encoder_gradient(task, 1) > 0


def test_the_loss_is_the_sum_with_the_weight() -> None:
    task = JointTask(*parts(student_of(0)), weight=0.25).eval()
    outcome = task(batch(), 1)
    masks, features = task.align(batch()["masks"], 1), task.distil(batch()["features"], 1)
    torch.testing.assert_close(outcome.total, masks.total + 0.25 * features.total)
    assert outcome.scalars["features_loss"] == features.total.detach()
    assert "teachers/teacher/cosine" in outcome.scalars


def test_rates_are_those_of_the_stage_that_a_part_is_of() -> None:
    task = JointTask(*parts(student_of(0)), weight=1.0)
    scales = task.learning_rate_scales()
    names = [name for name, _ in task.named_parameters()]
    assert [scale for prefix, scale in scales.items() if names[0].startswith(prefix)] == [0.5]
    assert not any(name.startswith("distil.student") for name in names), "the student is there once"


def test_two_students_or_one_that_stands_still_are_refused() -> None:
    align, _ = parts(student_of(0))
    _, distil = parts(student_of(1))
    with pytest.raises(ConfigError, match="needs one student"):
        JointTask(align, distil, weight=1.0)
    with pytest.raises(ConfigError, match="got frozen"):
        JointTask(*parts(student_of(0), tuned_from=None), weight=1.0)
