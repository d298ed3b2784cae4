"""The ResNet family (MedCLIP's second tower): the map is its last stage, or the third; the summary is the last stage's mean.

Keys are torchvision's, which MedCLIP keeps under `vision_model.model.`. What follows the last stage is not part of a teacher.
"""

from collections.abc import Mapping
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet

from agglo.core.shapes import FeatureSpec, TeacherFeatures
from agglo.teachers.layout import Layout
from agglo.teachers.protocol import Family, Teacher, require_multiple

INPUT_MULTIPLE_PX = 32

LAYOUT = Layout(
    renames=((r"^vision_model\.model\.", ""),),
    dropped={
        "fc.*": "the projection to the space shared with text, or a classifier",
        "text_model.*": "the text tower, which is no part of an image encoder",
        "logit_scale": "the temperature of the contrast with text",
    },
)


def build_encoder(architecture: Mapping[str, Any]) -> nn.Module:
    """Build the encoder with random weights.

    Args:
        architecture: keyword arguments of torchvision's `ResNet` of bottlenecks.
    """
    encoder = ResNet(Bottleneck, list(architecture["layers"]))
    encoder.fc = nn.Identity()
    return encoder


@final
class ResnetTeacher(Teacher):
    """The last or the third stage of a residual network; sides that are multiples of 32 px."""

    def __init__(self, encoder: nn.Module, spec: FeatureSpec, *, is_third: bool) -> None:
        """Keep which stage is the map."""
        super().__init__(encoder, spec)
        self.is_third = is_third

    @torch.no_grad()
    def look(self, images: Float[Tensor, "batch 3 rows cols"]) -> TeacherFeatures:
        """Return the chosen stage as a map, and the mean of the last one."""
        require_multiple(images, self.spec, INPUT_MULTIPLE_PX)
        net: Any = self.encoder
        stem = net.maxpool(net.relu(net.bn1(net.conv1(images))))
        third = net.layer3(net.layer2(net.layer1(stem)))
        last = net.layer4(third)
        return TeacherFeatures(third if self.is_third else last, last.mean(dim=(2, 3)))


FAMILY = Family(
    build_encoder=build_encoder,
    teacher=lambda encoder, spec, map_name: ResnetTeacher(encoder, spec, is_third=map_name == "stage3"),
    layout=LAYOUT,
)
