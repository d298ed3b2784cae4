"""The extract stage: the teachers look at every stored view."""

import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from agglo.config.schema import Recipe, TeacherConfig
from agglo.core.files import fingerprint
from agglo.features import Column, FeatureStore, Samples
from agglo.features.extract import Filler
from agglo.features.looking import Looker, ReadyTeacher
from agglo.features.online import OnlineColumn
from agglo.features.pool import ONCE_THROUGH_BYTES, Pool
from agglo.recipes import build
from agglo.recipes.context import Run
from agglo.recipes.distil_parts import summary_names
from agglo.recipes.ray_workers import fill_by_ray
from agglo.recipes.sources import columns_of, online_teachers
from agglo.recipes.stage import Facts
from agglo.recipes.summaries import sources_of
from agglo.recipes.teachers import own_identity, own_precision, teacher_entry, terms_of, weights_sha256
from agglo.recipes.workers import own_device


def extract(run: Run) -> bool:
    """Fill the run's feature store with what is missing of this process's share.

    Neither teachers nor how features are kept are part of the stage's settings: the store knows each column's weights and dtype,
    so a further teacher costs its own column and nothing else.
    """
    recipe = run.recipe
    views = recipe.views.model_dump(mode="json")
    stage = run.stage(
        "extract",
        {"views": views, "unlabelled": _joining(run), "seed": recipe.seed},
        after=["dataset"],
        folder="features",
        is_whole=lambda: _is_whole(run),
        is_together=True,
    )

    def work() -> Facts | None:
        online = {teacher.key for teacher in online_teachers(recipe)}
        sources = sources_of(recipe)
        pool = build.pool(recipe, run.dataset, run.split).with_cache(ONCE_THROUGH_BYTES)
        looker = Looker(own_device(build.device(recipe).settle(), os.environ))
        stored, asked_anew = _parted(sources, online)
        filler = Filler(pool, stored, store_folder(run), looker, build.storage(recipe), asked_anew)
        filler.settle(run.tell("pilot"))
        if run.ray_workers:
            fill_by_ray(run, filler, workers=run.ray_workers, progress=run.tell("extract"))
        else:
            filler.fill(filler.missing(run.share), run.tell("extract"))
            run.team.meet()
        store = FeatureStore.open(store_folder(run))
        if any(store.column(name).missing_blocks() for name in stored):
            return None  # other processes are still at their shares; the last one to end says that the stage is done
        seconds = round(sum(each.seconds for each in columns_of(recipe, store).values()), 2)
        told = {each.key: _facts_of(each, sources[each.key], each.key in online) for each in recipe.teachers}
        return {
            "frames": len(pool.frames),
            "samples": len(pool),
            "labels": "none",
            "wall_s": seconds,
            "forward_s_of_last_call": round(looker.forward_s, 2),
            "kept_as": recipe.store.model_dump(mode="json"),
            "teachers": told,
        }

    return stage.run(work)


def _is_whole(run: Run) -> bool:
    """Return whether the stage's facts are of this recipe's teachers as they are now, and every block of them is there.

    Whether their bytes are those written, `agglo store verify` tells.
    """
    teachers, seen = run.recipe.teachers, run.stages["extract"].facts["teachers"]
    if not FeatureStore.exists(store_folder(run)) or list(seen) != [teacher.key for teacher in teachers]:
        return False
    if not all(_is_as_seen(teacher, seen[teacher.key]) for teacher in teachers):
        return False
    store = FeatureStore.open(store_folder(run))
    if not all(_is_there(run, store, teacher) for teacher in teachers):
        return False
    summaries = summary_names(run.recipe).values()
    return all(name in store.teachers and _is_kept(run, store.column(name)) for name in summaries)


def _is_there(run: Run, store: FeatureStore, teacher: TeacherConfig) -> bool:
    if run.recipe.is_online(teacher):
        return teacher.key in OnlineColumn.names(store.folder) and not (
            OnlineColumn.open(store.folder, store.samples, teacher.key).needs_pilot
        )
    return teacher.key in store.teachers and _is_kept(run, store.column(teacher.key))


