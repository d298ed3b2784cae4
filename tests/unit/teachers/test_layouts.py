"""Every layout that weights are published in ends in the same network."""

import re

import pytest
import torch

from agglo.core.errors import FeatureMismatch, WeightsError
from agglo.teachers import build_encoder, build_from_entry, build_teacher
from agglo.teachers.weights import save_weights
from tiny_teachers import MAKERS

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


def to_original_registers(state):
    """Write a state as the original DINOv2 repository does for its giant model: registers, gated MLPs in one matrix."""
    renamed = to_original_dinov2(state)
    for key in [key for key in renamed if ".mlp.gate_proj." in key]:
        parts = [renamed.pop(key), renamed.pop(key.replace("gate_proj", "up_proj"))]
        renamed[key.replace("gate_proj", "w12")] = torch.cat(parts)
    return rename(
        renamed, ((r"mlp\.down_proj", "mlp.w3"), (r"^embeddings\.register_tokens", "register_tokens"))
    )


def to_old_registers(state):
    """Write a state as transformers did before version 5: gated MLPs in one matrix."""
    renamed = to_old_dinov2(state)
    for key in [key for key in renamed if ".mlp.gate_proj." in key]:
        parts = [renamed.pop(key), renamed.pop(key.replace("gate_proj", "up_proj"))]
        renamed[key.replace("gate_proj", "weights_in")] = torch.cat(parts)
    return rename(renamed, ((r"mlp\.down_proj", "mlp.weights_out"),))


def to_medclip_resnet(state):
    """Write a state as MedCLIP's second file has it: torchvision's names, a projection in place of the classifier."""
    others = ("vision_model.model.fc.weight", "text_model.model.x", "text_model.projection_head.weight")
    renamed = {f"vision_model.model.{key}": value for key, value in state.items()}
    return renamed | {name: torch.zeros(1) for name in (*others, "logit_scale")}


def to_clip_model(state):
    """Write a state as `CLIPModel` does, with the buffer of older files."""
    others = (
        "text_model.x",
        "text_projection.weight",
        "visual_projection.weight",
        "logit_scale",
        "vision_model.embeddings.position_ids",
    )
    return {f"vision_model.{key}": value for key, value in state.items()} | {
        n: torch.zeros(1) for n in others
    }


def to_openai(state):
    """Write a state as OpenAI and open_clip do: queries, keys and values in one matrix, the text tower beside it."""
    renames = (
        (r"^embeddings\.patch_embedding", "visual.conv1"),
        (r"^embeddings\.class_embedding", "visual.class_embedding"),
        (r"^embeddings\.position_embedding\.weight", "visual.positional_embedding"),
        (r"^pre_layrnorm", "visual.ln_pre"),
        (r"^post_layernorm", "visual.ln_post"),
        (r"^encoder\.layers\.(\d+)\.layer_norm", r"visual.transformer.resblocks.\1.ln_"),
        (r"^encoder\.layers\.", "visual.transformer.resblocks."),
        (r"\.self_attn\.out_proj", ".attn.out_proj"),
        (r"\.mlp\.fc1", ".mlp.c_fc"),
        (r"\.mlp\.fc2", ".mlp.c_proj"),
    )
    renamed = rename(state, renames)
    for key in [key for key in renamed if ".self_attn.q_proj." in key]:
        parts = [renamed.pop(key.replace("q_proj", f"{letter}_proj")) for letter in "qkv"]
        renamed[key.replace("self_attn.q_proj.", "attn.in_proj_")] = torch.cat(parts)
    others = ("visual.proj", "transformer.resblocks.0.ln_1.weight", "token_embedding.weight", "logit_scale")
    texts = ("positional_embedding", "ln_final.weight", "text_projection")
    return renamed | {name: torch.zeros(1) for name in (*others, *texts)}


def to_meta_sam(state):
    """Write a state as segment_anything does."""
    renames = (
        (r"^patch_embed\.projection", "patch_embed.proj"),
        (r"^layers", "blocks"),
        (r"^(blocks\.\d+)\.layer_norm", r"\1.norm"),
        (r"^neck\.conv1", "neck.0"),
        (r"^neck\.layer_norm1", "neck.1"),
        (r"^neck\.conv2", "neck.2"),
        (r"^neck\.layer_norm2", "neck.3"),
    )
    renamed = {f"image_encoder.{key}": value for key, value in rename(state, renames).items()}
    return renamed | {name: torch.zeros(1) for name in ("prompt_encoder.x", "mask_decoder.x")}


