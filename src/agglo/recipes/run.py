"""`agglo run`: all stages in order, each resumable; and the verbs that stop after one of them."""

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext

from agglo.config.load import dump_recipe
from agglo.config.schema import Recipe
from agglo.core.files import write_json, write_text
from agglo.core.locks import locked
from agglo.core.share import ALL, Share
from agglo.recipes import build
from agglo.recipes.align import align, mask_source, supervised
from agglo.recipes.context import Run, Tell, tell_nobody
from agglo.recipes.dataset import dataset
from agglo.recipes.distill import distill
from agglo.recipes.environment import environment
from agglo.recipes.evaluate import evaluate
from agglo.recipes.extract import extract
from agglo.recipes.light import light
from agglo.recipes.ray_workers import require_ray
from agglo.recipes.report import report
from agglo.recipes.stage import Stage
from agglo.recipes.teachers import warn_of_restrictions
from agglo.recipes.workers import own_device, require_processes
from agglo.train.team import joined

_log = logging.getLogger(__name__)

STAGES: Mapping[str, Callable[[Run], bool]] = {
    "dataset": dataset,
    "extract": extract,
    "distill": distill,
    "align": align,
    "light": light,
    "supervised": supervised,
    "evaluate": evaluate,
    "report": report,
}
"""The stages in their order; each returns whether it did anything."""
TOGETHER = {"extract", "distill", "align", "light", "supervised"}
"""Those whose work several processes share; all others are done by the first one, while the others wait."""
WITHOUT_LABELS = {"dataset", "extract", "distill"}
"""Those up to which a run needs no label."""


def run(
    recipe: Recipe,
    *,
    last: str = "report",
    tell: Tell = tell_nobody,
    share: Share = ALL,
    ray_workers: int = 0,
) -> list[str]:
    """Do everything that is not done yet, up to and including stage `last`; return the names of the stages that did something.

    One run at a time works in a run folder. Several processes of one run (`share`) all call this: up to `extract` each does its
    share of the blocks and knows nothing of the others; going further, they train together.

    Raises:
        AggloError: something outside of Agglo must change first; what is made stays, and the same call goes on.
    """
    build.check_names(recipe)
    build.check_inputs(recipe)
    if ray_workers:
        require_ray()
    if last == "extract":
        with locked(recipe.out / ".lock", is_shared=not share.is_all):
            warn_of_restrictions(recipe)
            return _through(Run(recipe, tell, share, ray_workers), last)
    require_processes(recipe.device, share)
    with joined(share, own_device(build.device(recipe).resolved, os.environ)) as team, ExitStack() as held:
        team.first_does(lambda: held.enter_context(locked(recipe.out / ".lock")))
        if team.is_first:
            warn_of_restrictions(recipe)
        return _through(Run(recipe, tell if team.is_first else tell_nobody, share, team=team), last)


def _through(under_way: Run, last: str) -> list[str]:
    """Go through the stages up to `last`; return those that did something."""
    done = []
    for name in STAGES:
        with _first_alone(under_way, name):
            if _do(under_way, name):
                done.append(name)
        if name == "dataset" and last not in WITHOUT_LABELS:
            mask_source(under_way)  # says of too few labels at once, and not after hours of distilling
        if name == last:
            break
    return done


def _do(under_way: Run, name: str) -> bool:
    """Do one stage, together or by the first process while the others wait; return whether there was anything to do."""
    team = under_way.team
    if name in TOGETHER:
        did_work = STAGES[name](under_way)
    else:
        did_work, settings = team.first_does(
            lambda: (STAGES[name](under_way), under_way.stages[name].settings)
        )
        if not team.is_first:
            under_way.stages[name] = Stage(name, under_way.folder / name, settings)
            under_way.stages[name].wait_to_see()
    if did_work:
        team.first_does(lambda: _describe(under_way))
    return did_work


def _first_alone(under_way: Run, stage: str) -> AbstractContextManager[None]:
    """Let one of several processes make the dataset, while the others wait: of one that is killed, the next one takes over."""
    if under_way.share.is_all or not under_way.team.share.is_all or stage != "dataset":
        return nullcontext()
    return locked(
        under_way.folder / ".dataset.lock",
        on_wait=lambda holder: _log.warning("waiting for %s, which makes the dataset", holder),
    )


def _describe(under_way: Run) -> None:
    """Write down the resolved recipe, and where the last stage that did something ran."""
    write_text(under_way.folder / "recipe.yaml", dump_recipe(under_way.recipe))
    write_json(under_way.folder / "environment.json", environment())
