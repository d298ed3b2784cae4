"""`timm:NAME`: any model of timm that can give its intermediate maps; the map is the last one, the summary what its head reads."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from agglo.core.errors import ConfigError
from agglo.teachers.custom import family, own_entry
from agglo.teachers.entry import HubFile, TeacherEntry
from agglo.teachers.licences import restriction_of

UNSTATED = "unknown: timm states none"


class TimmNetwork(nn.Module):
    """A model of timm that gives its last map (normed, where the model norms it) and the vector before its classifier."""

    def __init__(self, model: nn.Module) -> None:
        """Keep the model, which has no classifier."""
        super().__init__()
        self.model: Any = model

    def forward(
        self, images: Float[Tensor, "batch 3 rows cols"]
    ) -> tuple[Float[Tensor, "batch dim h w"], Float[Tensor, "batch summary"]]:
        last, maps = self.model.forward_intermediates(images, indices=1, norm=True, output_fmt="NCHW")
        return maps[-1], self.model.forward_head(last, pre_logits=True)


def build_encoder(architecture: Mapping[str, Any]) -> TimmNetwork:
    """Build a model of timm with random weights, at any input size where the model can.

    Args:
        architecture: `timm`, its name.
    """
    import timm

    name = architecture["timm"]
    try:
        model = timm.create_model(name, pretrained=False, num_classes=0, dynamic_img_size=True)
    except TypeError:  # only plain vision transformers know the option
        model = timm.create_model(name, pretrained=False, num_classes=0)
    return TimmNetwork(model)


def entry(name: str) -> TeacherEntry:
    """Return the entry of `timm:NAME`, from timm's own facts; the model is built without numbers.

    Raises:
        ConfigError: timm has no such model, or it gives no maps.
    """
    import timm

    if not timm.is_model(name):
        raise ConfigError(f"a teacher timm:NAME must name a model of timm {timm.__version__}, got {name!r}.")
    architecture = {"timm": name}
    try:
        facts = timm.get_pretrained_cfg(name)
        with torch.device("meta"):
            model = build_encoder(architecture).model
    except RuntimeError as problem:  # a tag that it does not know
        raise ConfigError(
            f"a teacher timm:NAME must be one that timm can make, got {name!r}: {problem}."
        ) from problem
    if not (hasattr(model, "forward_intermediates") and getattr(model, "feature_info", None)):
        raise ConfigError(
            f"a teacher timm:NAME must give intermediate maps, but {name} has no `forward_intermediates`."
        )
    last = list(model.feature_info)[-1]
    return own_entry(
        f"timm:{name}",
        architecture=architecture,
        dim=last["num_chs"],
        stride_px=last["reduction"],
        summary_dim=getattr(model, "head_hidden_size", model.num_features),
        num_parameters=sum(parameter.numel() for parameter in model.parameters()),
        **_pretrained_facts(name, facts),
    )


def _pretrained_facts(name: str, facts: Any) -> dict[str, Any]:
    """Return what timm knows of the weights, where it knows any."""
    if facts is None:
        return {"input_px": 224, "licence": UNSTATED}
    found: dict[str, Any] = {
        "input_px": facts.input_size[-1],
        "mean": tuple(facts.mean),
        "std": tuple(facts.std),
    }
    found["licence"] = facts.license or UNSTATED
    found["restriction"] = restriction_of([facts.license] if facts.license else [])
    if facts.hf_hub_id:
        found["weights_file"] = "model.safetensors"
        found["source"] = f"https://huggingface.co/{facts.hf_hub_id}"
        found["hub"] = HubFile(facts.hf_hub_id, "model.safetensors")
    return found


FAMILY = family(build_encoder, inner="model")
