"""What all cells of a grid share, made once: data, test sets, the teachers' features, and each distilled student."""

import logging
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from agglo.ablate.grid import Plan
from agglo.config.schema import Recipe
from agglo.core.files import fingerprint, read_json, write_json
from agglo.core.locks import locked
from agglo.distill import DistilSource
from agglo.distill.distilled import STUDENT_FILE
from agglo.features import FeatureStore
from agglo.features.pool import Pool
from agglo.recipes import build
from agglo.recipes.align import val_frames
from agglo.recipes.context import Run, Tell, tell_nobody
from agglo.recipes.distil_parts import column_names, head_plans
from agglo.recipes.distill import alarm_for, keep
from agglo.recipes.evaluate import TestSet, further_test, own_test
from agglo.recipes.extract import pool_and_store
from agglo.recipes.run import run as run_stages
from agglo.recipes.sources import distil_source, require_stored
from agglo.train import Place, Watch, fit

_log = logging.getLogger(__name__)
CALIBRATION_BATCHES = 8
CALIBRATION_SAMPLES = 16


@dataclass(frozen=True)
class Ground:
    """The shared work of a grid, made when it is first asked for and kept in `OUT/shared` and `OUT/distilled`."""

    plan: Plan
    tell: Tell = tell_nobody

    @property
    def folder(self) -> Path:
        """The grid's folder."""
        return self.plan.grid.out

    @cached_property
    def run(self) -> Run:
        """The run that holds data and features; both are made, or gone on with, here."""
        recipe = self.plan.shared_recipe()
        require_stored(recipe, "a grid")
        run_stages(recipe, last="extract", tell=self.tell)
        return Run(recipe, self.tell)

    @property
    def run_facts(self) -> dict[str, Any]:
        """What is on record of the teachers whose features are here."""
        facts: dict[str, Any] = read_json(self.run.folder / "features" / "stage.json")["facts"]
        return facts

    @cached_property
    def features(self) -> tuple[Pool, FeatureStore]:
        """Views of all unlabelled training frames, and what the teachers saw of them."""
        return pool_and_store(self.run)

    @cached_property
    def tests(self) -> tuple[TestSet, ...]:
        """The run's own test part first, then the further test sets."""
        return own_test(self.run), *(further_test(self.run, extra) for extra in self.run.recipe.evaluate.also)

    @cached_property
    def val(self) -> list[int]:
        """Frames by which steps and rates are chosen."""
        return val_frames(self.run)

    def extraction_s(self, recipe: Recipe) -> float:
        """Return what extracting the features of a recipe's teachers has cost, in seconds."""
        store = self.features[1]
        return sum(store.column(name).seconds for name in column_names(recipe))

    def source(self, recipe: Recipe) -> DistilSource:
        """Return what a recipe's stage 1 learns from: views of the pool with what its teachers saw of them."""
        return distil_source(recipe, *self.features, self.run.dataset, self.run.split["train"])

    def distilled(self, arm: str, seed: int) -> tuple[Path, dict[str, Any]]:
        """Return the student that arm `arm` distils with `seed`, and the facts of its training; trained once for all cells."""
        recipe = self.plan.recipe(arm, seed=seed)
        folder = self.folder / "distilled" / f"{arm}-s{seed}"
        done, file = folder / "done.json", folder / STUDENT_FILE
        _, store = self.features
        names = column_names(recipe)
        identity = fingerprint(
            {
                "distill": build.training_settings(recipe.distill),
                "student": build.student_settings(recipe),
                "teachers": {name: store.column(name).identity for name in names},
                "samples": fingerprint(
                    [store.samples.dataset, list(store.samples.frames), store.samples.seed]
                ),
                "seed": seed,
                **({} if recipe.device.precision == "auto" else {"precision": recipe.device.precision}),
            }
        )
        with locked(folder / ".lock", on_wait=wait_for_another):
            self._distil(arm, recipe, folder, identity)
        return file, read_json(done)

    def _distil(self, arm: str, recipe: Recipe, folder: Path, identity: str) -> None:
        done, file, store, seed = folder / "done.json", folder / STUDENT_FILE, self.features[1], recipe.seed
        if not (done.exists() and file.exists() and read_json(done)["identity"] == identity):
            source = self.source(recipe)
            plan = build.plan(recipe.distill, seed=seed, num_samples=len(source))
            task = build.distil_task(recipe, store)
            place = Place(folder, identity, build.device(recipe), recipe.device.workers)
            watch = Watch(progress=self.tell(f"distil {arm} s{seed}"), hook=alarm_for(recipe))
            state = fit(task, source, plan, place, watch)
            keep(task, head_plans(recipe.distill, source.columns), file, recipe)
            facts = {"identity": identity, "steps": plan.steps, "wall_s": round(state.wall_s, 2)}
            write_json(done, facts)
            (folder / "checkpoint.pt").unlink(missing_ok=True)

    def calibration(self, recipe: Recipe, student: Any) -> Iterator[Tensor]:
        """Yield batches of preprocessed training views, by which an untrained encoder's norms are calibrated."""
        pool, _ = self.features
        count = min(len(pool), CALIBRATION_BATCHES * CALIBRATION_SAMPLES)
        chosen = random.Random(recipe.seed).sample(range(len(pool)), count)
        for start in range(0, count, CALIBRATION_SAMPLES):
            views = [
                torch.tensor(pool.render(index, recipe.student.input_px))
                for index in chosen[start : start + CALIBRATION_SAMPLES]
            ]
            yield student.preprocess(torch.stack(views))


def wait_for_another(holder: str) -> None:
    """Say that another process is at what several cells need."""
    _log.warning("waiting for %s, which makes what this cell needs, too", holder)
