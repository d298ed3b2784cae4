"""The teachers Agglo knows: the published ones, and those of its own lab.

Nothing is built here and torch is not imported, so that a command line can list teachers at once. Facts about a teacher are
fields of its entry; no other module tests a teacher's name.
"""

from collections.abc import Mapping
from typing import Any

from agglo.teachers.architectures import (
    HIERA_LAB,
    HIERA_LAB_LARGE,
    SWIN_LAB,
    SWIN_TINY,
    VIT_LAB_14,
    VIT_LAB_LARGE_14,
)
from agglo.teachers.entries import medclip, rad_dino, sam2
from agglo.teachers.entry import FROZEN_HASHES, TeacherEntry, read_frozen_hashes
from agglo.teachers.published import PUBLISHED

__all__ = ["CATALOGUE", "FROZEN_HASHES", "TeacherEntry", "read_frozen_hashes"]


def _shipped(name: str) -> dict[str, Any]:
    return {
        "weights_file": f"{name}.safetensors",
        "is_shipped": True,
        "sha256": None,
        "licence": "Apache-2.0",
        "source": "Agglo, trained on synthetic images only",
    }


def _trained(command: str) -> dict[str, Any]:
    """Facts of a teacher that only comes about by a command of Agglo."""
    words = command.removeprefix("agglo lab train ").split()
    return {
        "weights_file": f"{'-'.join(word.removeprefix('--') for word in words)}.safetensors",
        "is_shipped": False,
        "sha256": None,
        "licence": "Apache-2.0",
        "source": "Agglo, trained on synthetic images only",
        "command": command,
    }


_OF_THE_LAB = (
    sam2(
        "lab-sam",
        HIERA_LAB,
        has_decoder=False,
        input_px=256,
        num_parameters=1_626_112,
        labels_seen="masks of procedural scenes; no VFSS mask",
        **_shipped("lab-sam"),
    ),
    rad_dino(
        "lab-dino",
        VIT_LAB_14,
        input_px=224,
        num_parameters=2_391_168,
        labels_seen="none (self-supervised on phantom frames and scenes)",
        **_shipped("lab-dino"),
    ),
    medclip(
        "lab-clip",
        SWIN_LAB,
        input_px=224,
        num_parameters=3_599_916,
        labels_seen="captions of phantom frames and scenes; no mask",
        **_shipped("lab-clip"),
    ),
    sam2(
        "lab-sam-vfss",
        HIERA_LAB,
        has_decoder=False,
        input_px=256,
        num_parameters=1_626_112,
        labels_seen="MASKS OF THE 12 VFSS STRUCTURES on phantom frames: an upper bound, never a headline",
        **_trained("agglo lab train lab-sam-vfss"),
    ),
    sam2(
        "lab-sam-large",
        HIERA_LAB_LARGE,
        has_decoder=False,
        input_px=256,
        num_parameters=12_989_760,
        labels_seen="masks of procedural scenes; no VFSS mask",
        **_trained("agglo lab train lab-sam --large"),
    ),
    rad_dino(
        "lab-dino-large",
        VIT_LAB_LARGE_14,
        input_px=224,
        num_parameters=14_528_256,
        labels_seen="none (self-supervised on phantom frames and scenes)",
        **_trained("agglo lab train lab-dino --large"),
    ),
    medclip(
        "lab-clip-large",
        SWIN_TINY,
        input_px=224,
        num_parameters=27_519_354,
        labels_seen="captions of phantom frames and scenes; no mask",
        **_trained("agglo lab train lab-clip --large"),
    ),
)

CATALOGUE: Mapping[str, TeacherEntry] = {entry.name: entry for entry in (*PUBLISHED, *_OF_THE_LAB)}
