"""What a recipe's `norm` means on the processes at hand."""

from agglo.config.norms import Norm
from agglo.config.schema import Recipe
from agglo.core.errors import ConfigError, WeightsError
from agglo.students import CATALOGUE, Student, build_student, freeze_norms, sync_norms
from agglo.students.norms import find_norms
from agglo.students.weights import left_random
from agglo.train.team import current_team


def with_norms(student: Student, norm: Norm) -> Student:
    """Return the student with its batch norms set for training.

    `auto` is synced on several GPUs: a step then is the same on any number of them, but for rounding. One process sees the whole
    batch, so that nothing is left to be synced.

    Raises:
        ConfigError: they are to be synced between CPUs.
    """
    team = current_team()
    on_gpus = team.device is not None and team.device.type == "cuda"
    if norm == "frozen":
        freeze_norms(student)
    elif norm == "synced" and not team.share.is_all and not on_gpus:
        raise ConfigError(
            f"`norm: synced` needs GPUs, but these {team.share.world} processes are on CPUs; say `local` or `frozen`, or start one "
            "process"
        )
    elif norm in {"auto", "synced"} and on_gpus:
        sync_norms(student, team.tensors)
    return student


def norm_problems(recipe: Recipe) -> list[str]:
    """Return which norms are to be frozen that nobody has trained: their statistics say nothing of any image.

    The recipe's student and neck must be known ones.
    """
    asked = {"distill.norm": recipe.distill.norm, "supervised.norm": recipe.supervised.norm}
    frozen = [key for key, norm in asked.items() if norm == "frozen"]
    untrained = _untrained(recipe) if frozen else []
    if not untrained:
        return []
    return [
        f"{key}: frozen needs a student whose norms are trained, but with `student.init: {recipe.student.init}` those of its "
        f"{' and '.join(untrained)} are not; take the file of a whole student (imagenet, or a backbone's file, will do for a neck "
        "without batch norms, `fusing` or `mobilesam`), or say `local`"
        for key in frozen
    ]


def _untrained(recipe: Recipe) -> list[str]:
    """Return the parts of the student that have batch norms and start from random weights."""
    config = recipe.student
    try:
        random = left_random(CATALOGUE[config.name], config.init)
    except WeightsError:  # of a file that is absent or damaged others tell
        return []
    student = build_student(config.name, neck=config.neck)
    return [part for part in random if find_norms(getattr(student, part))]
