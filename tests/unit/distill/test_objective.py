"""Stage 1's objective: on which grid tokens meet, what is logged, and that a student really learns."""

import pytest
import torch

from agglo.distill import DistilTask, Extras, Sizes, TeacherTarget, make_balancer, make_head
from agglo.features import Codec, Moments, Storage, make_normaliser
from agglo.students import build_student

DIMS = {"coarse": (12, 2), "fine": (8, 16)}  # teacher: (width, cells); the student has 8 cells at 64 px


def task(balance: str = "uniform", **options: str) -> DistilTask:
    torch.manual_seed(0)
    targets = {
        name: TeacherTarget(
            make_normaliser("global", Moments.of(torch.randn(500, dim).numpy())),
            make_head("mlp", student_dim=32, teacher_dim=dim, hidden_dim=16),
        )
        for name, (dim, _) in DIMS.items()
    }
    return DistilTask(
        build_student("repvit", embed_dim=32),
        targets,
        make_balancer(balance, Sizes(32, tuple(dim for dim, _ in DIMS.values()))),
        **options,
    )


def batch() -> dict[str, object]:
    random = torch.Generator().manual_seed(1)
    features = {
        name: torch.randn(2, dim, cells, cells, generator=random).half()
        for name, (dim, cells) in DIMS.items()
    }
    grey = torch.rand(2, 64, 64, generator=random)
    return {"grey": grey, "inside": torch.ones(2, 8, 8), "features": features}


@pytest.mark.parametrize("match", ["teacher", "student", "larger"])
def test_the_total_is_the_weighted_sum_and_every_teacher_is_logged(match: str) -> None:
    outcome = task(match=match)(batch(), 0)
    assert set(outcome.scalars) == {"balancer_loss"} | {
        f"teachers/{name}/{figure}" for name in DIMS for figure in ("loss", "cosine", "weight")
    }
    expected = sum(outcome.scalars[f"teachers/{name}/loss"] * 0.5 for name in DIMS)
    torch.testing.assert_close(outcome.total.detach(), expected)
    assert not any(figure.requires_grad for figure in outcome.scalars.values())


def test_the_balancer_learns_although_only_the_students_loss_is_shown() -> None:
    learner = task(balance="attention")
    outcome = learner(batch(), 0)
    shares = {
        name: outcome.scalars[f"teachers/{name}/weight"] * outcome.scalars[f"teachers/{name}/loss"]
        for name in DIMS
    }
    assert outcome.scalars["balancer_loss"] != 0
    assert abs(float(outcome.total.detach() - sum(shares.values()))) < 1e-3
    outcome.total.backward()
    assert learner.balancer.logits.keys.grad.abs().sum() > 0


def test_padding_has_no_influence() -> None:
    learner, samples = task().eval(), batch()
    samples["inside"][:, 4:] = 0
    before = learner(samples, 0).total
    samples["features"]["fine"][:, :, 10:] += 5
    assert torch.equal(learner(samples, 0).total, before)
    samples["features"]["fine"][:, :, :4] += 5
    assert not torch.equal(learner(samples, 0).total, before)


def test_only_the_larger_grid_changes_the_coarse_teachers_loss() -> None:
    on_own, on_larger = (task(match=match)(batch(), 0).scalars for match in ("teacher", "larger"))
    assert not torch.isclose(on_own["teachers/coarse/loss"], on_larger["teachers/coarse/loss"])
    torch.testing.assert_close(on_own["teachers/fine/loss"], on_larger["teachers/fine/loss"])


def test_a_summary_joins_the_loss_of_its_teacher() -> None:
    torch.manual_seed(1)
    head = make_head("mlp", student_dim=32, teacher_dim=6, hidden_dim=16)
    summary = {"coarse": TeacherTarget(make_normaliser("none", Moments.empty(6)), head)}
    plain, samples = task(), batch()
    learner = DistilTask(plain.student, plain.targets(), plain.balancer, extras=Extras(summary))
    samples["features"]["coarse@summary"] = torch.randn(2, 6, 1, 1).half()
    before, after = (each.eval()(samples, 0) for each in (plain, learner))
    embedding = plain.student(plain.student.preprocess(samples["grey"])).embedding
    predicted = head(embedding.mean(dim=(2, 3), keepdim=True))
    cosine = torch.cosine_similarity(predicted, samples["features"]["coarse@summary"].float(), dim=1).mean()
    torch.testing.assert_close(after.scalars["teachers/coarse/summary"], cosine.detach())
    for name, more in (("coarse", 1 - cosine.detach()), ("fine", 0.0)):
        key = f"teachers/{name}/loss"
        torch.testing.assert_close(after.scalars[key], before.scalars[key] + more)
    after.total.backward()
    assert all(part.grad is not None for part in head.parameters())
    assert list(learner.targets()) == ["coarse", "fine", "coarse@summary"]


def test_a_few_steps_bring_the_student_closer_to_both_teachers() -> None:
    learner, samples = task(), batch()
    optimizer = torch.optim.AdamW(learner.parameters(), lr=2e-3)
    first = learner(samples, 0).scalars
    for step in range(25):
        optimizer.zero_grad()
        learner(samples, step).total.backward()
        optimizer.step()
    last = learner(samples, 25).scalars
    for name in DIMS:
        assert last[f"teachers/{name}/cosine"] > first[f"teachers/{name}/cosine"] + 0.2


def coded_task(tokens_seed: int) -> DistilTask:
    torch.manual_seed(tokens_seed)
    moments = Moments.of(torch.randn(500, 12).numpy())
    targets = {
        name: TeacherTarget(
            make_normaliser(normalise, moments, codec),
            make_head("linear", student_dim=32, teacher_dim=12, hidden_dim=16),
        )
        for name, normalise, codec in (
            ("rotated", "phi-s", None),
            ("white", "zca", None),
            ("coded", "phi-s", Codec.fit(moments, Storage("int8"))),
        )
    }
    student = build_student("repvit", embed_dim=32)
    return DistilTask(student, targets, make_balancer("uniform", Sizes(32, (12, 12, 12))))


def test_a_resumed_training_goes_on_with_the_normalisers_that_were_saved() -> None:
    """Whatever a fit would give now: eigenvectors may come with another sign on another machine."""
    before, resumed = coded_task(1), coded_task(2)
    maps = torch.randint(-100, 100, (1, 12, 3, 3)).float()
    expected = [normaliser(maps) for normaliser in before.normalisers]
    assert not any(
        torch.equal(normaliser(maps), known)
        for normaliser, known in zip(resumed.normalisers, expected, strict=True)
    )
    resumed.load_state_dict(before.state_dict())
    for own, old, known in zip(resumed.normalisers, before.normalisers, expected, strict=True):
        assert torch.equal(own(maps), known)
        assert torch.equal(own.inverse(maps), old.inverse(maps))


def test_losses_stay_in_float32_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        outcome = task()(batch(), 0)
    assert outcome.total.dtype == torch.float32
    torch.testing.assert_close(outcome.total, task()(batch(), 0).total, rtol=0.03, atol=0.01)
