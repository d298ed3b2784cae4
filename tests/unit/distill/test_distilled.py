"""What a distillation leaves: a student that stands in for its teachers, in their own space and on their own grids."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from agglo.core.errors import FeatureMismatch, WeightsError
from agglo.core.seeds import generator
from agglo.distill import (
    DistilTask,
    HeadPlan,
    Sizes,
    TeacherTarget,
    load_distilled,
    make_balancer,
    make_head,
    save_heads,
)
from agglo.distill.balance import BALANCERS, Balancer
from agglo.distill.distilled import load_balancer, save_balancer
from agglo.distill.folding import unfolded
from agglo.distill.grids import resized
from agglo.features import Moments, make_normaliser
from agglo.students import build_student

PLANS = {
    "coarse": HeadPlan("conv", 12, 16, (2, 2)),
    "fine": HeadPlan("eq2", 8, 16, (16, 16)),
    "odd": HeadPlan("mlp", 20, 16, (5, 5), "larger", "antialiased"),
}


def distilled_task(normalise: str) -> DistilTask:
    """Return a task as a training leaves it: `odd` has a width without a Hadamard matrix."""
    torch.manual_seed(0)
    targets = {
        name: TeacherTarget(
            make_normaliser(normalise, moments(plan.teacher_dim)),
            make_head(plan.head, student_dim=32, teacher_dim=plan.teacher_dim, hidden_dim=plan.hidden_dim),
        )
        for name, plan in PLANS.items()
    }
    dims = tuple(plan.teacher_dim for plan in PLANS.values())
    student = build_student("repvit", embed_dim=32)
    return DistilTask(student, targets, make_balancer("uniform", Sizes(32, dims))).eval()


def moments(dim: int) -> Moments:
    tokens = generator(6, "kept", dim).standard_normal((500, dim)) * np.linspace(1, 4, dim) + 10
    return Moments.of(tokens.astype(np.float32))


def kept(folder: Path, normalise: str = "phi-s") -> DistilTask:
    """Write what a distillation leaves into a folder; return the task."""
    task = distilled_task(normalise)
    save_heads(task, PLANS, folder / "heads.safetensors", input_px=64)
    save_file(
        {name: value.contiguous() for name, value in task.student.state_dict().items()},
        folder / "student.safetensors",
    )
    return task


@torch.no_grad()
@pytest.mark.parametrize("name", PLANS)
def test_it_gives_the_teachers_own_features_on_its_own_grid(tmp_path: Path, name: str) -> None:
    task = kept(tmp_path)
    loaded = load_distilled(tmp_path)
    assert (loaded.teachers, loaded.input_px, loaded.plans) == (tuple(PLANS), 64, PLANS)
    stand_in, plan, place = loaded.as_teacher(name), PLANS[name], list(PLANS).index(name)
    images = stand_in.preprocess(torch.rand(2, 64, 64, generator=torch.Generator().manual_seed(1)))
    embedding = task.student(images).embedding
    learned_on = (8, 8) if name == "odd" else plan.grid
    predicted = task.heads[place](resized(embedding, learned_on, plan.shrink))
    expected = resized(task.normalisers[place].inverse(predicted), plan.grid, plan.shrink)
    found = stand_in(images)
    assert found.shape == (2, plan.teacher_dim, *plan.grid)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(stand_in.features_of(embedding), found)
    assert not any(parameter.requires_grad for parameter in stand_in.head.parameters())


def test_what_cannot_be_undone_or_was_no_teacher_is_refused(tmp_path: Path) -> None:
    kept(tmp_path, "l2")
    loaded = load_distilled(tmp_path)
    with pytest.raises(
        FeatureMismatch,
        match=r"learned fine with a normalisation that cannot be undone .*`distill.normalise`",
    ):
        loaded.as_teacher("fine")
    with pytest.raises(FeatureMismatch, match=r"its teachers only, which are coarse, fine, odd; got 'sam2'"):
        loaded.as_teacher("sam2")


def without_heads(folder: Path) -> None:
    (folder / "heads.safetensors").unlink()


def cut_off(folder: Path) -> None:
    whole = (folder / "heads.safetensors").read_bytes()
    (folder / "heads.safetensors").write_bytes(whole[: len(whole) // 2])


def of_the_future(folder: Path) -> None:
    save_file(
        load_file(folder / "heads.safetensors"),
        folder / "heads.safetensors",
        metadata={"agglo": json.dumps({"format_version": 99})},
    )


def of_another_width(folder: Path) -> None:
    about = {
        "format_version": 1,
        "student": {"name": "repvit", "neck": "fusing", "embed_dim": 32},
        "input_px": 64,
        "heads": {"fine": {"head": "mlp", "teacher_dim": 9, "hidden_dim": 16, "grid": [2, 2]}},
    }
    save_file(
        load_file(folder / "heads.safetensors"),
        folder / "heads.safetensors",
        metadata={"agglo": json.dumps(about)},
    )


FAULTS = {  # name: (how it is spoiled, what is said)
    "absent": (without_heads, r"has no heads.safetensors; `agglo distill RECIPE` makes it"),
    "cut off": (cut_off, r"must hold the heads of a distillation, but cannot be read"),
    "of the future": (of_the_future, r"has format 99, this version of Agglo reads 1"),
    "of another width": (of_another_width, r"must hold a mlp head for fine, but does not"),
}


@pytest.mark.parametrize(("spoil", "said"), FAULTS.values(), ids=FAULTS)
def test_files_that_are_not_as_they_were_written_are_refused(tmp_path: Path, spoil, said: str) -> None:
    kept(tmp_path)
    spoil(tmp_path)
    with pytest.raises(WeightsError, match=said):
        load_distilled(tmp_path)


def balancer(name: str, *, seed: int, dims: tuple[int, ...] = (12, 8)) -> Balancer:
    """Return a balancer that has seen a batch."""
    torch.manual_seed(seed)
    made = make_balancer(name, Sizes(32, dims, steps=9))
    made(torch.rand(3, 32, 4, 4), torch.rand(3, len(dims)) + seed, [torch.rand(3, dim, 4, 4) for dim in dims])
    return made


@pytest.mark.parametrize("name", BALANCERS)
def test_weighing_goes_on_from_a_balancer_as_it_was(name: str, tmp_path: Path) -> None:
    first, again = balancer(name, seed=1), balancer(name, seed=2)
    save_balancer(first, tmp_path / "balancer.safetensors")
    load_balancer(again, tmp_path)
    for key, value in first.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key


def test_a_balancer_that_was_not_kept_starts_anew_and_that_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load_balancer(balancer("uniform", seed=2), tmp_path)
    assert caplog.text == "", "there is nothing to be kept of it"
    again = balancer("attention", seed=2)
    before = {key: value.clone() for key, value in again.state_dict().items()}
    load_balancer(again, tmp_path)
    assert all(torch.equal(value, before[key]) for key, value in again.state_dict().items())
    assert "has no balancer.safetensors (older versions kept none): the balancer starts anew" in caplog.text


def test_another_balancer_is_refused(tmp_path: Path) -> None:
    save_balancer(balancer("mlp", seed=1), tmp_path / "balancer.safetensors")
    with pytest.raises(WeightsError, match=r"must hold what a AttentionBalancer has learned, but does not"):
        load_balancer(balancer("attention", seed=1), tmp_path)
    (tmp_path / "balancer.safetensors").write_bytes(b"torn")
    with pytest.raises(WeightsError, match=r"but does not .*; delete the folder to distil anew"):
        load_balancer(balancer("mlp", seed=1), tmp_path)


@torch.no_grad()
@pytest.mark.parametrize("normalise", ["phi-s", "zca", "l2"])
def test_learning_goes_on_from_a_folded_head_as_it_was(tmp_path: Path, normalise: str) -> None:
    task = kept(tmp_path, normalise)
    loaded = load_distilled(tmp_path)
    maps = torch.rand(1, 32, 4, 4)
    for name, head, normaliser in zip(task.names, task.heads, task.normalisers, strict=True):
        again = unfolded(loaded.heads[name], normaliser)
        torch.testing.assert_close(again(maps), head(maps), rtol=1e-3, atol=1e-4)
        assert all(parameter.requires_grad for parameter in again.parameters())