def _is_kept(run: Run, column: Column) -> bool:
    """Return whether every block of a column is there, kept as the recipe says; if it is kept otherwise, the store says what to
    do."""
    asked = replace(column.spec, storage=build.storage(run.recipe))
    return not column.missing_blocks() and not column.spec.differences(asked, is_frozen=True)


def _is_as_seen(config: TeacherConfig, facts: Mapping[str, Any]) -> bool:
    """Return whether a teacher has the weights and input size with which it looked; if not, the store says what to do."""
    entry = teacher_entry(config)
    size_px = config.input_px or entry.input_px
    weights = identity_of(config)["sha256"]
    own = {**own_identity(entry), **own_precision(config)}
    is_same = all(facts.get(key) == own.get(key) for key in ("map", "architecture", "precision"))
    return bool(facts["weights_sha256"] == weights and facts["input_px"] == size_px and is_same)


def store_folder(run: Run) -> Path:
    """Return where the run's features are."""
    return run.recipe.features


def pool_and_store(run: Run) -> tuple[Pool, FeatureStore]:
    """Return the run's pool and the store that holds what teachers saw of it."""
    pool = build.pool(run.recipe, run.dataset, run.split)
    samples: Samples = pool.samples
    return pool, FeatureStore.create(store_folder(run), samples)


def kept_as(recipe: Recipe) -> dict[str, object]:
    """Return how features are kept, for the settings of the stages that learn from them; nothing where they are kept plainly."""
    storage = build.storage(recipe)
    return {"store": asdict(storage)} if storage.is_coded else {}


def online_as(run: Run) -> dict[str, object]:
    """Return which teachers look online, by the statistics that they are normalised by, for the settings of the stages that learn
    from them; nothing where none does."""
    recipe, store = run.recipe, store_folder(run)
    names = [teacher.key for teacher in online_teachers(recipe)]
    if not names:
        return {}
    samples = FeatureStore.open(store).samples
    return {"online": {name: OnlineColumn.open(store, samples, name).fingerprint for name in names}}


def _parted(
    sources: Mapping[str, ReadyTeacher], online: Collection[str]
) -> tuple[dict[str, ReadyTeacher], dict[str, ReadyTeacher]]:
    """Return the teachers whose features are stored, and those that look online."""
    stored = {name: source for name, source in sources.items() if name not in online}
    return stored, {name: sources[name] for name in sources if name in online}


def _facts_of(config: TeacherConfig, source: ReadyTeacher, is_online: bool) -> Facts:
    entry, spec = source.entry, source.teacher.spec
    return {
        **({"mode": "online"} if is_online else {}),
        **({"precision": source.precision} if source.precision != "fp32" else {}),
        "family": entry.family,
        **terms_of(config),
        "source": entry.source,
        "dim": spec.dim,
        "stride_px": spec.stride_px,
        "input_px": spec.input_px,
        "num_parameters": sum(parameter.numel() for parameter in source.teacher.parameters()),
        "weights_sha256": source.identity["weights_sha256"],
        **own_identity(entry),
    }


def identity_of(config: TeacherConfig) -> dict[str, object]:
    """Return what decides what a teacher of a recipe sees, as the settings of the stages that learn from it hold it."""
    return {
        "name": config.name,
        "input_px": config.input_px,
        "sha256": weights_sha256(config),
        **own_identity(teacher_entry(config)),
        **own_precision(config),
    }


def _joining(run: Run) -> dict[str, dict[str, object]]:
    """Return which frames of further datasets join, by folder: a frame that is labelled later was learned from all the same."""
    found = {}
    for config, extra in zip(run.recipe.data.unlabelled, run.extra_datasets, strict=True):
        frames = [extra.frames[index].id for index in build.unlabelled_frames(extra)]
        found[str(config.folder)] = {
            "polarity": config.polarity,
            "images": extra.image_fingerprint,
            "num_frames": len(frames),
            "frames": fingerprint(frames),
        }
    return found
