"""The teachers Agglo knows, as data: architecture, input, normalisation, map, licence, origin of the weights.

Nothing is built here and torch is not imported, so that a command line can list teachers at once. Facts about a teacher are
fields of its entry; no other module tests a teacher's name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agglo.teachers.architectures import (
    HIERA_LAB,
    HIERA_LAB_LARGE,
    HIERA_LARGE,
    HIERA_TINY,
    SWIN_LAB,
    SWIN_TINY,
    VIT_BASE_14,
    VIT_LAB_14,
    VIT_LAB_LARGE_14,
)

SHIPPED_FOLDER = Path(__file__).parent / "weights"
FROZEN_HASHES = "SHA256SUMS"  # beside the weights it pins

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RAD_DINO_MEAN, RAD_DINO_STD = (0.5307,) * 3, (0.2583,) * 3
MEDCLIP_MEAN, MEDCLIP_STD = (0.5862785803043838,) * 3, (0.27950088968644304,) * 3


@dataclass(frozen=True)
class TeacherEntry:
    """One teacher, as data.

    Attributes:
        name: unique in the catalogue.
        family: architecture, a key of `build.FAMILIES`.
        input_px: side of the square input it is meant for.
        mean, std: per channel, for images in `[0, 1]`.
        intensity: `as_is`, or `minmax` when each image is stretched to its own full range first.
        dim: channels of its map.
        stride_px: input pixels per cell of its map.
        input_multiple_px: any input whose sides are multiples of this runs.
        architecture: keyword arguments of the family's `build_encoder`.
        num_parameters: of the encoder that makes the map (decoders, text towers and heads are not counted).
        licence: of the weights.
        source: where the weights come from.
        weights_file: name of the published file, or of the shipped file.
        is_shipped: whether the weights come with Agglo.
        sha256: of the published weights file, where it is pinned; shipped files are pinned by `weights/SHA256SUMS`.
        labels_seen: which annotations its training has seen.
        command: of Agglo that makes the weights, where they neither ship nor can be downloaded.
    """

    name: str
    family: str
    input_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    intensity: Literal["as_is", "minmax"]
    dim: int
    stride_px: int
    input_multiple_px: int
    architecture: Mapping[str, Any]
    num_parameters: int
    licence: str
    source: str
    weights_file: str
    is_shipped: bool
    sha256: str | None
    labels_seen: str
    command: str | None = None

    @property
    def shipped_path(self) -> Path:
        """Where the weights lie when they come with Agglo."""
        return SHIPPED_FOLDER / self.weights_file

    @property
    def pinned_sha256(self) -> str | None:
        """SHA-256 that the weights file must have, or None where it is not pinned."""
        if not self.is_shipped:
            return self.sha256
        return read_frozen_hashes(self.shipped_path.with_name(FROZEN_HASHES)).get(self.weights_file)

    @property
    def how_to_get(self) -> str:
        """One sentence that says how to come by the weights."""
        if self.is_shipped:
            return f"it comes with Agglo, and its card says how it was made; `agglo lab train {self.name}` trains one anew."
        if self.command is not None:
            return f"make {self.weights_file} by `{self.command}` and give its path as `weights`."
        return f"download {self.weights_file} from {self.source} and give its path as `weights`."


def read_frozen_hashes(path: Path) -> dict[str, str]:
    """Return file name -> SHA-256 from a `sha256sum` list; an absent list gives an empty mapping."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines if line.strip())}


def _sam2(name: str, architecture: Mapping[str, Any], **facts: Any) -> TeacherEntry:
    common: dict[str, Any] = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD, "intensity": "as_is"}
    size: dict[str, Any] = {"dim": 256, "stride_px": 16, "input_multiple_px": 32}
    return TeacherEntry(name=name, family="sam2", architecture=architecture, **common, **size, **facts)


def _dinov2(name: str, architecture: Mapping[str, Any], **facts: Any) -> TeacherEntry:
    common: dict[str, Any] = {"mean": RAD_DINO_MEAN, "std": RAD_DINO_STD, "intensity": "minmax"}
    size: dict[str, Any] = {"dim": architecture["hidden_size"], "stride_px": 14, "input_multiple_px": 14}
    return TeacherEntry(name=name, family="dinov2", architecture=architecture, **common, **size, **facts)


