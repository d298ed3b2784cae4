"""What every part of a recipe is: frozen, strict, and refusing what it does not know; and the numbers that parts share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, lt=1)]
FolderName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
"""What a part is called that gets a folder, and a place in the log, of this name."""


class Section(BaseModel):
    """Abstract: a part of a recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)
