"""Surveying a folder of pictures with index masks, as `importers` would open it."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from agglo.core.errors import DataError
from agglo.data.check.survey import Row, Survey, one_line, read_lenient_json
from agglo.data.importers import clip_states, frame_of, pictures_in, unlabelled_frames
from agglo.data.rules import CLIP, RULES, Rules, rules_of
from agglo.data.states import State

NUMBERED = re.compile(r"(.+)_\d+$")


def survey_plain(survey: Survey) -> None:
    """Fill `survey` with what a folder of pictures holds."""
    survey.layout, survey.encoding = "plain", "index"
    folder = survey.folder
    survey.name = folder.absolute().name
    content = read_lenient_json(survey, folder / "classes.json")
    survey.content = content if isinstance(content, dict) else {}
    names = survey.content.get("classes")
    if content is not None and (not isinstance(names, list) or len(set(map(str, names))) < len(names)):
        survey.note("header", "classes.json", f"`classes` must be a list of distinct names, it is {names!r}")
    survey.structures = tuple(map(str, names)) if isinstance(names, list) else ()
    rules = _rules(survey)
    survey.without_pixels = rules.without_pixels
    stated = _stated(survey) if rules is CLIP else {}
    masks = {path.stem: path for path in pictures_in(folder / "masks")}
    pictures = pictures_in(folder / "images")
    if "patients" not in survey.content and folder.absolute().name not in RULES:
        _note_numbered(survey, [path.stem for path in pictures])
    for number, path in enumerate(pictures):
        states, mask = stated.get(path.name), masks.get(path.stem)
        unknown: State | None = State.UNLABELLED if mask is None else None
        _add(survey, number, path, mask, states or (unknown,) * len(survey.structures), rules)
    for frame in unlabelled_frames(folder, len(survey.structures), rules):
        cells = {"id": frame.id, "patient": frame.patient, "video": frame.video, "index": str(frame.index)}
        cells |= frame.facts
        survey.rows.append(
            Row(len(survey.rows), survey.relative(frame.image), cells, frame.states, frame.image, ())
        )


def _rules(survey: Survey) -> Rules:
    try:
        return rules_of(survey.content, survey.folder)
    except DataError as error:
        survey.note("header", "classes.json", one_line(error))
        return Rules()


def _note_numbered(survey: Survey, stems: Sequence[str]) -> None:
    """Note names that look like frames of a few videos."""
    sources = Counter(match[1] for stem in stems if (match := NUMBERED.match(stem)))
    several = {source: count for source, count in sources.items() if count > 1}
    if several:
        first = next(stem for stem in stems if (match := NUMBERED.match(stem)) and match[1] in several)
        found = f"{sum(several.values())} pictures have the names of {len(several)} sources and a number, such as {first}"
        survey.note("frames_as_patients", "classes.json", f"{found}; each counts as a patient of its own")


def _stated(survey: Survey) -> dict[str, tuple[State, ...]]:
    """Return the states that the clip's own table says, by the picture's name."""
    masks = {path.stem: path for path in pictures_in(survey.folder / "masks")}
    try:
        states_of = clip_states(survey.folder, survey.structures)
    except DataError as error:
        survey.note("broken_table", "frames.csv", one_line(error))
        return {}
    return {
        path.name: states_of(path, masks.get(path.stem)) for path in pictures_in(survey.folder / "images")
    }


def _add(
    survey: Survey,
    number: int,
    path: Path,
    mask: Path | None,
    states: tuple[State | None, ...],
    rules: Rules,
) -> None:
    frame = frame_of(path, number, mask, (), rules)
    cells = {"id": frame.id, "patient": frame.patient, "video": frame.video, "index": str(frame.index)}
    cells |= frame.facts
    masks = () if mask is None else (mask,)
    survey.rows.append(Row(number, survey.relative(path), cells, states, path, masks))
