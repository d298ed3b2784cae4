"""Over which images the batch norms of a student that is trained take their statistics."""

from typing import Literal

from pydantic import Field

from agglo.config.section import Section

Norm = Literal["auto", "synced", "local", "frozen"]


class NormSection(Section):
    """Abstract: a training that says what its batch norms do."""

    norm: Norm = Field(
        "auto",
        description="statistics of batch norms: synced (over all processes; GPUs) | local (over each one's images) | frozen; "
        "auto is synced on several GPUs and local elsewhere",
        exclude_if=lambda value: value == "auto",  # what was made before there was a choice stays valid
    )
