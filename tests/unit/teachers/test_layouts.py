"""Every layout that weights are published in ends in the same network."""

import re

import pytest
import torch

from agglo.core.errors import FeatureMismatch, WeightsError
from agglo.teachers import build_encoder, build_from_entry, build_teacher
from agglo.teachers.weights import save_weights

SAM2_OTHER_PARTS = (
    "memory_attention.layers.0.norm1.weight",
    "memory_encoder.fuser.layers.0.gamma",
    "maskmem_tpos_enc",
    "no_mem_embed",
    "no_mem_pos_enc",
    "no_obj_ptr",
    "no_obj_embed_spatial",
    "mask_downsample.weight",
    "obj_ptr_proj.layers.0.weight",
    "obj_ptr_tpos_proj.weight",
    "sam_prompt_encoder.point_embeddings.0.weight",
    "sam_mask_decoder.transformer.layers.0.norm1.weight",
)


def to_meta(state):
    """Write a vision encoder's state as Meta does."""
    renames = (
        (r"^backbone\.", "image_encoder.trunk."),
        (r"^neck\.convs\.(\d)\.", r"image_encoder.neck.convs.\1.conv."),
        (r"patch_embed\.projection", "patch_embed.proj"),
        (r"layer_norm([12])", r"norm\1"),
        (r"mlp\.proj_in", "mlp.layers.0"),
        (r"mlp\.proj_out", "mlp.layers.1"),
    )
    return rename(state, renames) | {name: torch.zeros(1) for name in SAM2_OTHER_PARTS}


def to_sam2_model(state):
    """Write a vision encoder's state as `Sam2Model` does."""
    others = ("no_memory_embedding", "prompt_encoder.x", "mask_decoder.x", "shared_image_embedding.x")
    return {f"vision_encoder.{key}": value for key, value in state.items()} | {
        n: torch.zeros(1) for n in others
    }


def to_original_dinov2(state):
    """Write a state as the original DINOv2 repository does: queries, keys and values in one matrix."""
    renames = (
        (r"^embeddings\.position_embeddings", "pos_embed"),
        (r"^embeddings\.(cls|mask)_token", r"\1_token"),
        (r"^embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
        (r"^encoder\.layer", "blocks"),
        (r"layer_scale([12])\.lambda1", r"ls\1.gamma"),
        (r"attention\.o_proj", "attn.proj"),
        (r"^layernorm", "norm"),
    )
    renamed = rename(state, renames)
    for key in [key for key in renamed if ".attention.q_proj." in key]:
        parts = [renamed.pop(key.replace("q_proj", f"{letter}_proj")) for letter in "qkv"]
        renamed[key.replace("attention.q_proj", "attn.qkv")] = torch.cat(parts)
    return renamed


OLD_ATTENTION = (
    (r"attention\.q_proj", "attention.attention.query"),
    (r"attention\.k_proj", "attention.attention.key"),
    (r"attention\.v_proj", "attention.attention.value"),
    (r"attention\.o_proj", "attention.output.dense"),
)


def to_old_dinov2(state):
    """Write a state as transformers did before version 5."""
    return rename(state, OLD_ATTENTION)


def to_medclip(state):
    """Write a state as MedCLIP's file has it: old names of Swin, a text tower, heads, and an index buffer."""
    renames = (
        (r"attention\.relative_position_bias\.", "attention.self."),
        (r"attention\.q_proj", "attention.self.query"),
        (r"attention\.k_proj", "attention.self.key"),
        (r"attention\.v_proj", "attention.self.value"),
        (r"attention\.o_proj", "attention.output.dense"),
        (r"mlp\.fc1", "intermediate.dense"),
        (r"mlp\.fc2", "output.dense"),
    )
    renamed = {f"vision_model.model.{key}": value for key, value in rename(state, renames).items()}
    buffer = "vision_model.model.encoder.layers.0.blocks.0.attention.self.relative_position_index"
    others = (
        "vision_model.projection_head.weight",
        "text_model.model.x",
        "text_model.projection_head.weight",
    )
    return renamed | {name: torch.zeros(1) for name in (buffer, *others, "logit_scale")}


def rename(state, renames):
    renamed = {}
    for key, value in state.items():
        for pattern, replacement in renames:
            key = re.sub(pattern, replacement, key)
        renamed[key] = value
    return renamed


LAYOUTS = {
    "sam2 bare": ("sam2", dict),
    "sam2 meta": ("sam2", lambda state: {"model": to_meta(state)}),
    "sam2 wrapped": (
        "sam2",
        lambda state: {
            "model": {f"sam2_model.{key}": value for key, value in to_meta(state).items()},
            "epoch": 1,
        },
    ),
    "sam2 transformers": ("sam2", to_sam2_model),
    "dinov2 new": ("dinov2", dict),
    "dinov2 old": ("dinov2", to_old_dinov2),
    "dinov2 prefixed": ("dinov2", lambda state: {f"dinov2.{key}": value for key, value in state.items()}),
    "dinov2 original": ("dinov2", to_original_dinov2),
    "swin bare": ("medclip", dict),
    "medclip": ("medclip", to_medclip),
}


@pytest.mark.parametrize(("family", "write"), LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_load_strictly_and_exactly(tmp_path, make_tiny, family, write):
    entry = make_tiny(family)
    encoder = build_encoder(entry)
    torch.save(write(dict(encoder.state_dict())), tmp_path / "weights.pt")
    teacher = build_from_entry(entry, weights=tmp_path / "weights.pt")
    loaded = teacher.encoder.state_dict()
    for key, value in encoder.state_dict().items():
        torch.testing.assert_close(loaded[key], value, rtol=0, atol=0)


@pytest.mark.parametrize("family", ["sam2", "dinov2", "medclip"])
def test_keys_that_nobody_knows_are_refused(tmp_path, make_tiny, family):
    entry = make_tiny(family)
    state = dict(build_encoder(entry).state_dict()) | {"surprise.weight": torch.zeros(1)}
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match=r"1 unknown keys \(surprise\.weight\)"):
        build_from_entry(entry, weights=tmp_path / "weights.pt")


def test_swin_is_a_function_of_its_input_whatever_came_before(make_tiny):
    """The library clamps a layer's window for good once it has seen a small input; a teacher must not."""
    teacher = build_from_entry(make_tiny("medclip"), weights="random")
    images = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    before = teacher.feature_map(images)
    teacher.feature_map(images[..., :64, :64])
    torch.testing.assert_close(teacher.feature_map(images), before, rtol=0, atol=0)


def test_swin_needs_one_window_at_its_last_stage():
    teacher = build_teacher("lab-clip", weights="random")
    with pytest.raises(FeatureMismatch, match=r"needs at least 224 px a side.*got 192 x 224"):
        teacher.feature_map(torch.zeros(1, 3, 192, 224))


def test_half_precision_files_are_widened(tmp_path, tiny):
    encoder = build_encoder(tiny)
    save_weights(tmp_path / "half.safetensors", encoder, metadata={})
    teacher = build_from_entry(tiny, weights=tmp_path / "half.safetensors")
    assert {value.dtype for value in teacher.encoder.parameters()} == {torch.float32}
