"""Where stage 1 has a teacher's features from: a column of the store, or the teacher itself, which looks at each batch anew."""

from collections.abc import Sequence

from agglo.config.schema import Recipe, TeacherConfig
from agglo.core.errors import ConfigError
from agglo.data import Dataset
from agglo.distill import DistilSource
from agglo.features import Column, FeatureStore
from agglo.features.online import OnlineColumn
from agglo.features.pool import Pool
from agglo.recipes.distil_parts import column_names, summary_names
from agglo.recipes.patients import pool_samples
from agglo.recipes.teachers import teacher_entry
from agglo.teachers import spec_of


def online_teachers(recipe: Recipe) -> list[TeacherConfig]:
    """Return the teachers of a recipe that look online, in its order."""
    return [teacher for teacher in recipe.teachers if recipe.is_online(teacher)]


def require_stored(recipe: Recipe, what: str) -> None:
    """Say that `what` needs a store, where teachers of the recipe look online.

    Raises:
        ConfigError: some do.
    """
    if online := online_teachers(recipe):
        names = ", ".join(teacher.key for teacher in online)
        raise ConfigError(
            f"{what} must find every teacher's features stored, but {names} would look online; set `mode: stored` for them"
        )


def column(recipe: Recipe, store: FeatureStore, teacher: TeacherConfig) -> Column | OnlineColumn:
    """Return a teacher's stored features, or what stands in their place where it looks online."""
    if recipe.is_online(teacher):
        return OnlineColumn.open(store.folder, store.samples, teacher.key)
    return store.column(teacher.key)


def columns_of(recipe: Recipe, store: FeatureStore) -> dict[str, Column | OnlineColumn]:
    """Return where all that a recipe learns from is, by name: every teacher's map, then summaries, which are always stored."""
    maps = {teacher.key: column(recipe, store, teacher) for teacher in recipe.teachers}
    return {**maps, **{name: store.column(name) for name in summary_names(recipe).values()}}


def distil_source(
    recipe: Recipe, pool: Pool, store: FeatureStore, found: Dataset, train: Sequence[int]
) -> DistilSource:
    """Return what stage 1 learns from: the samples of the pool that the recipe asks for; `train` are the frames of `found`."""
    samples = pool_samples(recipe, pool, found, train)
    sizes_px = {
        each.key: spec_of(teacher_entry(each), input_px=each.input_px).input_px
        for each in online_teachers(recipe)
    }
    stored = [name for name in column_names(recipe) if name not in sizes_px]
    return DistilSource(
        pool, store, stored, size_px=recipe.student.input_px, samples=samples, online_px=sizes_px
    )
