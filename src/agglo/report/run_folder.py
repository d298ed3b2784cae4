"""What a report knows of a run: the files of the folder, read once, as they are. Nothing is computed here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from agglo.core.errors import RunFolderError
from agglo.core.files import read_json
from agglo.core.runlog import read_log
from agglo.evaluate.cases import Case, read_cases
from agglo.report.pictures import FeatureRow, PictureFile, read_features, read_pictures

STAGES = ("features", "distill", "align", "light", "supervised")
ARMS = ("light", "supervised")
"""Those that are scored beside the aligned student."""

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Scores:
    """One arm's table and the cases it was made from."""

    table: Mapping[str, Any]
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Run:
    """All that was found in a run folder.

    Attributes:
        name: of the folder.
        scores: of the distilled and aligned student.
        light: of the light decoder taught by its decoder; None where the recipe has none.
        supervised: of the same student trained on masks alone; None where there is no such arm.
        teachers: facts of each teacher, as the catalogue has them; only names where no more is known.
        stages: the facts that each stage found; a stage without a file is missing.
        logs: entries of each stage's log, oldest first.
        recipe: its text; None where there is none.
        settings: the recipe's values; empty where there is none or it is no mapping.
        environment: versions and machine.
        pictures: scored frames; None where the run keeps no pictures.
        features: maps for the principal component pictures; empty where the run keeps none.
        further, further_light, further_supervised: tables of the arms on further test sets, by their names.
        has_real_images: whether real pictures were learned from or scored anywhere in the run.
    """

    name: str
    scores: Scores
    light: Scores | None
    supervised: Scores | None
    teachers: tuple[Mapping[str, Any], ...]
    stages: Mapping[str, Mapping[str, Any]]
    logs: Mapping[str, tuple[Entry, ...]]
    recipe: str | None
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    pictures: PictureFile | None
    features: tuple[FeatureRow, ...]
    further: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    further_light: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    further_supervised: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    has_real_images: bool = False

    @property
    def is_phantom(self) -> bool:
        """Whether the scored frames are synthetic."""
        return bool(self.scores.table.get("is_phantom", False))

    def process_s(self, *stages: str) -> float:
        """Return the seconds of all processes together that `stages` took; where one did them, those of the clock."""
        return sum(float(self.stages.get(name, {}).get("process_s", self.wall_s(name))) for name in stages)

    def wall_s(self, *stages: str) -> float:
        """Return the seconds that `stages` took in all, by their own record, else by their logs; 0 where neither says."""
        return sum(
            float(self.stages.get(name, {}).get("wall_s", _last_wall_s(self.logs[name]))) for name in stages
        )


def read_run(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        RunFolderError: it has not been evaluated, or one of its files is damaged.
    """
    evaluate = folder / "evaluate"
    scores = _read_scores(evaluate)
    if scores is None:
        raise RunFolderError(
            f"a report needs evaluate/table.json in the run folder, but {folder} has none; run the evaluation first."
        )
    stages = {name: _optional_json(folder / name / "stage.json") for name in STAGES}
    recipe = folder / "recipe.yaml"
    text = recipe.read_text(encoding="utf-8") if recipe.exists() else None
    return Run(
        name=folder.resolve().name,
        scores=scores,
        light=_read_scores(evaluate / "light"),
        supervised=_read_scores(evaluate / "supervised"),
        teachers=_read_teachers(evaluate / "teachers.json", scores.table),
        stages={name: found.get("facts", {}) for name, found in stages.items() if found is not None},
        logs={name: tuple(read_log(folder / name / "log.jsonl")) for name in STAGES},
        recipe=text,
        settings=_settings_of(text),
        environment=_optional_json(folder / "environment.json") or {},
        pictures=read_pictures(evaluate / "pictures.npz"),
        features=read_features(evaluate / "features.npz"),
        further=_further(evaluate),
        further_light=_further(evaluate / "light"),
        further_supervised=_further(evaluate / "supervised"),
        has_real_images=(folder / "CONTAINS_PATIENT_DATA").exists(),
    )


def _last_wall_s(entries: tuple[Entry, ...]) -> float:
    return max((float(entry["wall_s"]) for entry in entries if "wall_s" in entry), default=0.0)


def _further(folder: Path) -> dict[str, Mapping[str, Any]]:
    tables = {path.parent.name: _optional_json(path) for path in sorted(folder.glob("*/table.json"))}
    return {name: found for name, found in tables.items() if name not in ARMS}


def _read_scores(folder: Path) -> Scores | None:
    found = _optional_json(folder / "table.json")
    return None if found is None else Scores(found, tuple(read_cases(folder / "cases.csv")))


def _read_teachers(path: Path, table: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    known = {each["name"]: each for each in _optional_json(path) or ()}
    return tuple(known.get(name, {"name": name}) for name in table.get("teachers", ()))


def _settings_of(text: str | None) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(text or "")
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def _optional_json(path: Path) -> Any:
    if not path.exists():
        return None
    try:
        return read_json(path)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RunFolderError(
            f"{path} must be JSON, but reading it failed ({error}); run its stage again."
        ) from error
