"""SAM 2, DINOv2 and MedCLIP against the libraries: official models with random weights, saved as published, read by us.

Two implementations of the same network must agree to `TOLERANCE` of the largest value, in float32 and with the same attention
kernel.
"""

import re

import pytest
import torch
from torch import nn

from agglo.teachers import build_encoder, build_from_entry
from agglo.teachers.layout import load_published
from agglo.teachers.reading import read_state
from parity.comparing import TOLERANCE, apart, images_of, randomise, rename, teacher_of
from tiny_teachers import tiny_entry

transformers = pytest.importorskip("transformers")
timm = pytest.importorskip("timm")


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def test_sam2_is_the_image_embedding_of_sam2_model(tmp_path):
    """`Sam2Model` hands its decoder the map with the constant `no_memory_embedding`: `fpn-no-mem`."""
    entry = tiny_entry("sam2")
    vision = build_encoder(entry).config
    vision.backbone_feature_sizes = [[64, 64], [32, 32], [16, 16]]
    config = transformers.Sam2Config(
        vision_config=vision,
        prompt_encoder_config=transformers.Sam2PromptEncoderConfig(image_size=256),
    )
    model = randomise(transformers.Sam2Model(config))
    square = torch.randn(1, 3, 256, 256)
    expected = model.get_image_embeddings(square)[-1]
    teacher = teacher_of(entry.with_map("fpn-no-mem"), model.state_dict(), tmp_path)
    assert apart(teacher.feature_map(square), expected) <= TOLERANCE
    plain = teacher_of(entry, model.state_dict(), tmp_path)
    constant = model.no_memory_embedding.reshape(1, -1, 1, 1)
    assert apart(plain.feature_map(square), expected - constant) <= TOLERANCE


def test_sam2_trunk_is_timms_hiera_loaded_from_metas_names():
    """timm's Hiera, written from Meta's code, keeps Meta's names but for its MLPs."""
    from timm.models.hieradet_sam2 import HieraDet

    from agglo.teachers import sam2

    entry = tiny_entry("sam2")
    sizes = {
        **entry.architecture,
        "embed_dim_per_stage": [8, 16, 32, 64],
    }  # timm doubles the width at each stage
    encoder = sam2.build_encoder({**sizes, "num_attention_heads_per_stage": [1, 2, 4, 8]}).eval()
    trunk = randomise(
        HieraDet(
            embed_dim=8,
            num_heads=1,
            stages=(1, 1, 2, 1),
            global_att_blocks=(3,),
            window_spec=(8, 4, 4, 2),
            num_classes=0,
            global_pool="",
        )
    )
    own = {key: value for key, value in trunk.state_dict().items() if not key.startswith("head.")}
    renames = ((r"mlp\.fc1", "mlp.layers.0"), (r"mlp\.fc2", "mlp.layers.1"), (r"^", "image_encoder.trunk."))
    state = rename(own, renames)
    for key, value in encoder.neck.state_dict().items():
        state["image_encoder.neck." + re.sub(r"convs\.(\d)\.", r"convs.\1.conv.", key)] = value
    load_published(encoder, state, sam2.LAYOUT, where="timm")
    square = torch.randn(1, 3, 224, 224)
    expected = trunk.forward_intermediates(square, indices=[0, 1, 2, 3], intermediates_only=True)
    found = encoder.backbone(square).intermediate_hidden_states
    for ours, theirs in zip(found, expected, strict=True):
        assert apart(ours.permute(0, 3, 1, 2), theirs) <= TOLERANCE


def test_dinov2_is_timms_vision_transformer_loaded_from_original_names(tmp_path):
    from timm.models.vision_transformer import VisionTransformer

    network = randomise(
        VisionTransformer(
            img_size=56, patch_size=14, embed_dim=16, depth=2, num_heads=2, init_values=1.0, num_classes=0
        )
    )
    state = dict(network.state_dict()) | {"mask_token": torch.zeros(1, 16)}
    seen = teacher_of(tiny_entry("dinov2"), state, tmp_path).look(square := images_of(56, 56))
    tokens = network.forward_features(square)
    assert apart(seen.map, tokens[:, 1:].transpose(1, 2).unflatten(2, (4, 4))) <= TOLERANCE
    assert apart(seen.summary, tokens[:, 0]) <= TOLERANCE


def test_registers_are_timms_vision_transformer_loaded_from_original_names(tmp_path):
    """timm keeps the class token's position in the class token itself; the original adds it to a table of positions."""
    from timm.layers import SwiGLUPacked
    from timm.models.vision_transformer import VisionTransformer

    network = randomise(
        VisionTransformer(
            img_size=56,
            patch_size=14,
            embed_dim=16,
            depth=2,
            num_heads=2,
            init_values=1.0,
            num_classes=0,
            mlp_ratio=6.0,  # 2 x 48: two thirds of 4 x 16, rounded up to a multiple of 8, twice
            mlp_layer=SwiGLUPacked,
            act_layer=nn.SiLU,
            reg_tokens=4,
            no_embed_class=True,
        )
    )
    renames = ((r"^reg_token$", "register_tokens"), (r"mlp\.fc1", "mlp.w12"), (r"mlp\.fc2", "mlp.w3"))
    state = rename(network.state_dict(), renames) | {"mask_token": torch.zeros(1, 16)}
    state["pos_embed"] = torch.cat([torch.zeros(1, 1, 16), state["pos_embed"]], dim=1)
    seen = teacher_of(tiny_entry("registers"), state, tmp_path).look(square := images_of(56, 56))
    tokens = network.forward_features(square)
    assert apart(seen.map, tokens[:, 5:].transpose(1, 2).unflatten(2, (4, 4))) <= TOLERANCE
    assert apart(seen.summary, tokens[:, 0]) <= TOLERANCE


