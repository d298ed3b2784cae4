"""The students Agglo can train, as data: backbone, normalisation, usual neck, size, origin of weights, licence.

Nothing is built here. An entry is here only if it is tested from end to end.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

EMBED_DIM = 256
"""Channels of an embedding, as in the SAM family."""

CLASSIFIER = {"head.": "the ImageNet classifier, of which a student has none"}
SHORTER_STAGES = {
    f"stages.{stage}.blocks.{block}.": "a block of L1 that L0, two blocks shorter in this stage, does not have"
    for stage in (2, 3)
    for block in (5, 6)
}


@dataclass(frozen=True)
class StudentEntry:
    """One student, as data.

    Attributes:
        name: unique in the catalogue.
        backbone: name of the model in timm.
        backbone_options: keyword arguments that make timm's model the one meant.
        last_downsampling: the convolution of timm's model that takes stride 16 to 32; a neck may ask for it not to.
        mean, std: per channel, for images in `[0, 1]`; those of the backbone's ImageNet weights.
        neck: usual neck, a key of `necks.NECKS`; every neck works on every student.
        input_px: usual side of the square input; any multiple of `input_multiple_px` runs, oblongs too.
        input_multiple_px: sides of an input are multiples of this.
        num_parameters: with the usual neck at 256 channels.
        num_macs: multiply-adds for one image at `input_px`, as `facts.count_macs` counts them.
        imagenet: repository of the backbone's ImageNet weights on the Hugging Face hub.
        imagenet_dropped: first letters of those weights' keys that the student has no place for, and why.
        licence: of the backbone's code and ImageNet weights.
        source: paper and origin.
    """

    name: str
    backbone: str
    last_downsampling: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    neck: str
    num_parameters: int
    num_macs: int
    imagenet: str
    licence: str
    source: str
    imagenet_dropped: Mapping[str, str] = field(default_factory=lambda: CLASSIFIER)
    backbone_options: Mapping[str, Any] = field(default_factory=dict)
    input_px: int = 512
    input_multiple_px: int = 32


_ENTRIES = (
    StudentEntry(
        name="repvit",
        backbone="repvit_m0_9",
        last_downsampling="stages_3.downsample.spatial_downsample.c",
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        neck="fusing",
        num_parameters=5_480_160,
        num_macs=5_045_121_024,
        imagenet="timm/repvit_m0_9.dist_300e_in1k",
        licence="Apache-2.0",
        source="RepViT-M0.9, arXiv 2307.09283, from timm",
    ),
    StudentEntry(
        name="tinyvit",
        backbone="tiny_vit_5m_224",
        last_downsampling="stages_3.downsample.conv2.conv",
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        neck="fusing",
        num_parameters=5_817_108,
        num_macs=8_378_928_384,
        imagenet="timm/tiny_vit_5m_224.dist_in22k",
        licence="Apache-2.0",
        source="TinyViT-5M, arXiv 2207.10666, from timm",
    ),
    StudentEntry(
        name="efficientvit",
        backbone="efficientvit_l1",
        backbone_options={"depths": (1, 1, 1, 4, 4)},
        last_downsampling="stages_3.blocks.0.main.depth_conv.conv",
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        neck="samneck",
        num_parameters=30_728_224,
        num_macs=34_774_974_464,
        imagenet="timm/efficientvit_l1.r224_in1k",
        imagenet_dropped={**CLASSIFIER, **SHORTER_STAGES},
        licence="Apache-2.0",
        source="image encoder of EfficientViT-SAM-L0, arXiv 2402.05008; backbone from timm (L1 with L0's depths)",
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
