"""What is said in words: the summary, what was trained on what, the teachers, the notes, the environment, how to do it again."""

from collections.abc import Mapping, Sequence
from typing import Any

from agglo.core.errors import RunFolderError
from agglo.evaluate.compare import compare
from agglo.evaluate.markdown import format_figure
from agglo.evaluate.scoring import ScoreRules
from agglo.report.html import Content, Html, element, facts, join, table
from agglo.report.run_folder import STAGES, Run, Scores

STAGE_NAMES = {
    "features": "Teachers' features extracted",
    "distill": "Student distilled (stage 1)",
    "align": "Decoder aligned (stage 2)",
    "light": "Light decoder taught by the aligned one",
    "supervised": "The same student on masks alone (the bar)",
}
CHOICES = {  # what it is called: where the recipe says it
    "student": "student.name",
    "starting from": "student.init",
    "input": "student.input_px",
    "stage 1 loss": "distill.loss",
    "teachers normalised by": "distill.normalise",
    "teachers balanced by": "distill.balance",
    "encoder in stage 2": "align.encoder",
    "labelled patients": "align.labelled_patients",
    "split by": "data.split.by",
    "seed": "seed",
}
WALL_TOLERANCE = 0.1


def summary(run: Run) -> Html:
    """Return what came out, in one paragraph that claims no more than the figures do."""
    scores = run.scores.table
    mean = scores["mean"]
    if mean["dice"] is None:
        return element(
            "p",
            "Nothing could be scored: no frame of the split has a labelled, visible structure.",
            class_="lead",
        )
    num_scored = sum(row["dice"] is not None for row in scores["structures"].values())
    people = "synthetic patients" if run.is_phantom else "patients"
    interval = mean.get("dice_ci95")
    stated = (
        f"95% interval {format_figure(interval, 3)}" if interval else "no interval: fewer than five patients"
    )
    teachers = scores["teachers"]
    made = (
        join(("distilled from ", _listed(teachers)))
        if teachers
        else element("span", "trained without a teacher")
    )
    return element(
        "p",
        f"On {scores['num_frames']} frames of {scores['num_patients']} {people} (split '{scores['split']}'), the student ",
        made,
        " reaches a mean Dice of ",
        element("strong", f"{mean['dice']:.3f}"),
        f" ({stated}) over {_counted(num_scored, 'structure')}. ",
        _against_masks_alone(run),
        _light(run),
        class_="lead",
    )


def training_section(run: Run) -> Html:
    """Return what was trained on what: a row a stage, then the choices that matter most."""
    rows = [_stage_row(run, name) for name in STAGES if name in run.stages or run.logs[name]]
    choices = facts(_choices(run))
    if not rows:
        return join((element("p", "The run holds no record of its stages.", class_="missing"), choices))
    return join((_stage_table(rows), choices))


def _stage_table(rows: list[list[Content]]) -> Html:
    return table(["stage", "frames", "patients", "labels used", "steps", "wall time"], rows, class_="facts")


def teacher_section(run: Run) -> Html:
    """Return the teachers: what each is, has seen and may be used for."""
    if not run.teachers:
        return element("p", "No teacher took part in this run.", class_="missing")
    rows = [
        [
            each["name"],
            str(each.get("family", "not stated")),
            _shape_of(each),
            str(each.get("labels_seen", "not stated")),
            str(each.get("licence", "not stated")),
            _source_of(each),
        ]
        for each in run.teachers
    ]
    return table(
        ["teacher", "architecture", "features", "labels it has seen", "licence of its weights", "source"],
        rows,
        class_="facts",
    )


def notes_section(run: Run) -> Html:
    """Return the notes of the table, what the spacing rests on, and the limits."""
    scores = run.scores.table
    sources = ", ".join(scores.get("spacing_source", [])) or "none"
    limits = [
        f"Pixel spacing comes from: {sources}.",
        "HD95 is in pixels of the frames' native size; it cannot be set beside figures of another size or another reading.",
    ]
    if run.is_phantom:
        limits.append(
            "Every frame of the scores above is computer-made. Figures on the phantom say how the method behaves, "
            "nothing about how it would do on patients."
        )
    return element("ul", *(element("li", note) for note in (*scores.get("notes", []), *limits)))


def environment_section(run: Run) -> Html:
    """Return versions and machine."""
    if not run.environment:
        return element("p", "The run holds no environment.json.", class_="missing")
    return facts({name: str(value) for name, value in _flat(run.environment).items()})


