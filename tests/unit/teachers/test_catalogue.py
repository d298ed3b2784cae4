"""The catalogue's figures are true, and its shipped teachers fit in the wheel."""

import pytest
import torch

from agglo.teachers import CATALOGUE, build_encoder, describe, spec_of
from agglo.teachers.build import FAMILIES
from agglo.teachers.catalogue import read_frozen_hashes

GRIDS = {
    "medsam2": (32, 32),
    "sam2.1-l": (64, 64),
    "sam2.1-t": (64, 64),
    "sam2.1-s": (64, 64),
    "sam2.1-bplus": (64, 64),
    "rad-dino": (37, 37),
    "medclip": (7, 7),
    "medclip-resnet50": (7, 7),
    "clip-l-336": (24, 24),
    "dfn-clip-h-378": (27, 27),
    "dinov2-b": (16, 16),
    "dinov2-l": (16, 16),
    "dinov2-b-reg": (16, 16),
    "dinov2-l-reg": (16, 16),
    "dinov2-g-reg": (16, 16),
    "sam-b": (64, 64),
    "sam-l": (64, 64),
    "sam-h": (64, 64),
    "lab-sam": (16, 16),
    "lab-dino": (16, 16),
    "lab-clip": (7, 7),
    "lab-sam-vfss": (16, 16),
    "lab-sam-large": (16, 16),
    "lab-dino-large": (16, 16),
    "lab-clip-large": (7, 7),
}


def test_entries_and_grids():
    assert {name: spec_of(entry).grid for name, entry in CATALOGUE.items()} == GRIDS
    assert all(entry.family in FAMILIES for entry in CATALOGUE.values())


@pytest.mark.parametrize("name", CATALOGUE)
def test_parameters_are_counted(name):
    entry = CATALOGUE[name]
    with torch.device("meta"):
        encoder = build_encoder(entry)
    assert sum(parameter.numel() for parameter in encoder.parameters()) == entry.num_parameters


def test_shipped_teachers_fit_in_25_megabytes():
    shipped = [entry for entry in CATALOGUE.values() if entry.is_shipped]
    assert sorted(entry.name for entry in shipped) == ["lab-clip", "lab-dino", "lab-sam"]
    assert sum(2 * entry.num_parameters for entry in shipped) < 25e6
    assert all("no" in entry.labels_seen for entry in shipped), "a lab teacher has never seen a VFSS mask"


def test_describe_says_how_to_get_weights():
    rows = {row["name"]: row for row in describe()}
    assert rows.keys() == CATALOGUE.keys()
    assert "MedSAM2_latest.pt" in rows["medsam2"]["how_to_get"]
    assert "agglo lab train lab-dino" in rows["lab-dino"]["how_to_get"]
    assert (
        "make lab-sam-large.safetensors by `agglo lab train lab-sam --large`"
        in rows["lab-sam-large"]["how_to_get"]
    )
    assert "upper bound" in rows["lab-sam-vfss"]["labels_seen"]
    assert rows["rad-dino"]["grid"] == [37, 37]
    assert rows["rad-dino"]["has_weights"] is False


def test_frozen_hashes_are_read(tmp_path):
    path = tmp_path / "SHA256SUMS"
    assert read_frozen_hashes(path) == {}
    path.write_text("ab12  lab-sam.safetensors\ncd34  lab-dino.safetensors\n")
    assert read_frozen_hashes(path) == {"lab-sam.safetensors": "ab12", "lab-dino.safetensors": "cd34"}
