"""Teachers are built frozen, with the weights that were asked for or not at all."""

from dataclasses import replace

import pytest
import torch

from agglo.core.errors import ConfigError, FeatureMismatch, WeightsError
from agglo.teachers import build_encoder, build_from_entry, build_teacher, entry_of, spec_of
from agglo.teachers.weights import freeze_file, load_strict, save_weights


def test_unknown_name_lists_the_catalogue():
    with pytest.raises(ConfigError, match=r"must be one of \['clip-l-336', .*'sam2.1-t'\], got 'sam3'"):
        build_teacher("sam3")


@pytest.mark.parametrize("weights", [None, "shipped"])
def test_weights_that_are_not_shipped_say_how_to_get_them(weights):
    with pytest.raises(WeightsError, match=r"medsam2 needs its weights.*MedSAM2_latest\.pt.*wanglab/MedSAM2"):
        build_teacher("medsam2", weights=weights)


def test_absent_shipped_weights_say_how_to_make_them(tmp_path, monkeypatch):
    monkeypatch.setattr("agglo.teachers.entry.SHIPPED_FOLDER", tmp_path)
    with pytest.raises(WeightsError, match=r"lab-dino\.safetensors does not exist.*agglo lab train lab-dino"):
        build_teacher("lab-dino")


def test_shipped_weights_must_be_frozen_and_unchanged(tmp_path, monkeypatch, tiny):
    entry = replace(tiny, name="lab-tiny", is_shipped=True, weights_file="lab-tiny.safetensors")
    monkeypatch.setattr("agglo.teachers.entry.SHIPPED_FOLDER", tmp_path)
    encoder = build_encoder(entry)
    save_weights(entry.shipped_path, encoder, metadata={"name": entry.name})
    with pytest.raises(WeightsError, match=r"SHA256SUMS beside .*lab-tiny\.safetensors has no line for it"):
        build_from_entry(entry)
    freeze_file(entry.shipped_path)
    teacher = build_from_entry(entry)
    first = next(iter(teacher.encoder.parameters()))
    torch.testing.assert_close(first, next(iter(encoder.parameters())).half().float(), rtol=0, atol=0)
    assert first.dtype == torch.float32
    save_weights(entry.shipped_path, build_encoder(entry), metadata={"name": entry.name})
    with pytest.raises(WeightsError, match=r"must have the SHA-256 .* found .*damaged or was changed"):
        build_from_entry(entry)


def test_pinned_weights_of_a_published_teacher_are_checked(tmp_path, tiny):
    file = tmp_path / "model.safetensors"
    save_weights(file, build_encoder(tiny), metadata={})
    build_from_entry(tiny, weights=file)
    with pytest.raises(WeightsError, match="must have the SHA-256 00"):
        build_from_entry(replace(tiny, sha256="00"), weights=file)


def test_a_folder_is_searched_for_its_weights(tmp_path, tiny):
    with pytest.raises(WeightsError, match=r"a folder with one of .*Check the path"):
        build_from_entry(tiny, weights=tmp_path)
    save_weights(tmp_path / "model.safetensors", build_encoder(tiny), metadata={})
    assert build_from_entry(tiny, weights=tmp_path).spec.dim == tiny.dim


def test_weights_of_another_size_are_refused_with_all_problems(tmp_path, make_tiny):
    entry = make_tiny("dinov2")
    other = replace(entry, architecture={**entry.architecture, "hidden_size": 32, "num_hidden_layers": 3})
    file = tmp_path / "model.safetensors"
    save_weights(file, build_encoder(other), metadata={})
    with pytest.raises(WeightsError) as caught:
        build_from_entry(entry, weights=file)
    message = str(caught.value)
    assert "model.safetensors for teacher tiny-dinov2" in message
    assert "18 unknown keys (encoder.layer.2." in message
    assert "wrong shapes (embeddings.cls_token is (1, 1, 32), must be (1, 1, 16)" in message


def test_input_px_must_fit_the_architecture():
    assert spec_of(entry_of("rad-dino"), input_px=224).grid == (16, 16)
    with pytest.raises(
        ConfigError, match="input_px of teacher rad-dino must be a positive multiple of 14, got 512"
    ):
        build_teacher("rad-dino", weights="random", input_px=512)


def test_images_of_a_wrong_size_are_refused(tiny):
    teacher = build_from_entry(tiny, weights="random")
    with pytest.raises(FeatureMismatch, match=r"needs rows and cols that are multiples of .*, got 64 x 65"):
        teacher.feature_map(torch.zeros(1, 3, 64, 65))


def test_an_encoder_is_built_to_be_trained(tiny):
    encoder = build_encoder(tiny)
    assert encoder.training
    assert all(parameter.requires_grad for parameter in encoder.parameters())
    teacher = build_from_entry(tiny, weights="random")
    load_strict(teacher.encoder, encoder.state_dict(), where="a trained encoder")
