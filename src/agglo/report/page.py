"""The page itself: sections in reading order, one file that opens without a network."""

from importlib.resources import files
from pathlib import Path

from agglo.core.files import write_text
from agglo.evaluate.markdown import RESEARCH_ONLY
from agglo.report.curves import align_curves, distill_curves
from agglo.report.facts import (
    environment_section,
    notes_section,
    reproduce_section,
    summary,
    teacher_section,
    training_section,
)
from agglo.report.frames import contour_section, feature_section
from agglo.report.html import Html, element, join
from agglo.report.levels import further_section, levels_section, raters_section
from agglo.report.run_folder import Run, read_run
from agglo.report.scores import distribution_section, key_figures, score_section

MAPS_CAPTION = (
    "The first three principal components of each encoder's map as red, green and blue. Components are fitted for each encoder "
    "over all frames shown: colours can be compared down a column, never along a row."
)


def write_report(run: Path) -> Path:
    """Write `report.html` into the run folder, and return its path.

    Raises:
        RunFolderError: the run has not been evaluated, or a file of it is damaged.
    """
    path = run / "report.html"
    write_text(path, page_of(read_run(run)))
    return path


def page_of(run: Run) -> str:
    """Return the whole page."""
    title = f"{'PHANTOM: ' if run.is_phantom else ''}{run.name}"
    style = files("agglo.report").joinpath("page.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} · Agglo"),
        element("style", Html(style)),
    )
    body = element("body", _header(run), element("main", *_sections(run)), element("footer", RESEARCH_ONLY))
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


def _header(run: Run) -> Html:
    return element(
        "header",
        element("p", element("strong", RESEARCH_ONLY), " ", _origin(run), class_="banner"),
        *(
            element("p", element("strong", f"{where}: "), words, class_="banner")
            for where, words in _alarms(run)
        ),
        element(
            "h1",
            element("span", "PHANTOM", class_="phantom") if run.is_phantom else None,
            " " if run.is_phantom else None,
            run.name,
        ),
        summary(run),
        key_figures(run),
    )


def _alarms(run: Run) -> list[tuple[str, str]]:
    """Return what was told, and in which stage, of a teacher that took over, or was no longer learned from."""
    stages = {"distill": "Distillation", "align": "Alignment"}
    return [
        (where, entry["alarm"]["words"])
        for name, where in stages.items()
        for entry in run.logs[name]
        if "alarm" in entry
    ]


def _origin(run: Run) -> str:
    if run.is_phantom and run.has_real_images:
        return "The frames shown are synthetic (PHANTOM); real ones were learned from or scored: treat this as patient data."
    if run.is_phantom:
        return "All frames are synthetic (PHANTOM)."
    if run.pictures is not None or run.features:
        return "This file shows frames of the dataset: treat it as patient data."
    return "This file shows no frames."


def _sections(run: Run) -> list[Html]:
    present = {
        "By outline and by level": levels_section(run),
        "Further test sets": further_section(run),
        "Raters": raters_section(run),
    }
    return [
        _section("Scores", score_section(run), distribution_section(run)),
        *(_section(title, content) for title, content in present.items() if content is not None),
        _section("Best, median and worst frames", contour_section(run)),
        _section("What was trained on what", training_section(run)),
        _section("Teachers", teacher_section(run)),
        _section("Stage 1: distilling", distill_curves(run)),
        _section("Stage 2: aligning", align_curves(run)),
        _section(
            "What the encoders see",
            element("p", MAPS_CAPTION) if run.features else None,
            feature_section(run),
        ),
        _section("Notes and limits", notes_section(run)),
        _section("How to do it again", reproduce_section(run)),
        _section("Environment", environment_section(run)),
    ]


def _section(title: str, *content: Html | None) -> Html:
    return element("section", element("h2", title), join(content))
