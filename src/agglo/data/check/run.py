"""One check from beginning to end: survey the folder, open every frame, compare all frames, sort what was found."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

from agglo.core.errors import AggloError
from agglo.core.progress import Progress, silent
from agglo.data.check.counts import count
from agglo.data.check.kinds import KINDS
from agglo.data.check.look import Digest, digest_of, look_at
from agglo.data.check.native_survey import survey_native
from agglo.data.check.plain_survey import survey_plain
from agglo.data.check.probes import ON_DATASET, ON_FRAME, ON_SURVEY
from agglo.data.check.report import Counts, Problem, Report
from agglo.data.check.survey import Row, Survey, one_line
from agglo.data.opening import open_dataset

CHUNK = 256
"""Frames handed to the readers at a time."""


def check_folder(
    folder: str | Path, *, splits: Sequence[Path] = (), progress: Progress = silent, workers: int = 2
) -> Report:
    """Look into a dataset's folder and return everything that is wrong, and what there is.

    Whatever the folder holds, this returns: a file that makes a check fail is a problem like any other. Memory is bounded by a few
    frames and a line per frame.

    Args:
        folder: in the native format, or pictures with index masks.
        splits: split files to look into besides `split.json` and `splits/*.json` in the folder.
        progress: told after every frame.
        workers: threads that read.
    """
    with warnings.catch_warnings(
        action="ignore"
    ):  # once for all threads, since filters belong to the process
        return _check(_survey(Path(folder), splits), str(folder), progress, workers)


def _check(survey: Survey, folder: str, progress: Progress, workers: int) -> Report:
    problems = list(survey.problems)
    if survey.layout != "unknown":
        for probe in ON_SURVEY:
            problems.extend(_guarded(partial(probe, survey), probe.__name__, folder))
    digests: list[Digest] = []
    for done, (digest, found) in enumerate(_read(survey, workers), start=1):
        problems.extend(found)
        digests.extend([] if digest is None else [digest])
        progress(done, len(survey.rows), "frames")
    for together in ON_DATASET:
        problems.extend(_guarded(partial(together, survey, digests), together.__name__, folder))
    problems.extend(_opens(survey, problems))
    counts = Counts({}, {"frames": len(survey.rows)}, {}, {}, {})
    try:
        counts = count(survey, digests)
    except Exception as error:
        problems.append(_crash("count", folder, error))
    order = list(KINDS)
    return Report(
        folder=folder,
        name=survey.name,
        layout=survey.layout,
        counts=counts,
        problems=sorted(dict.fromkeys(problems), key=lambda problem: order.index(problem.kind)),
    )


def _survey(folder: Path, splits: Sequence[Path]) -> Survey:
    """Return what the folder holds, in whichever layout it comes nearest to."""
    survey = Survey(folder, name=folder.name)
    try:
        if not folder.is_dir():
            found = "is a file" if folder.is_file() else "there is no such folder"
            survey.note("no_dataset", str(folder), found)
            return survey
        holds = {path.name for path in folder.iterdir()}
    except OSError as error:
        survey.note("no_dataset", str(folder), f"cannot be looked into: {error.strerror}")
        return survey
    survey.split_files = [*sorted({*folder.glob("split.json"), *folder.glob("splits/*.json")}), *splits]
    is_native = bool(holds & {"dataset.json"}) or ("frames.csv" in holds and "classes.json" not in holds)
    try:
        if is_native:
            survey_native(survey)
        elif "classes.json" in holds:
            survey_plain(survey)
        else:
            shown = ", ".join(sorted(holds)[:8]) or "nothing"
            survey.note("no_dataset", str(folder), f"it holds {shown}")
    except Exception as error:  # the folder is as spoilt as can be: say so, and report what was found before
        survey.note("crashed", str(folder), f"surveying it gave {type(error).__name__}: {one_line(error)}")
    return survey


def _read(survey: Survey, workers: int) -> Iterable[tuple[Digest | None, list[Problem]]]:
    """Yield digest and problems of every frame in order, reading a bounded number ahead."""
    rows = iter(survey.rows)
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        while chunk := list(islice(rows, CHUNK)):
            yield from pool.map(partial(_look_into, survey), chunk)


def _look_into(survey: Survey, row: Row) -> tuple[Digest | None, list[Problem]]:
    try:
        look, problems = look_at(survey, row)
        for probe in ON_FRAME:
            problems.extend(_guarded(partial(probe, look), probe.__name__, row.place))
        return digest_of(look), problems
    except Exception as error:  # what no probe guards: opening files that are not even files
        return None, [_crash("look", row.place, error)]


def _guarded(probe: Callable[[], Iterable[Problem]], name: str, where: str) -> list[Problem]:
    """Return what a probe finds, and as a problem that it failed."""
    found: list[Problem] = []
    try:
        for problem in probe():
            found.append(problem)  # one by one, so that what was found before a failure is kept
    except Exception as error:
        found.append(_crash(name, where, error))
    return found


def _crash(name: str, where: str, error: Exception) -> Problem:
    return Problem("crashed", where, f"the check `{name}` gave {type(error).__name__}: {one_line(error)}")


def _opens(survey: Survey, problems: Sequence[Problem]) -> list[Problem]:
    """Return that the dataset does not open, if it does not and nothing found so far says why."""
    if survey.layout == "unknown" or any(KINDS[problem.kind].is_error for problem in problems):
        return []
    try:
        open_dataset(survey.folder, cache_bytes=0)
    except AggloError as error:
        return [Problem("not_opened", str(survey.folder), " ".join(str(error).split()))]
    except Exception as error:
        return [_crash("open_dataset", str(survey.folder), error)]
    return []
