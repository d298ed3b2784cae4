"""What several processes and one alone train alike, and the job that torchrun starts for `test_team.py`.

Batches of five on two processes: one has three samples of each, the other two.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from agglo.align import AlignTask, EncoderTuning
from agglo.core.errors import AggloError, TrainingCollapsed
from agglo.core.runlog import read_log
from agglo.decoders import PromptDecoder, StructureDecoder
from agglo.distill import BALANCERS, Balancer, DistilTask, Sizes, TeacherTarget, make_balancer, make_head
from agglo.features import Moments, make_normaliser
from agglo.recipes.workers import share_of
from agglo.students import build_student, calibrate_norms, freeze_norms
from agglo.students.student import Student
from agglo.train import Device, Outcome, Place, Plan, Task, Watch, fit
from agglo.train.hooks import State
from agglo.train.team import Team, joined

STEPS, BATCH, SIZE_PX, STRUCTURES = 20, 5, 64, 3
DIMS = {"easy": (6, 2), "hard": (8, 4), "harder": (5, 8)}  # teacher: (width, cells)
NOISE = (0.05, 0.9, 1.1)
EMBED = 16
SIZES = Sizes(EMBED, tuple(dim for dim, _ in DIMS.values()))
CPU = Device(accelerator="cpu", threads=1)


class ToySource:
    """Thirteen small pictures, and what three linear teachers with more and more noise make of each."""

    def __len__(self) -> int:
        return 13

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        random = torch.Generator().manual_seed(100 * turn + index)
        image = torch.randn(4, 4, 4, generator=random)
        maps = torch.Generator().manual_seed(7)
        targets = {
            name: torch.einsum("dc,chw->dhw", torch.randn(dim, 4, generator=maps), image)
            + noise * torch.randn(dim, 4, 4, generator=random)
            for (name, (dim, _)), noise in zip(DIMS.items(), NOISE, strict=True)
        }
        return {"image": image, "targets": targets}


class ToyTask(Task):
    """A small shared student, linear heads, and a balancer, as in stage 1; somebody may press Ctrl-C in step `stop_at`."""

    def __init__(self, balancer: Balancer, *, stop_at: int | None = None) -> None:
        super().__init__()
        self.stop_at = stop_at
        self.student = nn.Sequential(nn.Conv2d(4, EMBED, 1), nn.GELU(), nn.Conv2d(EMBED, EMBED, 1))
        self.heads = nn.ModuleDict({name: nn.Conv2d(EMBED, dim, 1) for name, (dim, _) in DIMS.items()})
        self.balancer = balancer

    def forward(self, batch: Any, step: int) -> Outcome:
        if step == self.stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        embedding, targets = self.student(batch["image"]), batch["targets"]
        errors = [(self.heads[name](embedding) - targets[name]).square().mean(dim=(1, 2, 3)) for name in DIMS]
        losses = torch.stack(errors, dim=1)
        weights, own_loss = self.balancer(embedding, losses, list(targets.values()))
        total = (weights * losses).sum(dim=1).mean()
        figures = {f"weights/{name}": weights[:, place].mean().detach() for place, name in enumerate(DIMS)}
        return Outcome(total + (own_loss - own_loss.detach()), {**figures, "own": own_loss.detach()})


class Pictures:
    """Seven grey pictures with stored maps and masks; what is known, and what is there, differs from one to the next."""

    def __len__(self) -> int:
        return 7

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        random = torch.Generator().manual_seed(index)
        cells = SIZE_PX // 2
        return {
            "grey": torch.rand(SIZE_PX, SIZE_PX, generator=random),
            "features": {
                name: torch.randn(dim, side, side, generator=random) for name, (dim, side) in DIMS.items()
            },
            "coverage": (torch.rand(STRUCTURES, cells, cells, generator=random) > 0.7).float()
            * torch.tensor([1.0, float(index % 2), 1.0])[:, None, None],
            "known": torch.tensor([True, index % 3 > 0, index > 4]),
        }


class Distilled(Pictures):
    """The same with the picture's share of the student's cells."""

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        return {**super().sample(index, turn), "inside": torch.ones(SIZE_PX // 8, SIZE_PX // 8)}


class Masked(Pictures):
    """The same with the picture's share of the masks' cells."""

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        return {**super().sample(index, turn), "inside": torch.ones(SIZE_PX // 2, SIZE_PX // 2)}


class Prompted(Masked):
    """The same with prompts; not every one is usable, or on something."""

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        random = torch.Generator().manual_seed(50 + index)
        prompts = {
            "box": torch.tensor([8.0, 12.0, 40.0, 50.0]) + index,
            "points": SIZE_PX * torch.rand(3, 2, generator=random),
            "chosen": torch.tensor([index % STRUCTURES, 0]),
            "is_object": torch.tensor([index % 2 > 0, index > 1]),
            "is_usable": torch.tensor([index % 3 > 0, index != 4]),
            "draws": torch.rand(2, generator=random),
        }
        return {**super().sample(index, turn), "prompts": prompts}


def student() -> Student:
    """Return a small student whose norms are frozen, after having seen some pictures."""
    learner = build_student("repvit", embed_dim=EMBED)
    grey = torch.stack([Pictures().sample(index, 0)["grey"] for index in range(7)])
    calibrate_norms(learner, [learner.preprocess(grey)])
    freeze_norms(learner)
    return learner


def distil_task(balance: str = "attention") -> DistilTask:
    """Return stage 1 on that student."""
    targets = {
        name: TeacherTarget(
            make_normaliser("global", Moments.of(torch.randn(500, dim).numpy())),
            make_head("mlp", student_dim=EMBED, teacher_dim=dim, hidden_dim=16),
        )
        for name, (dim, _) in DIMS.items()
    }
    return DistilTask(student(), targets, make_balancer(balance, SIZES))


def align_task(*, has_prompts: bool = False) -> AlignTask:
    """Return stage 2 on that student, which learns along from step 5 on; with a prompt decoder, or without."""
    learner = student()
    dims = (learner.stride8_dim, learner.stride4_dim)
    decoder = StructureDecoder(num_structures=STRUCTURES, embed_dim=EMBED, high_res_dims=dims)
    encoder = EncoderTuning(tuned_from=5, learning_rate_scale=0.3)
    if not has_prompts:
        return AlignTask(learner, decoder, encoder=encoder)
    prompts = PromptDecoder(embed_dim=EMBED, image_size=SIZE_PX, patch_size=8, mlp_dim=32, high_res_dims=dims)
    return AlignTask(learner, decoder, encoder=encoder, prompts=prompts)


CASES: dict[str, Any] = {  # name: (task, source)
    **{name: (lambda name=name: ToyTask(make_balancer(name, SIZES)), ToySource) for name in BALANCERS},
    "distil": (distil_task, Distilled),
    "align": (align_task, Masked),
    "prompts": (lambda: align_task(has_prompts=True), Prompted),
}


def train(name: str, folder: Path, **changes: Any) -> dict[str, Tensor]:
    """Train one of the cases in `folder`; return the weights it ends with."""
    torch.manual_seed(0)
    make_task, source = CASES[name]
    values = {"steps": STEPS, "batch_size": BATCH, "learning_rate": 1e-3, "ema_decay": 0.9, "log_every": 1}
    task: Task = make_task()
    fit(task, source(), Plan(**{**values, **changes}), Place(folder, device=CPU))
    return task.state_dict()


def losses(folder: Path) -> list[float]:
    """Return what a training in `folder` has logged."""
    return [entry["loss"] for entry in read_log(folder / "log.jsonl")]


def _agreed(team: Team, state: dict[str, Tensor]) -> bool:
    """Return whether all processes have the first one's values, bit for bit."""
    own = [tensor.clone() for tensor in state.values()]
    team.spread(state.values())
    is_same = all(torch.equal(mine, first) for mine, first in zip(own, state.values(), strict=True))
    return team.agree(int(not is_same)) == 0


