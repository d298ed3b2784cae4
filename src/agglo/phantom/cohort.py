"""A cohort: which synthetic patients, how many frames of each, before which units; and the cohorts that are kept for testing.

Seeds from `FIRST_RESERVED_SEED` on belong to the lab teachers and to the test sets: no training data is drawn from them.
"""

from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Final

from agglo.core.errors import ConfigError
from agglo.core.files import fingerprint
from agglo.phantom.annotator import MaskKind
from agglo.phantom.presets import HELD_OUT, preset_hash

FIRST_RESERVED_SEED: Final = 1_000_000_000

LABELS_VERSION: Final = 2
"""Of what the labels mean; a test holds it against docs/labels.md."""


@dataclass(frozen=True)
class Cohort:
    """What a phantom dataset is made of.

    Attributes:
        name: of the dataset.
        patients, swallows, frames: how many, swallows per patient, frames per swallow.
        size_px: side of the pictures.
        seed: of everything; preset: the ranges everything is drawn from.
        masks: which kind counts as the labels; raters: further kinds, kept beside them.
        held_out: name of the test set that this is; empty for data to train on.
    """

    name: str
    patients: int
    frames: int
    size_px: int
    seed: int
    preset: str
    swallows: int = 1
    masks: MaskKind = "exact"
    raters: tuple[MaskKind, ...] = ()
    held_out: str = ""

    @property
    def identity(self) -> str:
        """16 hex digits that stand for every number that the bytes depend on."""
        return fingerprint([asdict(self), preset_hash(self.preset)])

    @property
    def recordings(self) -> list[tuple[int, int]]:
        """Patient and swallow of each recording, in order."""
        return [(patient, swallow) for patient in range(self.patients) for swallow in range(self.swallows)]

    @property
    def description(self) -> dict[str, Any]:
        """What `dataset.json` says of it."""
        return {
            "is_phantom": True,
            "contains_patient_data": False,
            "pharynx_includes_bolus": True,
            "labels_version": LABELS_VERSION,
            "preset_hash": preset_hash(self.preset),
            "identity": self.identity,
            **asdict(self),
            "raters": list(self.raters),
        }


def trainable(cohort: Cohort) -> Cohort:
    """Return a cohort that may be trained on, or raise `ConfigError` when its seed or preset is kept for testing."""
    if cohort.seed >= FIRST_RESERVED_SEED or cohort.preset in HELD_OUT:
        raise ConfigError(
            f"a phantom to train on must have a seed below {FIRST_RESERVED_SEED} and none of the presets {sorted(HELD_OUT)}, got "
            f"seed {cohort.seed} and preset {cohort.preset!r}: these are kept for testing; choose others."
        )
    return cohort


TEST_SETS: Final = MappingProxyType(
    {
        "v1": Cohort(
            name="phantom-test-v1",
            patients=36,
            frames=16,
            size_px=512,
            seed=FIRST_RESERVED_SEED + 900_000_001,
            preset="test-v1",
            held_out="v1",
        )
    }
)
"""Cohorts for testing, frozen: another one gets another name."""


def held_out_cohort(name: str) -> Cohort:
    """Return a test set's cohort, or raise `ConfigError` that lists those there are."""
    if name not in TEST_SETS:
        raise ConfigError(
            f"a phantom test set must be one of {sorted(TEST_SETS)}, got {name!r}; choose one of these."
        )
    return TEST_SETS[name]
