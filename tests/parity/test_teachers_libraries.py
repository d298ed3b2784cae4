"""Teachers against the libraries themselves: transformers on its own files, and timm's independent implementations."""

import re

import pytest
import torch

from agglo.core.shapes import FeatureSpec
from agglo.teachers import dinov2, medclip, sam2
from agglo.teachers.weights import load_strict, read_state

transformers = pytest.importorskip("transformers")
timm = pytest.importorskip("timm")

SAM2 = {
    "hidden_size": 8,
    "blocks_per_stage": [1, 1, 2, 1],
    "embed_dim_per_stage": [8, 16, 32, 64],
    "num_attention_heads_per_stage": [1, 2, 4, 8],
    "window_size_per_stage": [8, 4, 4, 2],
    "global_attention_blocks": [3],
}
DINOV2 = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 56,
    "patch_size": 14,
}
SWIN = {"embed_dim": 8, "depths": (2, 2, 2, 2), "num_heads": (1, 2, 2, 4), "window_size": 2}


@pytest.fixture
def images():
    torch.manual_seed(0)
    return torch.randn(2, 3, 64, 96)


def randomise(module):
    """Give every parameter a value of its own, also those that start at 0 or 1."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.2 * torch.randn_like(parameter))
    return module.eval()


def test_sam2_is_the_image_embedding_of_sam2_model(images):
    """`Sam2Model` hands its decoder the same map, plus the constant `no_memory_embedding`."""
    vision = sam2.build_encoder(SAM2).config
    vision.backbone_feature_sizes = [[64, 64], [32, 32], [16, 16]]
    config = transformers.Sam2Config(
        vision_config=vision,
        prompt_encoder_config=transformers.Sam2PromptEncoderConfig(image_size=256),
    )
    model = randomise(transformers.Sam2Model(config))
    encoder = sam2.build_encoder(SAM2)
    load_strict(encoder, sam2.adapt(dict(model.state_dict())), where="Sam2Model")
    teacher = sam2.Sam2Teacher(encoder, FeatureSpec("tiny", 256, 256, 16))
    square = torch.randn(1, 3, 256, 256)
    expected = model.get_image_embeddings(square)[-1] - model.no_memory_embedding.reshape(1, -1, 1, 1)
    torch.testing.assert_close(teacher.feature_map(square), expected, rtol=1e-4, atol=1e-4)


def test_sam2_trunk_is_timms_hiera_loaded_from_metas_names(images):
    """timm's Hiera, written from Meta's code, keeps Meta's names but for its MLPs."""
    from timm.models.hieradet_sam2 import HieraDet

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
    state = {}
    for key, value in trunk.state_dict().items():
        if key.startswith("head."):
            continue
        name = key.replace("mlp.fc1", "mlp.layers.0").replace("mlp.fc2", "mlp.layers.1")
        state[f"image_encoder.trunk.{name}"] = value
    encoder = sam2.build_encoder(SAM2).eval()
    for key, value in encoder.neck.state_dict().items():
        state["image_encoder.neck." + re.sub(r"convs\.(\d)\.", r"convs.\1.conv.", key)] = value
    load_strict(encoder, sam2.adapt(state), where="timm")
    square = torch.randn(1, 3, 224, 224)
    expected = trunk.forward_intermediates(square, indices=[0, 1, 2, 3], intermediates_only=True)
    found = encoder.backbone(square).intermediate_hidden_states
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.permute(0, 3, 1, 2), theirs, rtol=1e-3, atol=1e-3)


def test_dinov2_is_timms_vision_transformer_loaded_from_original_names():
    from timm.models.vision_transformer import VisionTransformer

    network = randomise(
        VisionTransformer(
            img_size=56, patch_size=14, embed_dim=32, depth=2, num_heads=2, init_values=1.0, num_classes=0
        )
    )
    state = dict(network.state_dict()) | {"mask_token": torch.zeros(1, 32)}
    encoder = dinov2.build_encoder(DINOV2)
    load_strict(encoder, dinov2.adapt(state), where="timm")
    teacher = dinov2.Dinov2Teacher(encoder, FeatureSpec("tiny", 32, 56, 14))
    square = torch.randn(2, 3, 56, 56)
    tokens = network.forward_features(square)[:, 1:]
    expected = tokens.transpose(1, 2).unflatten(2, (4, 4))
    torch.testing.assert_close(teacher.feature_map(square), expected, rtol=1e-4, atol=1e-4)


def test_dinov2_reads_what_transformers_saves(tmp_path):
    """transformers writes the old attention names, as the published RAD-DINO file has them."""
    model = randomise(dinov2.build_encoder(DINOV2))
    model.save_pretrained(tmp_path)
    state = read_state(tmp_path / "model.safetensors")
    assert "encoder.layer.0.attention.attention.query.weight" in state
    encoder = dinov2.build_encoder(DINOV2)
    load_strict(encoder, dinov2.adapt(state), where="transformers")
    oblong = torch.randn(1, 3, 42, 70)
    expected = model(oblong).last_hidden_state[:, 1:].transpose(1, 2).unflatten(2, (3, 5))
    found = dinov2.Dinov2Teacher(encoder, FeatureSpec("tiny", 32, 56, 14)).feature_map(oblong)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_swin_reads_what_transformers_saves(tmp_path, images):
    model = randomise(medclip.build_encoder(SWIN))
    model.save_pretrained(tmp_path)
    state = read_state(tmp_path / "model.safetensors")
    assert "encoder.layers.0.blocks.0.attention.self.query.weight" in state
    encoder = medclip.build_encoder(SWIN)
    load_strict(encoder, medclip.adapt(state), where="transformers")
    found = medclip.MedclipTeacher(encoder, FeatureSpec("tiny", 64, 64, 32)).feature_map(images)
    expected = model(images, output_hidden_states=True)
    tokens = expected.last_hidden_state.transpose(1, 2).unflatten(2, (2, 3))
    torch.testing.assert_close(found, tokens, rtol=1e-4, atol=1e-4)
    pooled = found.mean(dim=(2, 3))
    torch.testing.assert_close(pooled, expected.pooler_output, rtol=1e-4, atol=1e-4)


def test_every_encoder_attends_through_sdpa():
    for family, architecture in ((sam2, SAM2), (dinov2, DINOV2), (medclip, SWIN)):
        encoder = family.build_encoder(architecture)
        configs = [module.config for module in encoder.modules() if hasattr(module, "config")]
        assert {config._attn_implementation for config in configs} == {"sdpa"}
