"""The light stage, where a recipe asks for it: a light decoder learns from the aligned one, on pictures without labels."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from agglo.align.light import LightTask, PictureSource
from agglo.config.stages import LightConfig
from agglo.core.seeds import seed_of
from agglo.decoders import LightDecoder
from agglo.predict import Model, ModelConfig, Predictor, load_model, save_model
from agglo.recipes import build
from agglo.recipes.align import has_model, model_folder, val_frames
from agglo.recipes.context import Run
from agglo.recipes.score import score_rules, validation_dice
from agglo.recipes.stage import Facts, Stage
from agglo.train import Place, Watch, fit


def light(run: Run) -> bool:
    """Teach a light decoder what the aligned one says; leaves a model folder of its own, `light/model`."""
    config = run.recipe.light
    if config is None:
        return False
    settings = {
        "light": build.training_settings(config),
        "views": run.recipe.views.model_dump(mode="json", exclude={"per_frame", "first_is_identity"}),
        "precision": run.recipe.device.precision,
        "seed": run.recipe.seed,
    }
    stage = run.stage(
        "light",
        settings,
        after=["dataset", "extract", "align"],
        is_whole=lambda: has_model(run, "light"),
        is_together=True,
    )
    return stage.run(lambda: _teach(run, stage, config))


def picture_source(run: Run) -> PictureSource:
    """Return all frames of the pool, labelled or not: the train part, and unlabelled frames of further datasets."""
    recipe = run.recipe
    frames = [(run.dataset, index) for index in run.split["train"]]
    frames += [(more, index) for more in run.extra_datasets for index in build.unlabelled_frames(more)]
    views = build.view_recipe(recipe.views, first_is_identity=False)
    return PictureSource(frames, views, size_px=recipe.student.input_px, seed=recipe.seed)


def _teach(run: Run, stage: Stage, config: LightConfig) -> Facts:
    recipe, source, indices = run.recipe, picture_source(run), val_frames(run)
    taught, task, described = _parts(run, config)

    def score(model: Model) -> Mapping[str, Any]:
        return validation_dice(Predictor(model).masks, run.dataset, indices, score_rules(recipe))

    light = Model(task.student, task.light, described)
    plan = build.plan(config, seed=recipe.seed, num_samples=len(source))
    place = Place(stage.folder, stage.identity, build.device(recipe), recipe.device.workers)
    every = math.ceil(plan.steps / recipe.align.validations)
    watched = (lambda _: score(light)) if indices else None
    state = fit(task, source, plan, place, Watch(watched, every, progress=run.tell("light")))
    if not run.team.is_first:
        return {}
    save_model(model_folder(run, "light"), light)
    return {
        "steps": plan.steps,
        "batch_size": plan.batch_size,
        "frames": len(source),
        "labels": "none but those of the decoder it learns from",
        "wall_s": round(state.wall_s, 2),
        "val_frames": len(indices),
        "val_dice": score(light)["dice"] if indices else None,
        "val_dice_of_the_taught": score(taught)["dice"] if indices else None,
        "decoder_parameters": sum(parameter.numel() for parameter in task.light.parameters()),
    }


def _parts(run: Run, config: LightConfig) -> tuple[Model, LightTask, ModelConfig]:
    """Return the aligned model, the task of imitating its decoder, and what the light model will say of itself."""
    taught = load_model(model_folder(run, "align"))
    own = taught.config.decoder
    options = {  # it reads and tells what the decoder does that it learns from
        **{key: own.get(key) for key in ("num_structures", "embed_dim", "high_res_dims")},
        "presence": own.get("presence", False),
        "width": config.width,
    }
    torch.manual_seed(seed_of(run.recipe.seed, "light decoder"))
    task = LightTask(taught.student, taught.decoder, LightDecoder(**options))
    name, decoder = f"{taught.config.name} (light)", {"kind": "light", **options}
    return taught, task, replace(taught.config, name=name, decoder=decoder, prompts=None)