@pytest.mark.parametrize("kind", ["dinov2", "registers"])
def test_dinov2_reads_what_transformers_saves(tmp_path, kind):
    """transformers writes the old attention names, as the published RAD-DINO file has them."""
    entry = tiny_entry(kind)
    model = randomise(build_encoder(entry))
    model.save_pretrained(tmp_path)
    assert "encoder.layer.0.attention.attention.query.weight" in read_state(tmp_path / "model.safetensors")
    oblong = images_of(42, 70)
    seen = build_from_entry(entry, weights=tmp_path).look(oblong)
    tokens = model(oblong).last_hidden_state
    assert apart(seen.map, tokens[:, -15:].transpose(1, 2).unflatten(2, (3, 5))) <= TOLERANCE
    assert apart(seen.summary, tokens[:, 0]) <= TOLERANCE


class PlainMedClip(nn.Module):
    """MedCLIP's vision side as its paper and file have it: a tower under `vision_model.model`, a projection, text beside it."""

    def __init__(self, tower, dim):
        super().__init__()
        self.vision_model = nn.Module()
        self.vision_model.model = tower
        self.vision_model.projection_head = nn.Linear(dim, 12, bias=False)
        self.text_model = nn.Module()
        self.text_model.model = nn.Linear(2, 2)
        self.text_model.projection_head = nn.Linear(2, 2, bias=False)
        self.logit_scale = nn.Parameter(torch.zeros(()))

    def forward(self, images):
        seen = self.vision_model.model(images)
        return seen.last_hidden_state, self.vision_model.projection_head(seen.pooler_output)


@pytest.mark.parametrize("size", [(64, 96), (128, 128)])
def test_medclip_is_its_plain_definition(tmp_path, size):
    entry = tiny_entry("medclip")
    tower = build_encoder(entry)
    plain = randomise(PlainMedClip(tower, 64))
    tower.save_pretrained(tmp_path)  # under the old names, as MedCLIP's file has them
    old = read_state(tmp_path / "model.safetensors")
    assert "encoder.layers.0.blocks.0.attention.self.query.weight" in old
    own = {
        key: value for key, value in plain.state_dict().items() if not key.startswith("vision_model.model.")
    }
    state = {f"vision_model.model.{key}": value for key, value in old.items()} | own
    teacher = teacher_of(entry, state, tmp_path)
    tokens, projected = plain(pictures := images_of(*size))
    seen = teacher.look(pictures)
    cells = (size[0] // 32, size[1] // 32)
    assert apart(seen.map, tokens.transpose(1, 2).unflatten(2, cells)) <= TOLERANCE
    assert apart(plain.vision_model.projection_head(seen.summary), projected) <= TOLERANCE


def test_medclips_third_stage_is_what_its_patch_merging_reads(tmp_path):
    entry = tiny_entry("medclip").with_map("stage3")
    tower = randomise(build_encoder(entry))
    read = []
    tower.encoder.layers[2].downsample.register_forward_pre_hook(lambda _, given: read.append(given[0]))
    pictures = images_of(64, 96)
    tower(pictures)
    teacher = teacher_of(entry, tower.state_dict(), tmp_path)
    assert apart(teacher.feature_map(pictures), read[0].transpose(1, 2).unflatten(2, (4, 6))) <= TOLERANCE


@pytest.mark.parametrize("map_name", ["last", "stage3"])
def test_medclips_resnet_is_torchvisions(tmp_path, map_name):
    from torchvision.models.resnet import Bottleneck, ResNet

    network = ResNet(Bottleneck, [1, 1, 1, 1])
    network.fc = nn.Linear(2048, 512, bias=False)
    randomise(network)
    state = {f"vision_model.model.{key}": value for key, value in network.state_dict().items()}
    stages = {}
    for name in ("layer3", "layer4", "avgpool"):
        getattr(network, name).register_forward_hook(lambda _, __, out, name=name: stages.update({name: out}))
    network(pictures := images_of(64, 96))
    entry = tiny_entry("resnet").with_map(map_name)
    seen = teacher_of(entry, state | {"logit_scale": torch.zeros(())}, tmp_path).look(pictures)
    assert apart(seen.map, stages["layer4" if map_name == "last" else "layer3"]) <= TOLERANCE
    assert apart(seen.summary, stages["avgpool"].flatten(1)) <= TOLERANCE
