"""Checks of which files there are."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from agglo.data.check.report import Problem
from agglo.data.check.survey import Survey, files_below
from agglo.data.masks import mask_paths
from agglo_runtime.images import SUFFIXES


def has_frames(survey: Survey) -> Iterator[Problem]:
    """There is something to look at."""
    if not survey.rows:
        where = "frames.csv" if survey.layout == "native" else "images/"
        yield Problem("empty", where, "names no frame" if survey.layout == "native" else "holds no picture")


def pictures_without_row(survey: Survey) -> Iterator[Problem]:
    """Every picture has a row; in plain folders pictures are the rows."""
    if survey.layout != "native" or not survey.columns:
        return
    named = {row.image for row in survey.rows}
    for path in _pictures(survey.folder / "images"):
        if path not in named:
            yield Problem("image_without_row", survey.relative(path), "has no row in frames.csv")


def orphan_masks(survey: Survey) -> Iterator[Problem]:
    """Every mask belongs to a frame, and every folder of masks to a structure or a rater."""
    folder = survey.folder / "masks"
    named = {path for row in survey.rows for path in row.masks}
    if survey.layout == "native":
        named |= set(_possible_masks(survey))
    stems = {path.stem for path in named if path is not None} if survey.layout == "plain" else set()
    known = {*survey.structures, *survey.raters}
    strange: dict[str, int] = defaultdict(int)
    for path in _pictures(folder):
        if path in named:
            continue
        inside = path.relative_to(folder).parts
        if len(inside) > 1 and inside[0] not in known:
            strange[inside[0]] += 1
        else:
            is_second = path.parent == folder and path.stem in stems
            found = "is not used: another mask has its name" if is_second else "belongs to no frame"
            yield Problem("orphan_mask", survey.relative(path), found)
    for name, count in strange.items():
        found = f"{count} masks, but {name!r} is no structure and no rater of the dataset"
        yield Problem("unknown_structure", f"masks/{name}/", found)


def _possible_masks(survey: Survey) -> Iterator[Path]:
    """Return where masks of the frames may lie, though no row says so: the raters', and in a folder per structure."""
    if survey.encoding is None:
        return
    own = ("",) if survey.encoding == "per_structure" else ()
    for row in survey.rows:
        for rater in (*own, *survey.raters):
            yield from mask_paths(
                survey.folder, survey.encoding, row.cell("id"), survey.structures, rater=rater
            )


def names_that_differ_in_case(survey: Survey) -> Iterator[Problem]:
    """No two names are one on systems that know no capitals."""
    images, masks = _pictures(survey.folder / "images"), _pictures(survey.folder / "masks")
    kinds: dict[str, Iterable[str]] = {
        "files": [survey.relative(path) for path in (*images, *masks)],
        "structures": survey.structures,
        "patients": [row.cell("patient") for row in survey.rows],
        "ids": [row.cell("id") for row in survey.rows],
    }
    for what, names in kinds.items():
        spellings: dict[str, set[str]] = defaultdict(set)
        for name in names:
            spellings[name.casefold()].add(name)
        for group in spellings.values():
            if len(group) > 1:
                yield Problem("case", what, " and ".join(sorted(group)))


def _pictures(folder: Path) -> list[Path]:
    return [path for path in files_below(folder) if path.suffix.lower() in SUFFIXES]
