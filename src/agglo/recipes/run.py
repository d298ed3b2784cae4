"""`agglo run`: all stages in order, each resumable; and the verbs that stop after one of them."""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

from agglo.config.load import dump_recipe
from agglo.config.schema import Recipe
from agglo.core.errors import ConfigError
from agglo.core.files import write_json, write_text
from agglo.core.locks import locked
from agglo.core.share import ALL, Share
from agglo.recipes import build
from agglo.recipes.align import align, supervised
from agglo.recipes.context import Run, Tell, tell_nobody
from agglo.recipes.dataset import dataset
from agglo.recipes.distill import distill
from agglo.recipes.environment import environment
from agglo.recipes.evaluate import evaluate
from agglo.recipes.extract import extract
from agglo.recipes.ray_workers import require_ray
from agglo.recipes.report import report
from agglo.recipes.teachers import warn_of_restrictions

_log = logging.getLogger(__name__)

STAGES: Mapping[str, Callable[[Run], bool]] = {
    "dataset": dataset,
    "extract": extract,
    "distill": distill,
    "align": align,
    "supervised": supervised,
    "evaluate": evaluate,
    "report": report,
}
"""The stages in their order; each returns whether it did anything."""


def run(
    recipe: Recipe,
    *,
    last: str = "report",
    tell: Tell = tell_nobody,
    share: Share = ALL,
    ray_workers: int = 0,
) -> list[str]:
    """Do everything that is not done yet, up to and including stage `last`; return the names of the stages that did something.

    One process at a time works in a run folder; only extraction can be shared out (`last="extract"`).

    Raises:
        AggloError: something outside of Agglo must change first; what is made stays, and the same call goes on.
    """
    build.check_names(recipe)
    build.check_inputs(recipe)
    if not share.is_all and last != "extract":
        raise ConfigError(
            f"several processes (here {share.world}) can share `agglo extract` only; start `agglo {last}` as one"
        )
    if ray_workers:
        require_ray()
    warn_of_restrictions(recipe)
    under_way = Run(recipe, tell, share, ray_workers)
    done = []
    with locked(recipe.out / ".lock", is_shared=not share.is_all):
        for name, stage in STAGES.items():
            with _first_alone(under_way, name):
                if stage(under_way):
                    done.append(name)
                    _describe(under_way)
            if name == last:
                break
    return done


def _first_alone(under_way: Run, stage: str) -> AbstractContextManager[None]:
    """Let one of several processes make the dataset, while the others wait: of one that is killed, the next one takes over."""
    if under_way.share.is_all or stage != "dataset":
        return nullcontext()
    return locked(
        under_way.folder / ".dataset.lock",
        on_wait=lambda holder: _log.warning("waiting for %s, which makes the dataset", holder),
    )


def _describe(under_way: Run) -> None:
    """Write down the resolved recipe, and where the last stage that did something ran."""
    write_text(under_way.folder / "recipe.yaml", dump_recipe(under_way.recipe))
    write_json(under_way.folder / "environment.json", environment())
