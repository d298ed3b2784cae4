"""Students against timm: the same maps, the same size of body."""

import pytest
import torch

from agglo.students import CATALOGUE, build_student, count_parameters

timm = pytest.importorskip("timm")

BODIES = {"repvit": 4_717_792}  # parameters of the bare backbone, facts of its own paper's lineage


@pytest.mark.parametrize("name", CATALOGUE)
def test_encoder_is_timms_backbone(name):
    entry = CATALOGUE[name]
    student = build_student(name, embed_dim=16).eval()
    backbone = timm.create_model(entry.backbone, features_only=True, **entry.backbone_options).eval()
    backbone.load_state_dict(student.encoder.backbone.state_dict())
    images = torch.randn(1, 3, 64, 96)
    features = student(images)
    stride4, stride8, _, _ = backbone(images)
    torch.testing.assert_close(features.stride4, stride4)
    torch.testing.assert_close(features.stride8, stride8)
    assert count_parameters(student.encoder) == BODIES[name]


@pytest.mark.parametrize("name", CATALOGUE)
def test_normalisation_is_that_of_the_imagenet_weights(name):
    entry = CATALOGUE[name]
    config = timm.get_pretrained_cfg(entry.backbone)
    assert (config.mean, config.std) == (entry.mean, entry.std)
