"""`agglo run`: all stages in order, each resumable; and the verbs that stop after one of them."""

from collections.abc import Callable, Mapping

from agglo.config.load import dump_recipe
from agglo.config.schema import Recipe
from agglo.core.files import write_json, write_text
from agglo.recipes import build
from agglo.recipes.align import align, supervised
from agglo.recipes.context import Run, Tell, tell_nobody
from agglo.recipes.dataset import dataset
from agglo.recipes.distill import distill
from agglo.recipes.environment import environment
from agglo.recipes.evaluate import evaluate
from agglo.recipes.extract import extract
from agglo.recipes.report import report

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


def run(recipe: Recipe, *, last: str = "report", tell: Tell = tell_nobody) -> list[str]:
    """Do everything that is not done yet, up to and including stage `last`; return the names of the stages that did something.

    Raises:
        AggloError: something outside of Agglo must change first; what is made stays, and the same call goes on.
    """
    build.check_names(recipe)
    build.check_inputs(recipe)
    under_way = Run(recipe, tell)
    done = []
    for name, stage in STAGES.items():
        if stage(under_way):
            done.append(name)
            _describe(under_way)
        if name == last:
            break
    return done


def _describe(under_way: Run) -> None:
    """Write down the resolved recipe, and where the last stage that did something ran."""
    write_text(under_way.folder / "recipe.yaml", dump_recipe(under_way.recipe))
    write_json(under_way.folder / "environment.json", environment())
