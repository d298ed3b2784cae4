"""From a recipe to parts. Config meets constructors in this room only, and here wherever more than one stage needs the part."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from agglo.align import AlignTask, EncoderTuning
from agglo.config.schema import Recipe, TeacherConfig, ViewsConfig
from agglo.config.stages import AlignConfig, TrainingConfig
from agglo.core.errors import ConfigError, WeightsError
from agglo.core.files import sha256_of
from agglo.core.seeds import seed_of
from agglo.data import Dataset, Split, ViewRecipe, open_dataset
from agglo.distill import BALANCERS, HEADS, LOSSES, DistilTask
from agglo.features import NORMALISERS, FeatureStore, Storage
from agglo.features.looking import ReadyTeacher
from agglo.features.pool import Pool
from agglo.recipes.decoders import decoder, prompt_decoder
from agglo.recipes.decoders import decoder_options as decoder_options
from agglo.recipes.decoders import prompt_options as prompt_options
from agglo.recipes.distil_parts import shares_of, summary_names, task_of
from agglo.recipes.norms import norm_problems, with_norms
from agglo.recipes.sources import columns_of, require_stored
from agglo.recipes.teacher_decoder import check_decoder_on_hand, check_drawing, drawing_of
from agglo.recipes.teachers import missing_weights as missing_weights
from agglo.recipes.teachers import own_identity, own_precision, teacher_entry, weights_sha256
from agglo.students import CATALOGUE as STUDENTS
from agglo.students import EMBED_DIM as EMBED_DIM
from agglo.students import NECKS, Student, build_student, locate
from agglo.teachers import build_from_entry, spec_of
from agglo.train import Device, Plan


def check_names(recipe: Recipe) -> None:
    """Say at once which names of the recipe mean nothing, before anything is made.

    Raises:
        ConfigError: one line for each.
    """
    wanted = {
        "student.name": (recipe.student.name, STUDENTS),
        "student.neck": (recipe.student.neck, [*NECKS, None]),
        "distill.loss": (recipe.distill.loss, LOSSES),
        "distill.head": (recipe.distill.head, HEADS),
        "distill.normalise": (recipe.distill.normalise, NORMALISERS),
        "distill.balance": (recipe.distill.balance, BALANCERS),
    }
    problems = [
        f"  {key}: must be one of {', '.join(filter(None, known))}, got {name!r}"
        for key, (name, known) in wanted.items()
        if name not in known
    ]
    if not problems:
        problems += [f"  {problem}" for problem in norm_problems(recipe)]
    problems += _refusals(lambda: shares_of(recipe.distill, [teacher.key for teacher in recipe.teachers]))
    for teacher in recipe.teachers:
        problems += _refusals(partial(teacher_entry, teacher), "teachers: ")
    if not problems and recipe.distill.through_decoder:
        problems += _refusals(lambda: check_drawing(recipe))
    if recipe.align.features_weight:
        problems += _refusals(lambda: require_stored(recipe, "align.features_weight"))
        if recipe.distill.balance == "sequential":
            problems.append(
                "  align.features_weight: needs all teachers at once, but `distill.balance: sequential` has one after the other"
            )
    if not problems and recipe.distill.summary and not summary_names(recipe):
        problems.append(
            "  distill.summary: needs a teacher with a summary, and none of the recipe has one (`agglo teachers`)"
        )
    if problems:
        raise ConfigError(
            "\n".join([f"{recipe.name}: {len(problems)} problem{'s' * (len(problems) > 1)}", *problems])
        )


def _refusals(check: Callable[[], object], of: str = "") -> list[str]:
    """Return what `check` refuses, as a line of a list; nothing where it does not."""
    try:
        check()
    except (ConfigError, WeightsError) as problem:
        return [f"  {of}{problem}"]
    return []


def check_inputs(recipe: Recipe) -> None:
    """Say at once which files a run needs and lacks, before anything is made.

    Raises:
        ConfigError: one line for each.
    """
    problems = [f"  data: {lack}" for lack in missing_data(recipe)]
    problems += [f"  teachers: {lack}" for teacher in recipe.teachers if (lack := missing_weights(teacher))]
    problems += _refusals(
        lambda: locate(STUDENTS[recipe.student.name], recipe.student.init), "student.init: "
    )
    if not problems:
        problems += _refusals(lambda: check_decoder_on_hand(recipe), "distill.through_decoder: ")
    if problems:
        raise ConfigError("\n".join([f"{recipe.name}: {len(problems)} missing", *problems]))


def missing_data(recipe: Recipe) -> list[str]:
    """Return which datasets and which split a recipe names that are not there, and what to do."""
    given = [recipe.data.folder]
    given += [extra.folder for extra in recipe.data.unlabelled]
    given += [extra.folder for extra in recipe.evaluate.also]
    missing = [
        f"{folder} must be a dataset folder, but is absent; put the dataset there, or name another folder"
        for folder in given
        if folder is not None and not folder.is_dir()
    ]
    split = recipe.data.split.file
    if split is not None and not split.is_file():
        missing.append(
            f"{split} must be a split (`split.file`), but is absent; make one with `agglo data split`"
        )
    return missing


def device(recipe: Recipe) -> Device:
    """Return where the recipe trains."""
    config = recipe.device
    return Device(config.accelerator, config.precision, config.threads)


def dataset(recipe: Recipe, folder: Path) -> Dataset:
    """Open the recipe's dataset, which lies in `folder`."""
    return open_dataset(folder, structures=recipe.data.structures, polarity=recipe.data.polarity)


