"""Who fills the columns of a recipe's store: every teacher its map, and with `distill.summary` its summary, where it has one."""

from collections.abc import Mapping
from dataclasses import replace

from agglo.config.schema import Recipe
from agglo.features.looking import ReadyTeacher
from agglo.recipes import build
from agglo.recipes.distil_parts import column_names, summary_names
from agglo.teachers.summary import SummaryTeacher


def sources_of(recipe: Recipe, *names: str) -> dict[str, ReadyTeacher]:
    """Return who fills the columns `names` (by default all), in the recipe's order; each network is built once."""
    wanted, summaries = set(names or column_names(recipe)), summary_names(recipe)
    found: dict[str, ReadyTeacher] = {}
    for config in recipe.teachers:
        summary = summaries.get(config.key)
        if not wanted & {config.key, summary}:
            continue
        found[config.key] = build.ready_teacher(config)
        if summary is not None:
            found[summary] = summarised(found[config.key])
    return {name: found[name] for name in column_names(recipe) if name in wanted}


def summarised(source: ReadyTeacher) -> ReadyTeacher:
    """Return the same teacher, in the same precision, giving its summary; a look at its map gives both."""
    return replace(source, teacher=SummaryTeacher(source.teacher), identity=summary_identity(source.identity))


def summary_identity(identity: Mapping[str, object]) -> dict[str, object]:
    """Return the identity of the summary of a teacher of this `identity`."""
    return {**identity, "map": "summary"}
