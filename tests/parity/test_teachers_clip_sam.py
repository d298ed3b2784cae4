"""CLIP and SAM against the libraries: official models with random weights, saved as published, read by us.

Two implementations of the same network must agree to `TOLERANCE` of the largest value, in float32 and with the same attention
kernel.
"""

from functools import partial

import pytest
import torch
from torch import nn

from agglo.teachers import build_encoder
from parity.comparing import TOLERANCE, apart, images_of, randomise, rename, teacher_of
from tiny_teachers import MAKERS, tiny_entry

transformers = pytest.importorskip("transformers")
timm = pytest.importorskip("timm")


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def test_clip_is_the_vision_side_of_clip_model(tmp_path):
    entry = tiny_entry("clip")
    config = transformers.CLIPConfig(
        vision_config=dict(entry.architecture),
        text_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
        },
        projection_dim=8,
    )
    model = randomise(transformers.CLIPModel(config))
    square = images_of(56, 56)
    expected = model.vision_model(square)
    seen = teacher_of(entry, model.state_dict(), tmp_path).look(square)
    tokens = expected.last_hidden_state[:, 1:].transpose(1, 2).unflatten(2, (4, 4))
    assert apart(seen.map, tokens) <= TOLERANCE
    assert apart(seen.summary, expected.pooler_output) <= TOLERANCE


def to_openai(network):
    """Write the state of timm's CLIP tower as OpenAI and open_clip do."""
    renames = (
        (r"^patch_embed\.proj", "conv1"),
        (r"^norm_pre", "ln_pre"),
        (r"^norm\.", "ln_post."),
        (r"^blocks", "transformer.resblocks"),
        (r"(resblocks\.\d+)\.norm", r"\1.ln_"),
        (r"attn\.qkv\.", "attn.in_proj_"),
        (r"attn\.proj", "attn.out_proj"),
        (r"mlp\.fc1", "mlp.c_fc"),
        (r"mlp\.fc2", "mlp.c_proj"),
        (r"^", "visual."),
    )
    state = rename(network.state_dict(), renames)
    state["visual.class_embedding"] = state.pop("visual.cls_token").flatten()
    state["visual.positional_embedding"] = state.pop("visual.pos_embed")[0]
    return state | {"visual.proj": torch.zeros(16, 8), "logit_scale": torch.zeros(())}


def test_clip_is_timms_vision_transformer_loaded_from_openais_names(tmp_path):
    from timm.layers import QuickGELU
    from timm.models.vision_transformer import VisionTransformer

    network = randomise(
        VisionTransformer(
            img_size=56,
            patch_size=14,
            embed_dim=16,
            depth=2,
            num_heads=2,
            mlp_ratio=2.0,
            num_classes=0,
            pre_norm=True,
            act_layer=QuickGELU,
            norm_layer=partial(nn.LayerNorm, eps=1e-5),
        )
    )
    entry = tiny_entry("clip").with_map("normed")
    seen = teacher_of(entry, to_openai(network), tmp_path).look(square := images_of(56, 56))
    tokens = network.forward_features(square)
    assert apart(seen.map, tokens[:, 1:].transpose(1, 2).unflatten(2, (4, 4))) <= TOLERANCE
    assert apart(seen.summary, tokens[:, 0]) <= TOLERANCE


def test_sam_is_the_vision_side_of_sam_model(tmp_path):
    """`hidden_states[-1]` of transformers is the map before the neck, `last_hidden_state` the one after it."""
    entry = tiny_entry("sam")
    config = transformers.SamConfig(vision_config=dict(entry.architecture))
    model = randomise(transformers.SamModel(config))
    square = images_of(64, 64)
    expected = model.vision_encoder(square, output_hidden_states=True)
    before = teacher_of(entry, model.state_dict(), tmp_path).feature_map(square)
    after = teacher_of(entry.with_map("neck"), model.state_dict(), tmp_path).feature_map(square)
    assert apart(before, expected.hidden_states[-1].permute(0, 3, 1, 2)) <= TOLERANCE
    assert apart(after, expected.last_hidden_state) <= TOLERANCE


@pytest.mark.parametrize("size", [(64, 64), (96, 64)], ids=["trained size", "another size"])
def test_sam_is_timms_vision_transformer_loaded_from_metas_names(tmp_path, size):
    from timm.models.vision_transformer_sam import VisionTransformerSAM

    network = randomise(
        VisionTransformerSAM(
            img_size=64,
            patch_size=16,
            embed_dim=16,
            depth=2,
            num_heads=2,
            mlp_ratio=2.0,
            num_classes=0,
            use_rel_pos=True,
            window_size=3,
            global_attn_indexes=(1,),
            neck_chans=256,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
        )
    )
    renames = ((r"mlp\.fc", "mlp.lin"), (r"^", "image_encoder."))
    state = rename(network.state_dict(), renames) | {"mask_decoder.x": torch.zeros(1)}
    entry = tiny_entry("sam").with_map("neck")
    pictures = images_of(*size)
    expected = network.forward_features(pictures)
    assert apart(teacher_of(entry, state, tmp_path).feature_map(pictures), expected) <= TOLERANCE


@pytest.mark.parametrize("kind", [kind for kind in MAKERS if kind != "resnet"])
def test_every_encoder_attends_through_sdpa(kind):
    encoder = build_encoder(tiny_entry(kind))
    configs = [module.config for module in encoder.modules() if hasattr(module, "config")]
    assert {config._attn_implementation for config in configs} == {"sdpa"}
