"""What a recipe would do: sizes, steps, what is missing. Builds the student, reads no pixels, writes nothing."""

from agglo.config.schema import Recipe
from agglo.config.stages import TrainingConfig
from agglo.core.errors import WeightsError
from agglo.core.shapes import EMBEDDING_STRIDE_PX
from agglo.recipes import build
from agglo.recipes.sources import online_teachers
from agglo.recipes.teachers import entry_as_given, teacher_entry
from agglo.students import CATALOGUE as STUDENTS
from agglo.students import build_student, count_parameters, locate
from agglo.teachers import spec_of
from agglo.teachers.finding import is_present


def explain(recipe: Recipe) -> str:
    """Return the plan of a run in words.

    Raises:
        ConfigError: the recipe names parts that do not exist.
    """
    build.check_names(recipe)
    student = build_student(
        recipe.student.name, neck=recipe.student.neck, embed_dim=build.EMBED_DIM
    )  # for its size only
    cells = recipe.student.input_px // EMBEDDING_STRIDE_PX
    lines = [
        f"{recipe.name} -> {recipe.out}",
        f"  data        {_data(recipe)}; split {_split(recipe)}",
        *(f"  MISSING     {lack}" for lack in build.missing_data(recipe)),
        f"  student     {recipe.student.name}, {count_parameters(student) / 1e6:.2f} M parameters, "
        f"{recipe.student.input_px} px -> {build.EMBED_DIM}x{cells}x{cells}, neck {student.neck_name}, "
        f"starting from {_init(recipe)}",
        *(f"  teacher     {_teacher(recipe, place)}" for place in range(len(recipe.teachers))),
        f"  store       {_store(recipe)}",
        f"  distill     {_training(recipe.distill)}; loss {recipe.distill.loss}, {recipe.distill.normalise}, "
        f"balance {recipe.distill.balance}, tokens matched on the {recipe.distill.match} grid",
        f"  align       {_training(recipe.align)}; encoder {recipe.align.encoder}, decoder grid H/{recipe.decoder.grid_stride}",
        *([f"  light       {_training(recipe.light)}; width {recipe.light.width}"] if recipe.light else []),
        f"  supervised  {'the same student on masks alone, equal wall time' if recipe.supervised.wall_time == 'equal' else 'none'}",
        f"  evaluate    HD95 {recipe.evaluate.hd95_mode}, structures at least {recipe.evaluate.min_visible:.0%} visible",
    ]
    return "\n".join(lines)


def _init(recipe: Recipe) -> str:
    init = recipe.student.init
    if init == "random":
        return init
    try:
        file = locate(STUDENTS[recipe.student.name], init, may_download=False)
    except WeightsError as problem:
        return f"{init} (MISSING: {problem})"
    return f"{init} ({file})"


def _store(recipe: Recipe) -> str:
    store, online = recipe.store, [teacher.key for teacher in online_teachers(recipe)]
    if len(online) == len(recipe.teachers):
        return f"none: the teachers look at each batch; normalised by a pilot of {store.pilot_views} views"
    pilot = (
        f", scale fitted to a pilot of {store.pilot_views} views" if build.storage(recipe).is_coded else ""
    )
    anew = f"; {', '.join(online)} look at each batch" if online else ""
    where = f" in {store.folder}" if store.folder else ""
    return (
        f"features as {store.dtype}{f', {store.pca} codes a token' if store.pca else ''}{where}{pilot}{anew}"
    )


def _data(recipe: Recipe) -> str:
    data = recipe.data
    if data.phantom is not None:
        return f"phantom, {data.phantom.patients} patients x {data.phantom.frames} frames, {data.phantom.size_px} px"
    assert data.folder is not None
    return str(data.folder)


def _split(recipe: Recipe) -> str:
    split = recipe.data.split
    return f"as {split.file} says" if split.file is not None else f"by {split.by}"


def _teacher(recipe: Recipe, place: int) -> str:
    config = recipe.teachers[place]
    entry = teacher_entry(config)
    spec = spec_of(entry, input_px=config.input_px)
    has_weights = config.weights.exists() if config.weights else is_present(entry)
    rows, cols = spec.grid
    text = f"{entry.name}, {spec.input_px} px -> {spec.dim}x{rows}x{cols}, licence {entry_as_given(config).licence}"
    return text if has_weights else f"{text} (weights MISSING: {entry.how_to_get})"


def _training(config: TrainingConfig) -> str:
    length = f"{config.steps} steps" if config.steps else f"{config.epochs} epochs"
    return (
        f"{length} of {config.batch_size}, AdamW {config.betas[0]}/{config.betas[1]}, weight decay {config.weight_decay}, "
        f"rate {config.learning_rate:g} -> {config.final_learning_rate:g}"
    )
