"""Over which images the batch norms of a student that is trained take their statistics."""

from collections.abc import Callable
from typing import Literal

from pydantic import Field, model_serializer

from agglo.config.section import Section

Norm = Literal["auto", "synced", "local", "frozen"]


class NormSection(Section):
    """Abstract: a training that says what its batch norms do."""

    norm: Norm = Field(
        "auto",
        description="statistics of batch norms: synced (over all processes; GPUs) | local (over each one's images) | frozen; "
        "auto is synced on several GPUs and local elsewhere",
    )

    @model_serializer(mode="wrap")
    def _without_a_norm_not_chosen(self, dump: Callable[[object], dict[str, object]]) -> dict[str, object]:
        """Leave out `auto`: what was made before there was a choice stays valid."""
        return {name: value for name, value in dump(self).items() if name != "norm" or value != "auto"}
