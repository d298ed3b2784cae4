"""A grid as data: what is compared, and the recipe of each of its cells. Nothing is trained here.

A grid file names a base recipe beside it, changes of it (`set`), and arms, each with changes of its own. Cells are all combinations
of arm, encoder column, labelled patients and seed.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from agglo.config.load import validated
from agglo.config.schema import Recipe, TeacherConfig
from agglo.config.section import Positive, Rate, Section
from agglo.core.files import fingerprint
from agglo.phantom.cohort import held_out_cohort
from agglo.recipes import build
from agglo.recipes.extract import identity_of
from agglo.recipes.phantom import cohort_of

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

FROM_POOL: tuple[Kind, ...] = ("distil", "random")
"""Kinds that look at the unlabelled pool, whose views the base recipe's seed draws."""

SHARED = ("name", "out", "seed", "data", "teachers", "evaluate", "report", "device", "supervised")
"""Sections of a recipe that an arm cannot change: all arms have the same data and test sets, and `teachers` of their own."""

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
    encoder: tuple[Column, ...] = Field((), description="columns, instead of the grid's")
    patients: tuple[Positive, ...] = Field((), description="some of the grid's counts, instead of all")
    width: Positive = Field(24, description="unet: channels of its first level")
    note: str = ""

    @model_validator(mode="after")
    def _has_teachers(self) -> "Arm":
        if (self.kind == "distil") != bool(self.teachers):
            raise ValueError("an arm has `teachers` if its kind is distil, and only then")
        if shared := [key for key in self.set if key in SHARED]:
            raise ValueError(f"an arm's `set` cannot change what all arms share, got {', '.join(shared)}")
        if impossible := [column for column in self.encoder if column not in COLUMNS[self.kind]]:
            raise ValueError(
                f"an arm of kind {self.kind} has columns {', '.join(COLUMNS[self.kind])}, not {', '.join(impossible)}"
            )
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
        columns = self.columns_of(self.bar)
        if len(columns) != 1:
            raise ValueError(
                f"`bar` must have cells in one of the columns {list(self.encoder)} of `encoder`, but {self.bar!r} has them in "
                f"{list(columns) or 'none'}"
            )
        self._require_one_meaning()
        self._require_known_counts()
        if len({*self.seeds}) < len(self.seeds) or len({*self.patients}) < len(self.patients):
            raise ValueError("`seeds` and `patients` must each be different")
        return self

    def columns_of(self, arm: str) -> tuple[Column, ...]:
        """Return the columns in which an arm has cells: those asked for that its kind can have."""
        asked = self.arms[arm].encoder or self.encoder
        return tuple(column for column in COLUMNS[self.arms[arm].kind] if column in asked)

    def rates_of(self, arm: Arm) -> tuple[float, ...]:
        """Return the learning rates among which val chooses for an arm."""
        return arm.learning_rates or self.learning_rates

    def patients_of(self, arm: str) -> tuple[int, ...]:
        """Return the counts of labelled patients for which an arm has cells."""
        own = self.arms[arm].patients
        return tuple(count for count in self.patients if not own or count in own)

    def _require_known_counts(self) -> None:
        for name, arm in self.arms.items():
            if unknown := [count for count in arm.patients if count not in self.patients]:
                raise ValueError(
                    f"`patients` of arm {name!r} must be among the grid's {list(self.patients)}, got {unknown}"
                )
            if name in (self.bar, self.equal_to) and arm.patients:
                raise ValueError(
                    f"arm {name!r} is what others are compared with, so it needs all counts, not {list(arm.patients)}"
                )

    def _require_one_meaning(self) -> None:
        """Refuse two teachers of one name: features are kept by it, so that one would be learned from in place of the other."""
        known: dict[str, TeacherConfig] = {}
        for name, arm in self.arms.items():
            for teacher in arm.teachers:
                if known.setdefault(teacher.key, teacher) != teacher:
                    raise ValueError(
                        f"a teacher's name must mean the same in all arms, but {teacher.key!r} of arm {name!r} has other weights "
                        "or another size than before; give it a `label`"
                    )


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
            for name in self.grid.arms:
                for column in self.grid.columns_of(name):
                    yield from (Cell(name, column, count, seed) for count in self.grid.patients_of(name))

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
        """Return the hash of everything that decides a cell's figures: what is asked for, and the weights it starts from."""
        recipe, arm = self.recipe_of(cell), self.grid.arms[cell.arm]
        files = {
            "teachers": [self._weights[teacher.key] for teacher in arm.teachers],
            "student": None if arm.kind == "unet" else build.student_settings(recipe)["init_sha256"],
        }
        return fingerprint({"settings": self.settings(cell), "files": files})

    def settings(self, cell: Cell) -> str:
        """Return the hash of everything asked for that decides a cell's figures; no file is looked at."""
        arm, grid, recipe = self.grid.arms[cell.arm], self.grid, self.recipe_of(cell)
        phantoms = [recipe.data.phantom, *(each.phantom for each in recipe.evaluate.also)]
        held_out = [each.held_out for each in recipe.evaluate.also if each.held_out]
        norm = recipe.supervised.norm if arm.kind == "supervised" else "auto"
        settings = {
            "recipe": _deciding(recipe),
            **({} if norm == "auto" else {"norm": norm}),
            "phantoms": [cohort_of(each).identity for each in phantoms if each],
            "held_out": [held_out_cohort(name).identity for name in held_out],
            "pool_seed": self.values.get("seed", 0) if arm.kind in FROM_POOL else None,
            "arm": arm.model_dump(mode="json", include={"kind", "width"}),
            "learning_rates": list(grid.rates_of(arm)),
            "tuned": [grid.tune_patients, grid.seeds[0]],
            "equal_to": _deciding(self.recipe(grid.equal_to, patients=cell.patients, seed=cell.seed))
            if arm.kind in FROM_MASKS
            else None,
        }
        return fingerprint(settings)

    @cached_property
    def _weights(self) -> dict[str, object]:
        """The hashes of all teachers' weights, None for those that are not here."""
        teachers = {each.key: each for arm in self.grid.arms.values() for each in arm.teachers}
        return {
            key: None if build.missing_weights(each) else identity_of(each)["sha256"]
            for key, each in teachers.items()
        }


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
    values["precision"] = recipe.device.precision
    for stage in ("distill", "align"):
        for key in build.COSMETIC:
            values[stage].pop(key, None)
    return values