def _collapse(state: State, outcome: Outcome) -> None:
    if state.step == 3:
        raise TrainingCollapsed("one teacher has it all")


def _end(folder: Path, *, stop_at: int | None = None, watch: Watch | None = None) -> str:
    """Return how a training ends for this process."""
    torch.manual_seed(0)
    plan = Plan(steps=STEPS, batch_size=BATCH, learning_rate=1e-3, log_every=1)
    task = ToyTask(make_balancer("uniform", SIZES), stop_at=stop_at)
    try:
        fit(task, ToySource(), plan, Place(folder, device=CPU), watch)
    except (AggloError, KeyboardInterrupt) as problem:
        return f"{type(problem).__name__}: {problem}"
    return "trained"


def _write_ends(team: Team, out: Path) -> None:
    """Let the first process fail, then the other one be interrupted; write down how each of them ends."""
    rank = team.share.rank
    ends = [_end(out / "failing", watch=Watch(hook=lambda log: _collapse))]
    ends.append(_end(out / "interrupted", stop_at=4 if rank == 1 else None))
    ends.append(_end(out / "interrupted"))
    (out / f"ends-{rank}.txt").write_text("\n".join(ends))


def main(out: Path) -> None:
    """Train all cases together, and say of which every process has the same weights; then stop in two ways."""
    torch.set_num_threads(1)
    with joined(share_of(os.environ), torch.device("cpu")) as team:
        for name in CASES:
            is_same = _agreed(team, train(name, out / name, ema_decay=None))
            if team.is_first and is_same:
                (out / name / "agreed").touch()
        _write_ends(team, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
