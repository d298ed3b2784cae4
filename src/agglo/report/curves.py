"""The training curves: each teacher's loss, cosine and weight, and the student's embedding, in stage 1; both arms in stage 2."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agglo.report.figures import SERIES_COLOURS, Expected, Series, line_panel
from agglo.report.html import Html, element, join
from agglo.report.run_folder import Entry, Run

WIDE = 5.0
ALIGNED, SUPERVISED = "distilled, then aligned", "masks alone"
EMBEDDING = {
    "effective_rank": "Directions that the embedding uses",
    "variance": "Variance of the embedding's channels",
}
"""Figures against the student's own collapse: of the log, and what they are called."""
ARM_COLOURS = {ALIGNED: SERIES_COLOURS[0], SUPERVISED: SERIES_COLOURS[1]}


def distill_curves(run: Run) -> Html:
    """Return the curves of stage 1, one colour a teacher; a sentence where the run has none."""
    entries = [entry for entry in run.logs["distill"] if entry.get("teachers")]
    if not entries:
        return element(
            "p", "This run has no distillation log, so there are no teacher curves.", class_="missing"
        )
    names = list(entries[-1]["teachers"])
    colours = {name: SERIES_COLOURS[index % len(SERIES_COLOURS)] for index, name in enumerate(names)}

    def lines(key: str) -> list[Series]:
        return [_teacher_series(entries, name, key, colours[name]) for name in names]

    expected, words = _expected(run)
    losses = line_panel(
        lines("loss"), x_label="step", label="distillation loss", is_log=True, expected=expected
    )
    panels = [
        panel("Loss of each teacher", losses),
        panel(
            "Cosine to each teacher", line_panel(lines("cosine"), x_label="step", label="distillation cosine")
        ),
        panel(
            "Weight of each teacher",
            line_panel(
                lines("weight"),
                x_label="step",
                label="distillation weights",
                y_range=_from_zero(lines("weight")),
            ),
        ),
    ]
    panels += [
        panel(title, line_panel([_embedding_series(entries, key)], x_label="step", label=title))
        for key, title in EMBEDDING.items()
        if any(key in entry.get("embedding", {}) for entry in entries)
    ]
    marks = legend({name: (colours[name], False) for name in names})
    return join((marks, element("div", *panels, class_="panels"), words))


def _expected(run: Run) -> tuple[Expected | None, Html | None]:
    """Return what the stage says is to be expected of a teacher's loss, and that in words; neither in runs that did not say."""
    said = run.stages.get("distill", {}).get("expected_loss")
    if said is None:
        return None, None
    typical, start = said["typical"], said["zero"]
    words = [said["text"]]
    if start is not None:
        words.append(f"one of zeros {start:g} (dashed)")
    if typical is not None:
        words.append(
            f"trainings that explain half to nine tenths of a teacher's variance end at {typical[0]:g} to {typical[1]:g} (grey)"
        )
    sentence = f"What a loss may be: {'; '.join(words)}."
    return Expected(None if typical is None else (typical[0], typical[1]), start), element("p", sentence)


def align_curves(run: Run) -> Html:
    """Return loss and validation Dice of stage 2, beside the arm on masks alone; a sentence where the run has none.

    Validation Dice is drawn over the wall time that an arm has used in all, so extracting and distilling count for the aligned one.
    """
    arms = {
        ALIGNED: (run.logs["align"], run.wall_s("features", "distill")),
        SUPERVISED: (run.logs["supervised"], 0.0),
    }
    arms = {name: (entries, spent) for name, (entries, spent) in arms.items() if entries}
    if not arms:
        return element(
            "p", "This run has no alignment log, so there are no curves of stage 2.", class_="missing"
        )
    losses = [
        _series(
            [entry for entry in entries if "loss" in entry], lambda entry: entry["loss"], ARM_COLOURS[name]
        )
        for name, (entries, _) in arms.items()
    ]
    panels = [
        panel(
            "Training loss",
            line_panel(losses, x_label="step", label="alignment loss", width_inches=WIDE, is_log=True),
        )
    ]
    scores = [_validation(entries, spent, ARM_COLOURS[name]) for name, (entries, spent) in arms.items()]
    scores = [each for each in scores if each.y]
    if scores:
        drawn = line_panel(
            scores, x_label="wall time of the arm, minutes", label="validation Dice", width_inches=WIDE
        )
        panels.append(panel("Validation Dice", drawn))
    marks = legend({name: (ARM_COLOURS[name], False) for name in arms})
    return join((marks, element("div", *panels, class_="panels two")))


def panel(title: str, drawn: Html) -> Html:
    """Return a figure under its title."""
    return element("figure", element("figcaption", title), drawn, class_="panel")


def legend(marks: Mapping[str, tuple[str, bool]]) -> Html:
    """Return a legend line: name -> (colour, whether its line is dashed)."""
    return element(
        "p",
        *(
            element(
                "span",
                element("i", class_="dashed" if is_dashed else "", style=f"--mark:{colour}"),
                name,
                class_="mark",
            )
            for name, (colour, is_dashed) in marks.items()
        ),
        class_="legend",
    )


def _series(entries: Sequence[Entry], value: Callable[[Entry], Any], colour: str) -> Series:
    points = [(entry["step"], value(entry)) for entry in entries]
    known = [(float(step), float(found)) for step, found in points if found is not None]
    return Series([step for step, _ in known], [found for _, found in known], colour)


def _embedding_series(entries: Sequence[Entry], key: str) -> Series:
    return _series(entries, lambda entry: entry.get("embedding", {}).get(key), SERIES_COLOURS[-1])


def _teacher_series(entries: Sequence[Entry], name: str, key: str, colour: str) -> Series:
    return _series(entries, lambda entry: entry["teachers"].get(name, {}).get(key), colour)


def _validation(entries: Sequence[Entry], spent_s: float, colour: str) -> Series:
    wall_s, minutes, dice = 0.0, [], []
    for entry in entries:
        wall_s = float(entry.get("wall_s", wall_s))
        found = entry.get("val", {}).get("dice")
        if found is not None:
            minutes.append((spent_s + wall_s) / 60)
            dice.append(float(found))
    return Series(minutes, dice, colour, has_markers=True)


def _from_zero(series: Sequence[Series]) -> tuple[float, float]:
    highest = max((value for each in series for value in each.y), default=1.0)
    return 0.0, 1.08 * highest if highest > 0 else 1.0