def view_recipe(config: ViewsConfig, *, first_is_identity: bool) -> ViewRecipe:
    """Return the ranges of views."""
    return ViewRecipe(
        first_is_identity=first_is_identity,
        **config.model_dump(exclude={"per_frame", "first_is_identity"}),
    )


def extra_datasets(recipe: Recipe) -> tuple[Dataset, ...]:
    """Open the further datasets whose unlabelled frames join stage 1."""
    return tuple(open_dataset(more.folder, polarity=more.polarity) for more in recipe.data.unlabelled)


def unlabelled_frames(extra: Dataset) -> list[int]:
    """Return the frames that nobody has labelled: labelled ones of another set are for testing on it."""
    return [index for index, frame in enumerate(extra.frames) if not frame.is_labelled]


def pool(recipe: Recipe, of: Dataset, parts: Split) -> Pool:
    """Return stage 1's frames: the train part, and the unlabelled frames of the further datasets; no mask is looked at.

    Statistics count the train part only.
    """
    extra = extra_datasets(recipe)
    names = [each.name for each in (of, *extra)]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"datasets of one run must have different names, got {names}; fix `data.unlabelled`"
        )
    return Pool.of(
        [(of, parts["train"], True), *((more, unlabelled_frames(more), False) for more in extra)],
        view_recipe(recipe.views, first_is_identity=recipe.views.first_is_identity),
        views_per_frame=recipe.views.per_frame,
        seed=recipe.seed,
    )


def ready_teacher(config: TeacherConfig) -> ReadyTeacher:
    """Return a teacher ready to look, with the identity of its weights."""
    entry = teacher_entry(config)
    teacher = build_from_entry(entry, weights=config.weights, input_px=config.input_px)
    return ReadyTeacher(entry, teacher, teacher_identity(config), config.precision)


def teacher_identity(config: TeacherConfig) -> dict[str, object]:
    """Return what decides what a teacher sees: the identity of its column in a store."""
    entry = teacher_entry(config)
    return {
        "weights_sha256": weights_sha256(config),
        "family": entry.family,
        "input_px": spec_of(entry, input_px=config.input_px).input_px,
        "mean": list(entry.mean),
        "std": list(entry.std),
        "intensity": entry.intensity,
        **own_identity(entry),
        **own_precision(config),
    }