LAYOUTS = {  # name: (kind, how it is written, how many keys are dropped)
    "sam2 bare": ("sam2", dict, 0),
    "sam2 meta": ("sam2", lambda state: {"model": to_meta(state)}, 12),
    "sam2 wrapped": (
        "sam2",
        lambda state: {
            "model": {f"sam2_model.{key}": value for key, value in to_meta(state).items()},
            "epoch": 1,
        },
        12,
    ),
    "sam2 transformers": ("sam2", to_sam2_model, 4),
    "dinov2 new": ("dinov2", dict, 0),
    "dinov2 old": ("dinov2", to_old_dinov2, 0),
    "dinov2 prefixed": ("dinov2", lambda state: {f"dinov2.{key}": value for key, value in state.items()}, 0),
    "dinov2 original": ("dinov2", to_original_dinov2, 0),
    "registers new": ("registers", dict, 0),
    "registers old": ("registers", to_old_registers, 0),
    "registers original": ("registers", to_original_registers, 0),
    "swin bare": ("medclip", dict, 0),
    "medclip": ("medclip", to_medclip, 5),
    "medclip resnet": ("resnet", to_medclip_resnet, 4),
    "clip bare": ("clip", dict, 0),
    "clip transformers": ("clip", to_clip_model, 5),
    "clip openai": ("clip", to_openai, 7),
    "sam transformers": (
        "sam",
        lambda state: (
            {f"vision_encoder.{key}": value for key, value in state.items()}
            | {"shared_image_embedding.positional_embedding": torch.zeros(1)}
        ),
        1,
    ),
    "sam meta": ("sam", to_meta_sam, 2),
}


@pytest.mark.parametrize(("kind", "write", "num_dropped"), LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_load_strictly_and_exactly(tmp_path, make_tiny, kind, write, num_dropped):
    entry = make_tiny(kind)
    encoder = build_encoder(entry)
    randomise(encoder)
    torch.save(write(dict(encoder.state_dict())), tmp_path / "weights.pt")
    teacher = build_from_entry(entry, weights=tmp_path / "weights.pt")
    loaded = teacher.encoder.state_dict()
    for key, value in encoder.state_dict().items():
        torch.testing.assert_close(loaded[key], value, rtol=0, atol=0)
    assert teacher.loaded.num_loaded == len(loaded)
    assert sum(number for number, _ in teacher.loaded.dropped.values()) == num_dropped


def randomise(module):
    """Give every parameter and buffer a value of its own, so that no two can be confused."""
    with torch.no_grad():
        for value in module.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand_like(value))


def test_what_was_dropped_is_told_once_with_its_reason(tmp_path, make_tiny, caplog):
    entry = make_tiny("medclip")
    torch.save(to_medclip(dict(build_encoder(entry).state_dict())), tmp_path / "weights.pt")
    with caplog.at_level("INFO", logger="agglo"):
        teacher = build_from_entry(entry, weights=tmp_path / "weights.pt")
    (told,) = [record.getMessage() for record in caplog.records]
    assert teacher.loaded.in_words() in told
    assert "sha256 not pinned" in told
    assert "without 2 of text_model.* (the text tower, which is no part of an image encoder)" in told
    assert build_from_entry(entry, weights="random").loaded is None


def test_the_constant_without_memory_is_loaded_where_it_is_asked_for(tmp_path, make_tiny):
    entry = make_tiny("sam2")
    state = to_meta(dict(build_encoder(entry).state_dict()))
    state["no_mem_embed"] = torch.randn(1, 1, 256)
    torch.save({"model": state}, tmp_path / "weights.pt")
    images = torch.randn(1, 3, 64, 64)
    plain = build_from_entry(entry, weights=tmp_path / "weights.pt").feature_map(images)
    added = build_from_entry(entry.with_map("fpn-no-mem"), weights=tmp_path / "weights.pt").feature_map(
        images
    )
    torch.testing.assert_close(added, plain + state["no_mem_embed"].reshape(1, 256, 1, 1))
    del state["no_mem_embed"]
    torch.save({"model": state}, tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match=r"1 absent keys \(no_memory_embedding\)"):
        build_from_entry(entry.with_map("fpn-no-mem"), weights=tmp_path / "weights.pt")


@pytest.mark.parametrize("kind", MAKERS)
def test_keys_that_nobody_knows_are_refused(tmp_path, make_tiny, kind):
    entry = make_tiny(kind)
    state = dict(build_encoder(entry).state_dict()) | {"surprise.weight": torch.zeros(1)}
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match=r"1 unknown keys \(surprise\.weight\)"):
        build_from_entry(entry, weights=tmp_path / "weights.pt")


def test_two_keys_for_one_weight_are_refused(tmp_path, make_tiny):
    entry = make_tiny("dinov2")
    state = dict(build_encoder(entry).state_dict())
    state["pos_embed"] = state["embeddings.position_embeddings"] + 1
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match=r"pos_embed beside another embeddings\.position_embeddings"):
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
