"""A grid as data: what is compared, and the recipe of each of its cells. Nothing is trained here.

A grid file names a base recipe beside it, changes of it (`set`), and arms, each with changes of its own. Cells are all combinations
of arm, encoder column, labelled patients and seed.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from agglo.config.load import read_values, validated
from agglo.config.schema import Positive, Rate, Recipe, Section, TeacherConfig
from agglo.core.files import fingerprint
from agglo.recipes import build

Column = Literal["frozen", "finetune"]
Kind = Literal["distil", "random", "supervised", "unet"]

COLUMNS: Mapping[Kind, tuple[Column, ...]] = {
    "distil": ("frozen", "finetune"),
    "random": ("frozen",),
    "supervised": ("finetune",),
    "unet": ("finetune",),
}
"""What each kind of arm can be: one without anything to keep is trained as a whole."""

FROM_MASKS: tuple[Kind, ...] = ("supervised", "unet")
"""Kinds that learn from masks alone, for the wall time of the arm they are to be compared with."""

NOT_PART = ("name", "out", "report", "device", "supervised")
"""Sections of a recipe that decide nothing of a cell's figures."""


class Arm(Section):
    """One way of getting a model.

    `distil`: the student is distilled, then a decoder learns masks on it. `random`: the decoder learns on an untrained encoder
    with calibrated norms. `supervised`: the student learns from masks alone. `unet`: a 2-D U-Net does.
    """

    kind: Kind = "distil"
    teachers: tuple[TeacherConfig, ...] = ()
    set: dict[str, Any] = Field(default_factory=dict, description="changes of the recipe, as nested keys")
    learning_rates: tuple[Rate, ...] = Field((), description="instead of the grid's")
    width: Positive = Field(24, description="unet: channels of its first level")
    note: str = ""

    @model_validator(mode="after")
    def _has_teachers(self) -> "Arm":
        if (self.kind == "distil") != bool(self.teachers):
            raise ValueError("an arm has `teachers` if its kind is distil, and only then")
        return self


class Grid(Section):
    """A comparison."""

    name: str
    out: Path
    base: Path = Field(description="a recipe, beside the grid file")
    set: dict[str, Any] = Field(
        default_factory=dict, description="changes of the base recipe, as nested keys"
    )
    arms: Annotated[dict[str, Arm], Field(min_length=1)]
    patients: tuple[Positive, ...] = (1, 3, 10, 30)
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0, 1, 2)
    encoder: tuple[Column, ...] = ("frozen", "finetune")
    bar: str = Field("supervised", description="the arm that all others are compared with")
    equal_to: str = Field("all", description="the arm whose wall time arms from masks alone get")
    learning_rates: Annotated[tuple[Rate, ...], Field(min_length=1)] = (1e-3, 3e-3)
    tune_patients: Positive = Field(10, description="labelled patients with which rates are chosen on val")

    @model_validator(mode="after")
    def _names_exist(self) -> "Grid":
        for key, kind in (("bar", None), ("equal_to", "distil")):
            arm = self.arms.get(getattr(self, key))
            if arm is None or (kind and arm.kind != kind):
                raise ValueError(
                    f"`{key}` must name an arm{f' of kind {kind}' if kind else ''}, got {getattr(self, key)!r}"
                )
        if len({*self.seeds}) < len(self.seeds) or len({*self.patients}) < len(self.patients):
            raise ValueError("`seeds` and `patients` must each be different")
        return self


@dataclass(frozen=True)
class Cell:
    """One model of the grid."""

    arm: str
    column: Column
    patients: int
    seed: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.arm}-{self.column}-n{self.patients:02d}-s{self.seed}"


