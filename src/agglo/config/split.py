"""How frames are parted: the settings of a split, and which of them contradict each other."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from agglo.config.section import Fraction, Section

_TAKES = {"time": {"by", "ranges"}, "blocks": {"by", "fractions", "ranges"}}
"""What else than `by` a split of a single recording listens to; `ranges` with blocks are refused on their own."""


class SplitConfig(Section):
    """How frames are parted into train, val and test."""

    by: Literal["patient", "video", "blocks", "time"] = "patient"
    fractions: tuple[Fraction, Fraction, Fraction] = (0.6, 0.1, 0.3)
    ranges: dict[str, list[tuple[int, int]]] | None = Field(
        None, description="for `by: time`: first and last index of each range"
    )
    seed: Annotated[int, Field(ge=0)] | None = Field(
        0, description="of the shuffle; null keeps the order of names"
    )
    file: Path | None = Field(
        None, description="a split made by `agglo data split`, instead of all else here"
    )
    strata: tuple[str, ...] = Field((), description="columns to balance: facts, or present:STRUCTURE")
    min_per_stratum: Annotated[int, Field(ge=0)] = Field(0, description="units of each value in each part")
    hold_out: dict[str, list[str]] = Field({}, description="by column the values that are the test part")
    folds: Annotated[int, Field(ge=2)] | None = Field(
        None, description="parts that take turns as the test part"
    )
    fold: Annotated[int, Field(ge=0)] = Field(0, description="whose turn it is")

    @model_validator(mode="after")
    def _one_way(self) -> "SplitConfig":
        fields = type(self).model_fields.items()
        given = [name for name, field in fields if getattr(self, name) != field.get_default()]
        if self.file is not None and given != ["file"]:
            given.remove("file")
            raise ValueError(f"`file` is the whole split; leave out {', '.join(given)}")
        if unheard := [f"`{name}`" for name in given if name not in _TAKES.get(self.by, given)]:
            raise ValueError(
                f"{', '.join(unheard)} go with `by: patient` or `by: video`, and mean nothing with `by: {self.by}`; leave them out"
            )
        if self.hold_out and self.folds:
            raise ValueError("`hold_out` and `folds` both say what the test part is; give one")
        if self.fold and not self.folds:
            raise ValueError(f"`fold` goes with `folds`, which are not given, got {self.fold}")
        if self.folds and self.fold >= self.folds:
            raise ValueError(f"`fold` counts from 0 to {self.folds - 1}, got {self.fold}")
        if self.min_per_stratum and not self.strata:
            raise ValueError("`min_per_stratum` counts the values of `strata`, and none are given")
        return self

    @model_validator(mode="after")
    def _adds_up(self) -> "SplitConfig":
        if abs(sum(self.fractions) - 1) > 1e-6:
            raise ValueError(f"fractions must add up to 1, got {self.fractions}")
        if (self.by == "time") != (self.ranges is not None):
            raise ValueError("`ranges` are given with `by: time`, and only then")
        if self.ranges is not None and self.ranges.keys() != {"train", "val", "test"}:
            raise ValueError(f"`ranges` must name train, val and test, got {', '.join(self.ranges)}")
        return self
