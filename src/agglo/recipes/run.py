"""`agglo run`: all stages in order, each resumable; and the verbs that stop after one of them."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from agglo.config.load import dump_recipe
from agglo.config.schema import Recipe
from agglo.core.files import write_json, write_text
from agglo.core.progress import Progress, silent
from agglo.recipes import build
from agglo.recipes.stage import Stage

Tell = Callable[[str], Progress]


def tell_nobody(stage: str) -> Progress:
    """Return a progress that is not shown."""
    return silent


@dataclass(frozen=True)
class Run:
    """A recipe under way in its folder: the stages read their inputs from here.

    Attributes:
        recipe: resolved.
        tell: gives the progress of a stage by name.
        stages: those of this run so far, by name.
    """

    recipe: Recipe
    tell: Tell = tell_nobody
    stages: dict[str, Stage] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.recipe.out

    @property
    def dataset_folder(self) -> Path:
        """Where the dataset lies: given, or made by the run."""
        return self.recipe.data.folder or self.folder / "dataset"

    @cached_property
    def dataset(self) -> Any:
        """The dataset, opened once."""
        return build.dataset(self.recipe, self.dataset_folder)

    @cached_property
    def split(self) -> Any:
        """Its split, made once and kept in `split.json`."""
        from agglo.data.splits import load_split

        path = self.folder / "split.json"
        if not path.exists():
            build.split(self.recipe, self.dataset).save(path)
        return load_split(path, self.dataset)

    def stage(
        self, name: str, settings: dict[str, Any], *, after: Sequence[str] = (), folder: str | None = None
    ) -> Stage:
        """Return stage `name`, whose results also depend on those of the stages `after` which it comes.

        Its folder has its name unless `folder` says otherwise.
        """
        inputs = {
            f"after_{before}": self.stages[before].identity for before in after if before in self.stages
        }
        self.stages[name] = Stage(name, self.folder / (folder or name), {**settings, **inputs})
        return self.stages[name]


ORDER = ("dataset", "extract", "distill", "align", "supervised", "evaluate", "report")


def run(recipe: Recipe, *, last: str = "report", tell: Tell = tell_nobody) -> list[str]:
    """Do everything that is not done yet, up to and including stage `last`; return the names of the stages that did something.

    Raises:
        AggloError: something outside of Agglo must change first; what is made stays, and the same call goes on.
    """
    from agglo.recipes.align import align, supervised
    from agglo.recipes.distill import distill
    from agglo.recipes.evaluate import evaluate
    from agglo.recipes.extract import extract
    from agglo.recipes.make_phantom import dataset
    from agglo.recipes.report import report

    build.check_names(recipe)
    verbs: dict[str, Callable[[Run], bool]] = {
        "dataset": dataset,
        "extract": extract,
        "distill": distill,
        "align": align,
        "supervised": supervised,
        "evaluate": evaluate,
        "report": report,
    }
    under_way = Run(recipe, tell)
    _describe(under_way)
    return [name for name in ORDER[: ORDER.index(last) + 1] if verbs[name](under_way)]


def _describe(under_way: Run) -> None:
    """Write down the resolved recipe and the environment, unless a finished run's are there."""
    folder = under_way.folder
    write_text(folder / "recipe.yaml", dump_recipe(under_way.recipe))
    write_json(folder / "environment.json", environment())


def environment() -> dict[str, Any]:
    """Return what figures depend on besides the recipe: versions, machine, threads."""
    import os
    from importlib.metadata import version

    import torch

    packages = ("torch", "timm", "transformers", "zarr", "numpy", "scipy", "lightning-fabric")
    return {
        "agglo": version("agglo"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "packages": {name: version(name) for name in packages},
    }


def _processor() -> str:
    """Return the processor's name as the system tells it, or the architecture where it does not."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
