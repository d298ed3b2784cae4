"""Students against timm and the figures of their papers' lineage: the same maps, sizes of body, parameters, multiply-adds."""

import pytest
import torch
from torch import nn

from agglo.students import CATALOGUE, build_student, compose, count_macs, count_parameters

timm = pytest.importorskip("timm")

BODIES = {"repvit": 4_717_792, "tinyvit": 5_071_124, "efficientvit": 27_805_472}
"""Parameters of the bare backbones: MobileSAM's body for TinyViT, EfficientViT-SAM-L0's for EfficientViT."""

STATED_PARAMETERS = {  # in the paper lineage, in millions; how near
    "repvit": (5.41, 0.02),
    "tinyvit": (5.74, 0.02),
    "efficientvit": (30.73, 0.01),
}

LINEAGE = {  # (student, neck): parameters in millions, {input px: G multiply-adds}, as published or counted by others' code
    ("tinyvit", "mobilesam"): (5.744, {256: 3.03, 512: 10.30, 1024: 38.77}),
    ("tinyvit", "efficientsam3"): (5.744, {256: 2.35, 512: 7.75, 1024: 28.09}),
    ("repvit", "mobilesam"): (5.407, {256: 1.60, 512: 6.39, 1024: 25.57}),
    ("repvit", "efficientsam3"): (5.407, {256: 1.11, 512: 4.44, 1024: 17.76}),
    ("efficientvit", "samneck"): (
        30.728,
        {512: 34.77},
    ),  # elsewhere the original's grid is 64 x 64, ours H/8 x W/8
}


@pytest.mark.parametrize("name", CATALOGUE)
def test_encoder_is_timms_backbone(name):
    entry = CATALOGUE[name]
    student = build_student(name, embed_dim=16).eval()
    backbone = timm.create_model(entry.backbone, features_only=True, **entry.backbone_options).eval()
    backbone.load_state_dict(student.encoder.backbone.state_dict())
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        for own, theirs in zip(student.encoder(images), backbone(images), strict=True):
            torch.testing.assert_close(own, theirs)
    assert count_parameters(student.encoder) == BODIES[name]


@pytest.mark.parametrize("name", CATALOGUE)
def test_normalisation_and_weights_are_those_timm_names(name):
    entry = CATALOGUE[name]
    config = timm.get_pretrained_cfg(entry.backbone)
    assert (config.mean, config.std) == (entry.mean, entry.std)
    assert config.hf_hub_id == entry.imagenet
    assert config.license == entry.licence.lower()


@pytest.mark.parametrize("name", CATALOGUE)
def test_usual_students_have_the_stated_parameters(name):
    stated, tolerance = STATED_PARAMETERS[name]
    with torch.device("meta"):
        assert count_parameters(build_student(name)) / 1e6 == pytest.approx(stated, rel=tolerance)


@pytest.mark.parametrize(("name", "neck"), LINEAGE)
def test_necks_of_the_lineage_have_its_figures(name, neck):
    millions, macs = LINEAGE[name, neck]
    with torch.device("meta"):
        student = compose(CATALOGUE[name], neck, embed_dim=256)
    assert count_parameters(student) / 1e6 == pytest.approx(millions, abs=0.0006)
    for input_px, giga in macs.items():
        assert count_macs(student, input_px=input_px) / 1e9 == pytest.approx(giga, abs=0.006)


def layer_macs(layer, inputs, output):
    return output.numel() * layer.weight[0].numel()


def window_attention_macs(attention, inputs, output):
    windows, tokens, _ = inputs[0].shape
    return windows * attention.num_heads * tokens**2 * (attention.key_dim + attention.val_dim)


def linear_attention_macs(attention, inputs, output):
    """`k^T v`, then `q` times that, for every head of every scale; one more column of `v` holds the normaliser."""
    batch, _, rows, cols = inputs[0].shape
    heads = attention.qkv.conv.out_channels // (3 * attention.dim) * (1 + len(attention.aggreg))
    return 2 * batch * heads * rows * cols * attention.dim * (attention.dim + 1)


@pytest.mark.parametrize("name", CATALOGUE)
def test_macs_counted_layer_by_layer_are_the_same(name):
    from timm.models import efficientvit_mit, tiny_vit

    counters = {
        nn.Conv2d: layer_macs,
        nn.Linear: layer_macs,
        tiny_vit.Attention: window_attention_macs,
        efficientvit_mit.LiteMLA: linear_attention_macs,
    }
    with torch.device("meta"):
        student = build_student(name).eval()
    counted = count_macs(student, input_px=320)
    found = []
    for layer in student.modules():
        for kind, counter in counters.items():
            if isinstance(layer, kind):
                layer.register_forward_hook(
                    lambda *call, counter=counter: found.append(counter(*call)) or None
                )
    student(torch.zeros(1, 3, 320, 320, device="meta"))
    assert sum(found) == counted