@dataclass(frozen=True)
class Plan:
    """A grid with the values of its base recipe.

    Attributes:
        grid: what is compared.
        values: of the base recipe with the grid's changes.
    """

    grid: Grid
    values: Mapping[str, Any]

    def cells(self, only: str = "*") -> list[Cell]:
        """Return the cells whose names match the pattern `only`: seed by seed, so that what is stopped early has whole seeds."""
        return [cell for cell in self._all() if fnmatch(cell.name, only)]

    def _all(self) -> Iterator[Cell]:
        for seed in self.grid.seeds:
            for name, arm in self.grid.arms.items():
                for column in COLUMNS[arm.kind]:
                    if column in self.grid.encoder:
                        yield from (Cell(name, column, count, seed) for count in self.grid.patients)

    def recipe(
        self, arm: str, *, column: Column = "finetune", patients: int | None = None, seed: int
    ) -> Recipe:
        """Return the recipe of an arm at a place of the grid."""
        values = merged(self.values, self.grid.arms[arm].set)
        teachers = [each.model_dump(mode="json") for each in self.grid.arms[arm].teachers]
        changes = {
            "name": f"{self.grid.name}: {arm}",
            "out": str(self.grid.out / "shared"),
            "seed": seed,
            "teachers": teachers or values["teachers"],
            "align": {"encoder": column, "labelled_patients": patients, "select": "best"},
        }
        return validated(Recipe, merged(values, changes), where=f"{self.grid.name}, arm {arm}")

    def recipe_of(self, cell: Cell) -> Recipe:
        """Return the recipe of a cell."""
        return self.recipe(cell.arm, column=cell.column, patients=cell.patients, seed=cell.seed)

    def shared_recipe(self) -> Recipe:
        """Return the recipe of what all cells share: data, and the features of every teacher that is here."""
        teachers = {
            each.key: each.model_dump(mode="json")
            for name, arm in self.grid.arms.items()
            for each in arm.teachers
            if self.lack_of(name) is None
        }
        changes = {
            "name": self.grid.name,
            "out": str(self.grid.out / "shared"),
            "teachers": list(teachers.values()) or self.values["teachers"],
        }
        return validated(Recipe, merged(self.values, changes), where=self.grid.name)

    def lack_of(self, arm: str) -> str | None:
        """Return why an arm cannot be trained here; None where it can."""
        lacks = [build.missing_weights(teacher) for teacher in self.grid.arms[arm].teachers]
        return next((lack for lack in lacks if lack), None)

    def identity(self, cell: Cell) -> str:
        """Return the hash of everything asked for that decides a cell's figures."""
        arm, grid = self.grid.arms[cell.arm], self.grid
        settings = {
            "recipe": _deciding(self.recipe_of(cell)),
            "arm": arm.model_dump(mode="json", include={"kind", "width"}),
            "learning_rates": list(arm.learning_rates or grid.learning_rates),
            "tuned": [grid.tune_patients, grid.seeds[0]],
            "equal_to": _deciding(self.recipe(grid.equal_to, seed=cell.seed))
            if arm.kind in FROM_MASKS
            else None,
        }
        return fingerprint(settings)


def load_grid(path: Path, overrides: Sequence[str] = ()) -> Plan:
    """Read a grid file, and the recipe it starts from.

    Raises:
        ConfigError: either cannot be used; one line for each problem.
    """
    grid = validated(Grid, read_values(path, overrides), where=path.name)
    plan = Plan(grid, merged(read_values(path.parent / grid.base), grid.set))
    for arm in grid.arms:
        build.check_names(plan.recipe(arm, seed=grid.seeds[0]))
    return plan


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with `changes` over them, section by section; neither is touched."""
    result = deepcopy(dict(values))
    for key, change in changes.items():
        before = result.get(key)
        is_section = isinstance(before, Mapping) and isinstance(change, Mapping)
        result[key] = merged(before, change) if is_section else deepcopy(change)  # type: ignore[arg-type]
    return result


def _deciding(recipe: Recipe) -> dict[str, Any]:
    values = recipe.model_dump(mode="json", exclude={*NOT_PART})
    for stage in ("distill", "align"):
        for key in build.COSMETIC:
            values[stage].pop(key)
    return values
