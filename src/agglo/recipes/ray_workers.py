"""Extraction by the workers of a Ray cluster (extra `ray`): Ray Data hands out blocks, and again those of a worker that died.

The run folder must be on a disk that all workers share. `RAY_ADDRESS` says which cluster; without it, one is started here.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agglo.config.schema import Recipe
from agglo.core.errors import ConfigError, RunFolderError
from agglo.core.progress import Progress, silent
from agglo.distill import SUMMARY
from agglo.features.extract import Filler, Work
from agglo.features.looking import Looker, ReadyTeacher
from agglo.features.pool import ONCE_THROUGH_BYTES
from agglo.recipes import build
from agglo.recipes.context import Run
from agglo.recipes.summaries import sources_of

if TYPE_CHECKING:
    import numpy as np

BLOCKS_AT_ONCE = 4
"""Blocks that a worker takes at a time: it renders the next one while its teacher looks at one, and loses these if it dies."""


def fill_by_ray(run: Run, filler: Filler, *, workers: int, progress: Progress = silent) -> None:
    """Let `workers` workers fill what `filler` misses.

    Raises:
        ConfigError: Ray is not installed.
        RunFolderError: some blocks are missing at the end; the same command goes on.
    """
    work = filler.missing()
    if not work:
        return
    ray = require_ray()
    ray.init(
        address=os.environ.get("RAY_ADDRESS"),
        include_dashboard=False,
        configure_logging=False,
        log_to_driver=False,
    )
    try:
        _hand_out(ray, run.recipe, work, workers, progress)
    finally:
        ray.shutdown()
    left = filler.missing()
    if left:
        raise RunFolderError(
            f"every block must be there once Ray is done, but {len(left)} of {len(work)} are missing, {left[0]} first: "
            f"the workers see another disk than {run.folder}, or have died too often; the same command goes on with what is missing"
        )


def require_ray() -> Any:
    """Return the module `ray`.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import ray
        import ray.data
    except ImportError as problem:
        raise ConfigError(
            "extraction by Ray needs the extra `ray`; install it with `pip install 'agglo[ray]'`, or leave `--ray` away"
        ) from problem
    return ray


def _hand_out(ray: Any, recipe: Recipe, work: Sequence[Work], workers: int, progress: Progress) -> None:
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = [{"work": [list(each) for each in chunk]} for chunk in chunks_of(work)]
    whole = Recipe.model_validate(
        _absolute(recipe.model_dump())
    )  # workers may have been started in another folder
    filled = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        Worker,
        fn_constructor_args=(whole.model_dump_json(),),
        compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
        num_gpus=1 if ray.cluster_resources().get("GPU") else 0,
    )
    done = 0
    try:
        for row in filled.iter_rows():
            done += int(row["blocks"])
            progress(done, len(work), f"{workers} workers")
    except ray.exceptions.RayError as problem:
        raise RunFolderError(
            f"a worker of Ray could not go on: {_innermost(problem)}; what is whole is kept, and the same command goes on"
        ) from problem


def _absolute(value: Any) -> Any:
    """Return settings with every relative path made absolute."""
    if isinstance(value, Mapping):
        return {key: _absolute(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_absolute(each) for each in value]
    return value.absolute() if isinstance(value, Path) else value


def _innermost(problem: BaseException) -> str:
    """Return what went wrong first, in its own words."""
    while problem.__cause__ is not None or problem.__context__ is not None:
        problem = problem.__cause__ or problem.__context__  # type: ignore[assignment]
    return str(problem).strip() or type(problem).__name__


def chunks_of(work: Sequence[Work]) -> list[list[Work]]:
    """Return `work` in pieces of `BLOCKS_AT_ONCE`, one more where a map would be cut off from its summary, which needs no other
    look."""
    chunks: list[list[Work]] = []
    for name, block in work:
        is_seen = bool(chunks) and chunks[-1][-1] == (name.removesuffix(SUMMARY), block)
        if not chunks or (len(chunks[-1]) >= BLOCKS_AT_ONCE and not is_seen):
            chunks.append([])
        chunks[-1].append((name, block))
    return chunks


class Worker:
    """What lives on a worker of the cluster: the recipe's pool, and its teachers, each built when it is first needed."""

    def __init__(self, recipe: str) -> None:
        """Take the recipe as JSON: workers share nothing else with whoever hands out the work."""
        self.run = Run(Recipe.model_validate_json(recipe))
        self.looker = Looker(build.device(self.run.recipe).settle())
        self.sources: dict[str, ReadyTeacher] = {}

    def __call__(self, row: Mapping[str, Any]) -> dict[str, "np.integer[Any] | int"]:
        """Make the blocks `row["work"]`; return how many that were."""
        work = [(str(name), int(block)) for name, block in row["work"]]
        if missing := dict(work).keys() - self.sources.keys():
            self.sources |= sources_of(self.run.recipe, *missing)
        pool = build.pool(self.run.recipe, self.run.dataset, self.run.split).with_cache(ONCE_THROUGH_BYTES)
        Filler(
            pool, self.sources, self.run.recipe.features, self.looker, build.storage(self.run.recipe)
        ).fill(work)
        return {"blocks": len(work)}
