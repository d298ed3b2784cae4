"""The students Agglo can train, as data: backbone, normalisation, usual neck, size, licence.

Nothing is built here and torch is not imported, so that a command line can list students at once. An entry is here only if it
is tested from end to end.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class StudentEntry:
    """One student, as data.

    Attributes:
        name: unique in the catalogue.
        backbone: name of the model in timm.
        backbone_options: keyword arguments that make timm's model the one meant.
        mean, std: per channel, for images in `[0, 1]`; those of the backbone's ImageNet weights.
        neck: usual neck, a key of `necks.NECKS`.
        input_px: usual side of the square input; any multiple of `input_multiple_px` runs.
        input_multiple_px: sides of an input are multiples of this.
        num_parameters: with the usual neck at 256 channels.
        num_macs: multiply-adds for one image at `input_px`, as `facts.count_macs` counts them.
        licence: of the backbone's code and ImageNet weights.
        source: paper and origin.
    """

    name: str
    backbone: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    neck: str
    num_parameters: int
    num_macs: int
    licence: str
    source: str
    backbone_options: Mapping[str, Any] = field(default_factory=dict)
    input_px: int = 512
    input_multiple_px: int = 32


_ENTRIES = (
    StudentEntry(
        name="repvit",
        backbone="repvit_m0_9",
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        neck="fusing",
        num_parameters=5_480_160,
        num_macs=5_045_121_024,
        licence="Apache-2.0",
        source="RepViT-M0.9, arXiv 2307.09283, from timm",
    ),
)

CATALOGUE: Mapping[str, StudentEntry] = {entry.name: entry for entry in _ENTRIES}


def describe() -> list[dict[str, Any]]:
    """Return one JSON-like row per student: what it is, what it costs, whose it is."""
    return [
        {
            "name": entry.name,
            "backbone": entry.backbone,
            "neck": entry.neck,
            "parameters": entry.num_parameters,
            "macs": entry.num_macs,
            "input_px": entry.input_px,
            "mean": list(entry.mean),
            "std": list(entry.std),
            "licence": entry.licence,
            "source": entry.source,
        }
        for entry in CATALOGUE.values()
    ]
