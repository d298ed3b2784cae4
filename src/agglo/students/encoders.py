"""Backbones from timm behind one face: images in, four maps of strides 4, 8, 16 and 32 out.

How the maps are fused is the necks' business. The network is asked for only when ImageNet weights are asked for.
"""

from typing import Any, final

import timm
from jaxtyping import Float
from torch import Tensor, nn

from agglo.core.errors import FeatureMismatch, WeightsError
from agglo.students.catalogue import StudentEntry

STRIDES_PX = (4, 8, 16, 32)


@final
class Encoder(nn.Module):
    """A timm backbone that gives its maps of strides 4, 8, 16 and 32.

    Attributes:
        dims: channels of the four maps, finest first.
    """

    def __init__(self, entry: StudentEntry, *, has_imagenet_weights: bool) -> None:
        """Build the backbone of `entry`; random weights come from torch's global generator.

        Raises:
            WeightsError: if ImageNet weights are asked for and cannot be had.
        """
        super().__init__()
        backbone = _create_backbone(entry, has_imagenet_weights=has_imagenet_weights)
        self.backbone = backbone
        self.dims: tuple[int, ...] = tuple(backbone.feature_info.channels())
        strides = tuple(backbone.feature_info.reduction())
        if strides != STRIDES_PX:
            raise FeatureMismatch(
                f"a student's backbone must give maps of strides {STRIDES_PX}, but {entry.backbone} gives {strides}; "
                "choose another backbone for this entry of the catalogue."
            )

    def forward(self, images: Float[Tensor, "batch 3 rows cols"]) -> list[Tensor]:
        """Return the four maps, finest first."""
        return list(self.backbone(images))


def _create_backbone(entry: StudentEntry, *, has_imagenet_weights: bool) -> Any:
    options = {"features_only": True, **entry.backbone_options}
    if not has_imagenet_weights:
        return timm.create_model(entry.backbone, pretrained=False, **options)
    try:
        return timm.create_model(entry.backbone, pretrained=True, **options)
    except Exception as error:  # the hub's client raises a dozen kinds, none of them ours to tell apart
        raise WeightsError(
            f"init: imagenet needs timm's weights of {entry.backbone} from the Hugging Face hub or its local cache, which "
            f"could not be had ({type(error).__name__}: {error}). Run once with network access, or choose init: random or "
            "init: PATH of a saved student."
        ) from error