def _medclip(name: str, architecture: Mapping[str, Any], **facts: Any) -> TeacherEntry:
    common: dict[str, Any] = {"mean": MEDCLIP_MEAN, "std": MEDCLIP_STD, "intensity": "as_is"}
    dim = architecture["embed_dim"] * 2 ** (len(architecture["depths"]) - 1)
    size: dict[str, Any] = {"dim": dim, "stride_px": 32, "input_multiple_px": 32}
    return TeacherEntry(name=name, family="medclip", architecture=architecture, **common, **size, **facts)


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


def _published(weights_file: str, source: str, licence: str) -> dict[str, Any]:
    return {
        "weights_file": weights_file,
        "is_shipped": False,
        "sha256": None,
        "licence": licence,
        "source": source,
    }


_ENTRIES = (
    _sam2(
        "medsam2",
        HIERA_TINY,
        input_px=512,
        num_parameters=27_219_136,
        labels_seen="masks of public CT, MR, PET, ultrasound and endoscopy sets; no VFSS known",
        **_published(
            "MedSAM2_latest.pt",
            "https://huggingface.co/wanglab/MedSAM2 (arXiv 2504.03600)",
            "Apache-2.0 (code); read the card of the weights",
        ),
    ),
    _sam2(
        "sam2.1-l",
        HIERA_LARGE,
        input_px=1024,
        num_parameters=212_703_280,
        labels_seen="masks of natural photographs and videos (SA-1B, SA-V); no medical image known",
        **_published(
            "sam2.1_hiera_large.pt", "https://huggingface.co/facebook/sam2.1-hiera-large", "Apache-2.0"
        ),
    ),
    _sam2(
        "sam2.1-t",
        HIERA_TINY,
        input_px=1024,
        num_parameters=27_219_136,
        labels_seen="masks of natural photographs and videos (SA-1B, SA-V); no medical image known",
        **_published(
            "sam2.1_hiera_tiny.pt", "https://huggingface.co/facebook/sam2.1-hiera-tiny", "Apache-2.0"
        ),
    ),
    _dinov2(
        "rad-dino",
        VIT_BASE_14,
        input_px=518,
        num_parameters=86_580_480,
        labels_seen="none (self-supervised on chest radiographs)",
        **_published("model.safetensors", "https://huggingface.co/microsoft/rad-dino", "MIT; read the card"),
    ),
    _medclip(
        "medclip",
        SWIN_TINY,
        input_px=224,
        num_parameters=27_519_354,
        labels_seen="reports and finding labels of chest radiographs (CheXpert, MIMIC-CXR); no mask",
        **_published(
            "pytorch_model.bin",
            "https://github.com/RyanWangZf/MedCLIP (MedCLIPVisionModelViT)",
            "no licence file (setup.py says BSD)",
        ),
    ),
    _sam2(
        "lab-sam",
        HIERA_LAB,
        input_px=256,
        num_parameters=1_626_112,
        labels_seen="masks of procedural scenes; no VFSS mask",
        **_shipped("lab-sam"),
    ),
    _dinov2(
        "lab-dino",
        VIT_LAB_14,
        input_px=224,
        num_parameters=2_391_168,
        labels_seen="none (self-supervised on phantom frames and scenes)",
        **_shipped("lab-dino"),
    ),
    _medclip(
        "lab-clip",
        SWIN_LAB,
        input_px=224,
        num_parameters=3_599_916,
        labels_seen="captions of phantom frames and scenes; no mask",
        **_shipped("lab-clip"),
    ),
    _sam2(
        "lab-sam-vfss",
        HIERA_LAB,
        input_px=256,
        num_parameters=1_626_112,
        labels_seen="MASKS OF THE 12 VFSS STRUCTURES on phantom frames: an upper bound, never a headline",
        **_trained("agglo lab train lab-sam-vfss"),
    ),
    _sam2(
        "lab-sam-large",
        HIERA_LAB_LARGE,
        input_px=256,
        num_parameters=12_989_760,
        labels_seen="masks of procedural scenes; no VFSS mask",
        **_trained("agglo lab train lab-sam --large"),
    ),
    _dinov2(
        "lab-dino-large",
        VIT_LAB_LARGE_14,
        input_px=224,
        num_parameters=14_528_256,
        labels_seen="none (self-supervised on phantom frames and scenes)",
        **_trained("agglo lab train lab-dino --large"),
    ),
    _medclip(
        "lab-clip-large",
        SWIN_TINY,
        input_px=224,
        num_parameters=27_519_354,
        labels_seen="captions of phantom frames and scenes; no mask",
        **_trained("agglo lab train lab-clip --large"),
    ),
)

CATALOGUE: Mapping[str, TeacherEntry] = {entry.name: entry for entry in _ENTRIES}
