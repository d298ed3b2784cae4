"""A run under way: the recipe, its folder, its dataset and split, and the stages so far. Stages read their inputs from here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from agglo.config.schema import Recipe
from agglo.core.progress import Progress, silent
from agglo.core.share import ALL, Share
from agglo.data import Dataset, Split
from agglo.data.splits import load_split
from agglo.recipes import build
from agglo.recipes.parting import parted
from agglo.recipes.stage import Stage
from agglo.train.team import ALONE, Team

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
        share: what this process extracts, where several do.
        ray_workers: how many workers of a Ray cluster extract; 0 for none.
        team: the processes that go through the stages together; this one alone where extraction is all that is shared.
        stages: those of this run so far, by name.
    """

    recipe: Recipe
    tell: Tell = tell_nobody
    share: Share = ALL
    ray_workers: int = 0
    team: Team = ALONE
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
    def dataset(self) -> Dataset:
        """The dataset, opened once."""
        return build.dataset(self.recipe, self.dataset_folder)

    @cached_property
    def extra_datasets(self) -> tuple[Dataset, ...]:
        """The further datasets whose unlabelled frames join stage 1, opened once."""
        return build.extra_datasets(self.recipe)

    @cached_property
    def split(self) -> Split:
        """Its split, made once and kept in `dataset/split.json`."""
        path = self.folder / "dataset" / "split.json"
        if not path.exists():
            parted(self.dataset, self.recipe.data.split).save(path)
        return load_split(path, self.dataset)

    def stage(
        self,
        name: str,
        settings: dict[str, Any],
        *,
        after: Sequence[str] = (),
        folder: str | None = None,
        is_whole: Callable[[], bool] = lambda: True,
        is_together: bool = False,
    ) -> Stage:
        """Return stage `name`, whose results also depend on those of the stages `after` which it comes.

        Its folder has its name unless `folder` says otherwise; `is_whole` tells whether its results are still there, `is_together`
        whether all processes of the team do its work, and call this.
        """
        inputs = {
            f"after_{before}": self.stages[before].identity for before in after if before in self.stages
        }
        team = self.team if is_together else ALONE
        self.stages[name] = Stage(
            name, self.folder / (folder or name), {**settings, **inputs}, is_whole, team
        )
        return self.stages[name]
