"""What a distillation leaves: the student, and beside it the heads, by which it stands in for each of its teachers.

student.safetensors   the student alone: all that stage 2 and a model folder need; in its metadata, under `agglo`, which teachers
                      it learned from and under which terms, as JSON, so that they are known wherever the file goes
heads.safetensors     a head for each teacher, folded so that it gives features in the teacher's own space; in the file's
                      metadata, under `agglo`, what they are and which student they belong to, as JSON
balancer.safetensors  how teachers were weighed at the end, for who goes on distilling
"""

import json
import logging
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from agglo.core.errors import FeatureMismatch, WeightsError
from agglo.core.files import write_atomic
from agglo.distill.balance import Balancer
from agglo.distill.folding import folded, is_foldable, with_affine_end
from agglo.distill.grids import Grid, Match, Shrink, meeting_grid, resized
from agglo.distill.heads import Head, make_head
from agglo.distill.objective import DistilTask
from agglo.students import Student, build_student

FORMAT_VERSION = 1
STUDENT_FILE, HEADS_FILE, BALANCER_FILE = (
    "student.safetensors",
    "heads.safetensors",
    "balancer.safetensors",
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeadPlan:
    """How the head for one teacher is built, and where it works.

    Attributes:
        head: a key of `HEADS`.
        teacher_dim, hidden_dim: widths.
        grid: rows and columns of the teacher's map.
        match, shrink: on which grid the head learned, and how a map is brought to a coarser one (`grids`).
        is_folded: whether its features are in the teacher's own space; not where the normaliser cannot be undone.
    """

    head: str
    teacher_dim: int
    hidden_dim: int
    grid: Grid
    match: Match = "teacher"
    shrink: Shrink = "average"
    is_folded: bool = True


@final
class StandIn(nn.Module):
    """A student in a teacher's place: features in the teacher's own space, on the teacher's grid.

    Attributes:
        plan: widths and grid of what it gives.
    """

    def __init__(self, student: Student, head: Head, plan: HeadPlan) -> None:
        """Join a student and a folded head."""
        super().__init__()
        self.student, self.head, self.plan = student, head, plan

    def preprocess(self, unit_images: Float[Tensor, "batch rows cols"]) -> Float[Tensor, "batch 3 rows cols"]:
        """Turn grey images in `[0, 1]` into input: the student's, not the teacher's."""
        return self.student.preprocess(unit_images)

    def forward(self, images: Float[Tensor, "batch 3 rows cols"]) -> Float[Tensor, "batch dim h w"]:
        """Return `[batch, teacher_dim, *plan.grid]` for what `preprocess` gives, of the size the student was distilled at."""
        return self.features_of(self.student(images).embedding)

    def features_of(
        self, embedding: Float[Tensor, "batch embed h w"]
    ) -> Float[Tensor, "batch dim gridh gridw"]:
        """Return the same for an embedding that is there already."""
        rows, cols = embedding.shape[2:]
        learned_on = meeting_grid(self.plan.match, (rows, cols), self.plan.grid)
        found = self.head(resized(embedding, learned_on, self.plan.shrink))
        return resized(found, self.plan.grid, self.plan.shrink)


@final
class Distilled:
    """A distilled student with its heads, in eval mode.

    Attributes:
        student: the encoder.
        input_px: side of the square input it was distilled at.
        plans: of the heads, by teacher.
    """

    def __init__(
        self, student: Student, heads: Mapping[str, Head], plans: Mapping[str, HeadPlan], input_px: int
    ) -> None:
        """Take the parts; `heads` are folded as `plans` say."""
        self.student, self.heads = student.eval(), dict(heads)
        self.plans, self.input_px = dict(plans), input_px

    @property
    def teachers(self) -> tuple[str, ...]:
        """Names of those it can stand in for, as the run called them."""
        return tuple(self.plans)

    def as_teacher(self, name: str) -> StandIn:
        """Return the student in the place of teacher `name`: its features, in its own space and on its own grid.

        Raises:
            FeatureMismatch: it was not distilled from such a teacher, or what it learned of it cannot be turned back.
        """
        if name not in self.plans:
            raise FeatureMismatch(
                f"a student stands in for its teachers only, which are {', '.join(self.teachers)}; got {name!r}"
            )
        if not self.plans[name].is_folded:
            raise FeatureMismatch(
                f"the student learned {name} with a normalisation that cannot be undone (`distill.normalise: l2`), so it cannot "
                f"give {name}'s own features; distil with another `distill.normalise`"
            )
        return StandIn(self.student, self.heads[name], self.plans[name]).eval()


def save_heads(task: DistilTask, plans: Mapping[str, HeadPlan], path: Path, *, input_px: int) -> None:
    """Fold the heads of a finished training and write them; `plans` say how each was built (`is_folded` is found here)."""
    state: dict[str, Tensor] = {}
    kept: dict[str, Any] = {}
    for name, target in task.targets().items():
        can_fold = is_foldable(target.normaliser)
        head, normaliser = (
            deepcopy(target.head).cpu(),
            deepcopy(target.normaliser).cpu(),
        )  # where there is float64
        new = folded(head, normaliser) if can_fold else with_affine_end(head)
        kept[name] = {**asdict(plans[name]), "is_folded": can_fold}
        state |= {
            f"{name}/{key}": value.detach().cpu().contiguous() for key, value in new.state_dict().items()
        }
    about = {
        "format_version": FORMAT_VERSION,
        "student": task.student.arguments,
        "input_px": input_px,
        "heads": kept,
    }
    write_atomic(path, lambda temporary: save_file(state, temporary, metadata={"agglo": json.dumps(about)}))


def save_student(student: Student, path: Path, taught_by: Sequence[Mapping[str, str | None]] = ()) -> None:
    """Write a student so that `students.build_student(init=path)` reads it.

    Args:
        student: to write.
        path: of the file, written whole or not at all.
        taught_by: of each teacher `name`, `licence`, `restriction` (None where none is known), `labels_seen`.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in student.state_dict().items()}
    about = {"format_version": FORMAT_VERSION, "teachers": [dict(teacher) for teacher in taught_by]}
    metadata = {"agglo": json.dumps(about)} if taught_by else None
    write_atomic(path, lambda temporary: save_file(state, temporary, metadata=metadata))


def teachers_of(path: Path) -> list[dict[str, str | None]] | None:
    """Return what `save_student` wrote of the teachers; None where the file does not say, or is no such file."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("agglo", "{}"))
        is_known = about.get("format_version") == FORMAT_VERSION
        return [dict(teacher) for teacher in about["teachers"]] if is_known and about["teachers"] else None
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        return None


def save_balancer(balancer: Balancer, path: Path) -> None:
    """Write what a balancer has learned, for `load_balancer`."""
    state = {name: value.detach().cpu().contiguous() for name, value in balancer.state_dict().items()}
    write_atomic(path, lambda temporary: save_file(state, temporary))


def load_balancer(balancer: Balancer, folder: Path) -> None:
    """Give `balancer` what the one of the distillation in `folder` had learned; where none was kept, say so and leave it as it is.

    Raises:
        WeightsError: the file is damaged, or is of another balancer.
    """
    path = folder / BALANCER_FILE
    if not balancer.state_dict():
        return
    if not path.exists():
        _log.warning(
            "%s has no %s (older versions kept none): the balancer starts anew; delete the folder to distil anew, and keep one",
            folder,
            BALANCER_FILE,
        )
        return
    try:
        balancer.load_state_dict(load_file(path))
    except (SafetensorError, OSError, RuntimeError) as problem:
        raise WeightsError(
            f"{path} must hold what a {type(balancer).__name__} has learned, but does not ({problem}); delete the folder to "
            "distil anew"
        ) from problem


def load_distilled(folder: Path) -> Distilled:
    """Read what a distillation left in `folder` (of a run, `RUN/distill`).

    Raises:
        WeightsError: a file is absent, damaged, of an unknown format, or does not fit.
    """
    path = folder / HEADS_FILE
    if not path.exists():
        raise WeightsError(
            f"{folder} must be what a distillation left, but has no {HEADS_FILE}; `agglo distill RECIPE` makes it (runs of "
            "older versions kept no heads: delete the folder to distil anew)"
        )
    about, state = _read(path)
    student = build_student(**about["student"], init=folder / STUDENT_FILE)
    plans = {name: HeadPlan(**{**plan, "grid": tuple(plan["grid"])}) for name, plan in about["heads"].items()}
    heads = {name: _head(name, plan, student, state, path) for name, plan in plans.items()}
    return Distilled(student, heads, plans, about["input_px"])


def _head(name: str, plan: HeadPlan, student: Student, state: Mapping[str, Tensor], path: Path) -> Head:
    head = with_affine_end(
        make_head(
            plan.head,
            student_dim=student.embed_dim,
            teacher_dim=plan.teacher_dim,
            hidden_dim=plan.hidden_dim,
        )
    )
    own = {key.removeprefix(f"{name}/"): value for key, value in state.items() if key.startswith(f"{name}/")}
    try:
        head.load_state_dict(own)
    except RuntimeError as problem:
        raise WeightsError(
            f"{path} must hold a {plan.head} head for {name}, but does not: {problem}"
        ) from None
    return head.requires_grad_(False)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("agglo", "{}"))
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # no mapping
    except (SafetensorError, OSError, ValueError) as problem:
        raise WeightsError(
            f"{path} must hold the heads of a distillation, but cannot be read ({problem}); delete the folder to distil anew"
        ) from problem
    if about.get("format_version") != FORMAT_VERSION:
        raise WeightsError(
            f"{path} has format {about.get('format_version')}, this version of Agglo reads {FORMAT_VERSION}; distil anew"
        )
    return about, state