def reproduce_section(run: Run) -> Html:
    """Return the command that makes the run again, and its recipe."""
    if run.recipe is None:
        return element("p", "The run holds no recipe.yaml.", class_="missing")
    return join(
        (
            element(
                "p", "With the recipe below saved as recipe.yaml, and the versions named under Environment:"
            ),
            element("pre", element("code", "agglo run recipe.yaml")),
            element(
                "details", element("summary", "recipe.yaml"), element("pre", element("code", run.recipe))
            ),
        )
    )


def format_wall(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _against_masks_alone(run: Run) -> Html:
    if run.supervised is None:
        return element(
            "span",
            "There is no arm trained on masks alone in this run, so it does not show what distilling adds.",
        )
    reaches = join(
        (
            f"The same student trained on masks alone {_wall_words(run)} reaches ",
            element("strong", format_figure(run.supervised.table["mean"]["dice"], 3)),
        )
    )
    return _paired(run, run.scores, run.supervised, "The arm on masks alone", reaches)


def _light(run: Run) -> Html:
    """Return what the light decoder comes to beside the one that taught it; nothing where there is none."""
    if run.light is None:
        return Html("")
    reaches = join(
        (
            " The distilled student with the light decoder reaches ",
            element("strong", format_figure(run.light.table["mean"]["dice"], 3)),
        )
    )
    return _paired(run, run.light, run.scores, " The light decoder", reaches, "Light minus one-pass")


def _paired(run: Run, first: Scores, second: Scores, who: str, reaches: Html, of: str = "Difference") -> Html:
    """Return what an arm `reaches`, and `first` minus `second`, one of which is that arm, `who` in words."""
    rules = ScoreRules(headline_min_visible=run.scores.table.get("headline_min_visible", 0.5))
    try:
        found = compare(first.cases, second.cases, rules=rules)
    except RunFolderError as error:
        return element("span", f"{who} cannot be compared: {error}")
    if found is None:
        return element("span", f"{who} has no scored case to be compared on.")
    interval = (
        f", 95% interval {_signed(found.interval[0])} to {_signed(found.interval[1])}"
        if found.interval
        else ""
    )
    return element(
        "span",
        reaches,
        f". {of}, paired by patient: {_signed(found.difference)}{interval}: ",
        element("strong", found.verdict),
        ". One seed each." if found.interval else ".",
    )


def _wall_words(run: Run) -> str:
    ours, theirs = run.process_s("features", "distill", "align"), run.process_s("supervised")
    if not ours or not theirs:
        return "(wall times not on record)"
    stated = f"{format_wall(theirs)}, against {format_wall(ours)} for extracting, distilling and aligning"
    is_equal = abs(ours - theirs) <= WALL_TOLERANCE * max(ours, theirs)
    return (
        f"for the same wall time ({stated})"
        if is_equal
        else f"for another wall time ({stated}: not an equal match)"
    )


def _choices(run: Run) -> dict[str, Content]:
    settings = _flat(run.settings)
    chosen: dict[str, Content] = {
        name: f"{settings[path]}{' px' if name == 'input' else ''}"
        for name, path in CHOICES.items()
        if settings.get(path) is not None
    }
    for stage, part in (("distill", "student"), ("align", "decoder")):
        count = run.stages.get(stage, {}).get(f"{part}_parameters")
        if count is not None:
            chosen[f"{part}'s parameters"] = f"{count / 1e6:.2f} M"
    return chosen


def _stage_row(run: Run, name: str) -> list[Content]:
    stage = run.stages.get(name, {})
    last = max((entry.get("step", 0) for entry in run.logs[name]), default=None)
    seconds = run.wall_s(name)
    return [
        STAGE_NAMES[name],
        _or_dash(stage.get("frames")),
        _or_dash(stage.get("patients")),
        _or_dash(stage.get("labels")),
        _or_dash(stage.get("steps", last)),
        format_wall(seconds) if seconds else "–",
    ]


def _shape_of(teacher: Mapping[str, Any]) -> str:
    if not {"dim", "input_px", "stride_px"} <= teacher.keys():
        return "not stated"
    cells = teacher["input_px"] // teacher["stride_px"]
    size = f", {teacher['num_parameters'] / 1e6:.1f} M parameters" if teacher.get("num_parameters") else ""
    return f"{teacher['dim']} × {cells} × {cells} at {teacher['input_px']} px{size}"


def _source_of(teacher: Mapping[str, Any]) -> Html:
    digest = teacher.get("weights_sha256")
    short = element("small", f"sha256 {digest[:12]}…") if digest else None
    return join((str(teacher.get("source", "not stated")), " " if short else None, short))


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _or_dash(value: Any) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _listed(names: Sequence[str]) -> Html:
    parts: list[Content] = []
    for place, name in enumerate(names):
        parts += [
            None if place == 0 else " and " if place == len(names) - 1 else ", ",
            element("span", name, class_="whole"),
        ]
    return join(parts)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
