"""The published teachers: what each is, where its weights are, under which terms.

Revisions and hashes stand here only where they are known from the source itself; None means not pinned. A restriction is what we
know that may bind a student; that none is stated is no promise.
"""

from typing import Any

from agglo.teachers.architectures import (
    CLIP_HUGE_14,
    CLIP_LARGE_14,
    HIERA_BASE_PLUS,
    HIERA_LARGE,
    HIERA_SMALL,
    HIERA_TINY,
    REGISTERS,
    RESNET_50,
    SAM_BASE,
    SAM_HUGE,
    SAM_LARGE,
    SWIN_TINY,
    VIT_BASE_14,
    VIT_GIANT_14,
    VIT_LARGE_14,
)
from agglo.teachers.entries import clip, dinov2, medclip, medclip_resnet, rad_dino, sam, sam2
from agglo.teachers.entry import HubFile

PHOTOGRAPHS = "masks of natural photographs and videos (SA-1B, SA-V); no medical image known"
SA_1B = "masks of natural photographs (SA-1B); no medical image known"
REPORTS = "reports and finding labels of chest radiographs (CheXpert, MIMIC-CXR); no mask"
CAPTIONS = "captions of pictures on the web; no mask"
NO_LABELS = "none (self-supervised on natural photographs)"
NO_LICENCE = "its authors give no licence file, so no right to use or pass on is granted (setup.py says BSD)"


def _on_hub(
    repository: str, name: str, licence: str, *, revision: str | None = None, note: str = ""
) -> dict[str, Any]:
    """Return the facts of weights that lie on the Hugging Face hub."""
    return {
        "weights_file": name,
        "is_shipped": False,
        "sha256": None,
        "licence": licence,
        "source": f"https://huggingface.co/{repository}{note}",
        "hub": HubFile(repository, name, revision),
    }


def _medclip_file(kind: str) -> dict[str, Any]:
    return {
        "weights_file": "pytorch_model.bin",
        "is_shipped": False,
        "sha256": None,
        "licence": "no licence file (setup.py says BSD)",
        "restriction": NO_LICENCE,
        "source": f"https://github.com/RyanWangZf/MedCLIP ({kind})",
        "labels_seen": REPORTS,
        "input_px": 224,
    }


def _sam2_file(size: str) -> dict[str, Any]:
    file = f"sam2.1_hiera_{size.replace('-', '_')}.pt"
    facts = _on_hub(f"facebook/sam2.1-hiera-{size}", file, "Apache-2.0")
    return {**facts, "labels_seen": PHOTOGRAPHS, "input_px": 1024}


def _dinov2_file(name: str) -> dict[str, Any]:
    facts = _on_hub(f"facebook/{name}", "model.safetensors", "Apache-2.0")
    return {**facts, "labels_seen": NO_LABELS, "input_px": 224}


def _sam_file(size: str) -> dict[str, Any]:
    facts = _on_hub(f"facebook/sam-vit-{size}", "model.safetensors", "Apache-2.0")
    return {**facts, "labels_seen": SA_1B, "input_px": 1024}


PUBLISHED = (
    sam2(
        "medsam2",
        HIERA_TINY,
        input_px=512,
        num_parameters=27_219_136,
        labels_seen="masks of public CT, MR, PET, ultrasound and endoscopy sets; no VFSS known",
        restriction="share-alike as a copy of its card has it: what is made from it may have to carry the same licence",
        **_on_hub(
            "wanglab/MedSAM2",
            "MedSAM2_latest.pt",
            "CC-BY-SA-4.0 by a copy of its card (code: Apache-2.0); read the card of the weights",
            note=" (arXiv 2504.03600)",
        ),
    ),
    sam2("sam2.1-t", HIERA_TINY, num_parameters=27_219_136, **_sam2_file("tiny")),
    sam2("sam2.1-s", HIERA_SMALL, num_parameters=34_316_992, **_sam2_file("small")),
    sam2("sam2.1-bplus", HIERA_BASE_PLUS, num_parameters=69_106_816, **_sam2_file("base-plus")),
    sam2("sam2.1-l", HIERA_LARGE, num_parameters=212_703_280, **_sam2_file("large")),
    rad_dino(
        "rad-dino",
        VIT_BASE_14,
        input_px=518,
        num_parameters=86_580_480,
        labels_seen="none (self-supervised on chest radiographs)",
        **_on_hub(
            "microsoft/rad-dino",
            "model.safetensors",
            "MIT; its card: for research, not for clinical practice",
        ),
    ),
    medclip("medclip", SWIN_TINY, num_parameters=27_519_354, **_medclip_file("MedCLIPVisionModelViT")),
    medclip_resnet(
        "medclip-resnet50", RESNET_50, num_parameters=23_508_032, **_medclip_file("MedCLIPVisionModel")
    ),
    clip(
        "clip-l-336",
        CLIP_LARGE_14,
        input_px=336,
        num_parameters=303_507_456,
        labels_seen=CAPTIONS,
        **_on_hub("openai/clip-vit-large-patch14-336", "pytorch_model.bin", "MIT (code and weights)"),
    ),
    clip(
        "dfn-clip-h-378",
        CLIP_HUGE_14,
        input_px=378,
        num_parameters=631_371_520,
        labels_seen=CAPTIONS,
        restriction="Apple's own terms, not an open licence: read them before a student is used or passed on",
        **_on_hub(
            "apple/DFN5B-CLIP-ViT-H-14-378", "open_clip_pytorch_model.bin", "Apple sample code licence"
        ),
    ),
    dinov2("dinov2-b", VIT_BASE_14, num_parameters=86_580_480, **_dinov2_file("dinov2-base")),
    dinov2("dinov2-l", VIT_LARGE_14, num_parameters=304_368_640, **_dinov2_file("dinov2-large")),
    dinov2(
        "dinov2-b-reg",
        {**VIT_BASE_14, **REGISTERS},
        num_parameters=86_583_552,
        **_dinov2_file("dinov2-with-registers-base"),
    ),
    dinov2(
        "dinov2-l-reg",
        {**VIT_LARGE_14, **REGISTERS},
        num_parameters=304_372_736,
        **_dinov2_file("dinov2-with-registers-large"),
    ),
    dinov2(
        "dinov2-g-reg",
        {**VIT_GIANT_14, **REGISTERS},
        num_parameters=1_136_486_912,
        **_dinov2_file("dinov2-with-registers-giant"),
    ),
    sam("sam-b", SAM_BASE, num_parameters=89_670_912, **_sam_file("base")),
    sam("sam-l", SAM_LARGE, num_parameters=308_278_272, **_sam_file("large")),
    sam("sam-h", SAM_HUGE, num_parameters=637_026_048, **_sam_file("huge")),
)
