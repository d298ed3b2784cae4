"""SAM 2 against its official code: every size, full width and depth, random weights, Meta's file and bowang-lab's.

The package `sam2` brings Meta's code and half a dozen others; `make parity` installs it beside the environment and runs this.
"""

import pytest
import torch

from agglo.teachers import CATALOGUE, build_from_entry

pytest.importorskip("sam2", reason="needs the official `sam2` package: `make parity` installs it")

SIZES = {  # entry: official configuration
    "sam2.1-t": "sam2.1_hiera_t",
    "sam2.1-s": "sam2.1_hiera_s",
    "sam2.1-bplus": "sam2.1_hiera_b+",
    "sam2.1-l": "sam2.1_hiera_l",
    "medsam2": "sam2.1_hiera_t",
}
TOLERANCE = 1e-5
SIDE_PX = 256


def official(name):
    """Return Meta's model with random weights, none of them at a value that another could be mistaken for."""
    from sam2.build_sam import build_sam2

    torch.manual_seed(0)
    model = build_sam2(f"configs/sam2.1/{SIZES[name]}.yaml", device="cpu")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model


LAYOUTS = {
    "official": lambda state: {"model": state},
    "fine-tuned": lambda state: {
        "model": {f"sam2_model.{key}": value for key, value in state.items()},
        "optimizer": {},
        "epoch": 3,
    },
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_sam2_is_the_official_code(tmp_path, name, layout):
    model = official(name)
    torch.save(LAYOUTS[layout](model.state_dict()), tmp_path / "weights.pt")
    images = torch.randn(1, 3, SIDE_PX, SIDE_PX, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = model.image_encoder(images)["vision_features"]
    for entry, constant in (
        (CATALOGUE[name], 0),
        (CATALOGUE[name].with_map("fpn-no-mem"), model.no_mem_embed.detach().reshape(1, -1, 1, 1)),
    ):
        teacher = build_from_entry(entry, weights=tmp_path / "weights.pt", input_px=SIDE_PX)
        found = teacher.feature_map(images)
        apart = (found - expected - constant).abs().max() / (expected + constant).abs().max()
        assert apart <= TOLERANCE
    assert sum(parameter.numel() for parameter in model.image_encoder.parameters()) == (
        CATALOGUE[name].num_parameters
    )