def storage(recipe: Recipe) -> Storage:
    """Return how the recipe keeps features."""
    return Storage(recipe.store.dtype, recipe.store.pca, recipe.store.pilot_views)


def student(recipe: Recipe, *, stream: str) -> Student:
    """Build the student; `stream` is a word of the seed of its random weights: of one seed and word they are the same."""
    torch.manual_seed(seed_of(recipe.seed, "student", stream))
    config = recipe.student
    init = config.init if config.init in {"random", "imagenet"} else Path(config.init)
    return build_student(config.name, neck=config.neck, embed_dim=EMBED_DIM, init=init)  # type: ignore[arg-type]


def distil_task(recipe: Recipe, store: FeatureStore) -> DistilTask:
    """Build stage 1: the student, a head and a frozen normaliser for each teacher, the balancer."""
    learner = with_norms(student(recipe, stream="distil"), recipe.distill.norm)
    return task_of(recipe.distill, columns_of(recipe, store), learner, drawing_of(recipe))


def align_task(recipe: Recipe, learner: Student, num_structures: int, *, steps: int) -> AlignTask:
    """Build stage 2 on a distilled student."""
    config = recipe.align
    tuned_from = None if config.encoder == "frozen" else int(config.frozen_share * steps)
    encoder = EncoderTuning(tuned_from, config.encoder_learning_rate_scale, norms="frozen")
    head = decoder(recipe, learner, num_structures, stream="align")
    prompts = prompt_decoder(recipe, learner)
    return AlignTask(learner, head, encoder=encoder, dice_weight=config.dice_weight, prompts=prompts)


def supervised_task(recipe: Recipe, num_structures: int) -> AlignTask:
    """Build the bar: student and decoder start as in distilling and aligning, and learn from masks from the first step."""
    learner = with_norms(student(recipe, stream="distil"), recipe.supervised.norm)
    head = decoder(recipe, learner, num_structures, stream="align")
    encoder = EncoderTuning(tuned_from=0, learning_rate_scale=1.0, norms="trained")
    prompts = prompt_decoder(recipe, learner)
    return AlignTask(learner, head, encoder=encoder, dice_weight=recipe.align.dice_weight, prompts=prompts)


COSMETIC = {"log_every", "checkpoint_every_s", "on_collapse", "accumulate"}
"""Settings of a training that change nothing of its result, or no more than the number of processes does."""
SCORINGS = {"validations", "val_frames"}
"""Nor do these, unless the best scoring is kept."""


def training_settings(config: TrainingConfig) -> dict[str, object]:
    """Return what of a training's settings decides its result, JSON-like."""
    is_chosen = isinstance(config, AlignConfig) and config.select == "best"
    return config.model_dump(mode="json", exclude=COSMETIC if is_chosen else COSMETIC | SCORINGS)


def student_settings(recipe: Recipe) -> dict[str, object]:
    """Return what of the student's settings decides a result: with the hash of its initial weights, if they come from a file."""
    entry = STUDENTS[recipe.student.name]
    file = locate(entry, recipe.student.init)
    return {
        **recipe.student.model_dump(mode="json"),
        "neck": recipe.student.neck or entry.neck,
        "init_sha256": sha256_of(file) if file else None,
    }


def plan(config: TrainingConfig, *, seed: int, num_samples: int) -> Plan:
    """Return the numbers of a training over `num_samples` samples an epoch; warm-up takes at most a tenth of it."""
    steps = config.steps or max(1, math.ceil((config.epochs or 1) * num_samples / config.batch_size))
    values = config.model_dump(include=_PLAN_KEYS)
    return Plan(**{**values, "warmup_steps": min(config.warmup_steps, steps // 10)}, steps=steps, seed=seed)


_PLAN_KEYS = {
    "batch_size",
    "learning_rate",
    "final_learning_rate",
    "warmup_steps",
    "weight_decay",
    "betas",
    "clip_norm",
    "ema_decay",
    "log_every",
    "checkpoint_every_s",
    "accumulate",
}
