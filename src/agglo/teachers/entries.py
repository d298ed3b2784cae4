"""What the teachers of one family have in common: an entry needs only what is its own."""

from collections.abc import Mapping
from typing import Any

from agglo.teachers.entry import MapChoice, TeacherEntry

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OPENAI_MEAN, OPENAI_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
RAD_DINO_MEAN, RAD_DINO_STD = (0.5307,) * 3, (0.2583,) * 3
MEDCLIP_MEAN, MEDCLIP_STD = (0.5862785803043838,) * 3, (0.27950088968644304,) * 3

Architecture = Mapping[str, Any]


def _entry(
    name: str,
    family: str,
    maps: Mapping[str, MapChoice],
    *,
    seen_as: tuple[tuple[float, ...], tuple[float, ...], str],
    **facts: Any,
) -> TeacherEntry:
    """Return an entry that gives the first of `maps`; `seen_as` is mean, deviation and intensity."""
    usual = next(iter(maps))
    mean, std, intensity = seen_as
    shared: dict[str, Any] = {"mean": mean, "std": std, "intensity": intensity}
    chosen: dict[str, Any] = {"map": usual, "dim": maps[usual].dim, "stride_px": maps[usual].stride_px}
    return TeacherEntry(name=name, family=family, maps=maps, **{**shared, **chosen, **facts})


def sam2(name: str, architecture: Architecture, *, has_decoder: bool = True, **facts: Any) -> TeacherEntry:
    """Return an entry of the SAM 2 family; only files with a decoder hold the constant that it reads beside the map."""
    maps = {"fpn": MapChoice(256, 16, "stride-16 level of the feature pyramid")}
    if has_decoder:
        what = "the same plus the constant `no_mem_embed`: what SAM 2's decoder reads"
        maps["fpn-no-mem"] = MapChoice(256, 16, what, {"has_no_mem_embed": True})
    seen_as = (IMAGENET_MEAN, IMAGENET_STD, "as_is")
    common = {"architecture": architecture, "input_multiple_px": 32}
    return _entry(name, "sam2", maps, seen_as=seen_as, **common, **facts)


def _vision_transformer(
    name: str, architecture: Architecture, *, mean_std: Any, **facts: Any
) -> TeacherEntry:
    dim, patch_px = architecture["hidden_size"], architecture["patch_size"]
    maps = {"tokens": MapChoice(dim, patch_px, "patch tokens after the final norm")}
    common = {"architecture": architecture, "input_multiple_px": patch_px, "summary_dim": dim}
    return _entry(name, "dinov2", maps, seen_as=mean_std, **common, **facts)


def rad_dino(name: str, architecture: Architecture, **facts: Any) -> TeacherEntry:
    """Return an entry of the DINOv2 family that sees radiographs, each stretched to its own range."""
    mean_std = (RAD_DINO_MEAN, RAD_DINO_STD, "minmax")
    return _vision_transformer(name, architecture, mean_std=mean_std, **facts)


def dinov2(name: str, architecture: Architecture, **facts: Any) -> TeacherEntry:
    """Return an entry of the DINOv2 family, with or without registers, that sees photographs."""
    mean_std = (IMAGENET_MEAN, IMAGENET_STD, "as_is")
    return _vision_transformer(name, architecture, mean_std=mean_std, **facts)


def medclip(name: str, architecture: Architecture, **facts: Any) -> TeacherEntry:
    """Return an entry of the Swin family of MedCLIP."""
    num_stages = len(architecture["depths"])
    dim = architecture["embed_dim"] * 2 ** (num_stages - 1)
    maps = {
        "last": MapChoice(dim, 32, "last stage after the final norm"),
        "stage3": MapChoice(dim // 2, 16, "third stage: a finer grid, fewer channels, no norm"),
    }
    seen_as = (MEDCLIP_MEAN, MEDCLIP_STD, "as_is")
    common = {"architecture": architecture, "input_multiple_px": 32, "summary_dim": dim}
    return _entry(name, "medclip", maps, seen_as=seen_as, **common, **facts)


def medclip_resnet(name: str, architecture: Architecture, **facts: Any) -> TeacherEntry:
    """Return an entry of the ResNet family of MedCLIP."""
    maps = {
        "last": MapChoice(2048, 32, "`layer4`"),
        "stage3": MapChoice(1024, 16, "`layer3`: a finer grid, fewer channels"),
    }
    seen_as = (MEDCLIP_MEAN, MEDCLIP_STD, "as_is")
    common = {"architecture": architecture, "input_multiple_px": 32, "summary_dim": 2048}
    return _entry(name, "resnet", maps, seen_as=seen_as, **common, **facts)


def clip(name: str, architecture: Architecture, **facts: Any) -> TeacherEntry:
    """Return an entry of the CLIP family."""
    dim, patch_px = architecture["hidden_size"], architecture["patch_size"]
    maps = {
        "tokens": MapChoice(dim, patch_px, "patch tokens of the last block"),
        "normed": MapChoice(
            dim, patch_px, "the same after the final norm, which CLIP trains on the class token"
        ),
    }
    seen_as = (OPENAI_MEAN, OPENAI_STD, "as_is")
    common = {"architecture": architecture, "input_multiple_px": patch_px, "summary_dim": dim}
    return _entry(name, "clip", maps, seen_as=seen_as, **common, **facts)


def sam(name: str, architecture: Architecture, **facts: Any) -> TeacherEntry:
    """Return an entry of the SAM family."""
    maps = {
        "pre-neck": MapChoice(architecture["hidden_size"], 16, "last block, as AM-RADIO matches it"),
        "neck": MapChoice(256, 16, "after the neck: what SAM's decoder reads"),
    }
    seen_as = (IMAGENET_MEAN, IMAGENET_STD, "as_is")
    return _entry(
        name, "sam", maps, seen_as=seen_as, architecture=architecture, input_multiple_px=16, **facts
    )
