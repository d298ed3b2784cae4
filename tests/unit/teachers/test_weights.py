"""Weights are read safely, fit key by key, and are written whole."""

import pytest
import torch
from torch import nn

from agglo.core.errors import WeightsError
from agglo.teachers.catalogue import read_frozen_hashes
from agglo.teachers.reading import read_state
from agglo.teachers.weights import freeze_file, load_strict, save_weights, state_sha256

WRAPPERS = {
    "plain": lambda state: state,
    "model": lambda state: {"model": state, "epoch": 3},
    "state_dict": lambda state: {"state_dict": state, "optimizer": {}},
    "nested": lambda state: {"model": {"state_dict": state}},
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_torch_archives_are_unwrapped(tmp_path, wrap):
    state = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}
    torch.save(wrap(state), tmp_path / "weights.pt")
    found = read_state(tmp_path / "weights.pt")
    assert found.keys() == state.keys()
    torch.testing.assert_close(found["a"], state["a"])


def test_strict_loading_names_everything_and_loads_nothing():
    module = nn.Linear(2, 3)
    before = module.weight.detach().clone()
    with pytest.raises(WeightsError) as caught:
        load_strict(module, {"weight": torch.zeros(3, 4), "scale": torch.zeros(1)}, where="file")
    message = str(caught.value)
    assert "file does not" in message
    assert "1 absent keys (bias)" in message
    assert "1 unknown keys (scale)" in message
    assert "1 wrong shapes (weight is (3, 4), must be (3, 2))" in message
    torch.testing.assert_close(module.weight.detach(), before)


def test_long_lists_of_keys_are_cut():
    state = {f"key{number}": torch.zeros(1) for number in range(9)}
    with pytest.raises(WeightsError, match=r"9 unknown keys \(key0, key1, key2, key3, key4 and 4 more\)"):
        load_strict(nn.Identity(), state, where="file")


def test_half_precision_is_widened_and_whole_numbers_are_kept(tmp_path):
    norm = nn.BatchNorm1d(2)
    norm.running_mean.copy_(torch.tensor([0.5, -3.0]))
    norm.num_batches_tracked.fill_(70_000)
    save_weights(tmp_path / "norm.safetensors", norm, metadata={"name": "norm"})
    state = read_state(tmp_path / "norm.safetensors")
    assert state["weight"].dtype == torch.float16
    other = nn.BatchNorm1d(2)
    load_strict(other, state, where="file")
    assert other.weight.dtype == torch.float32
    assert other.num_batches_tracked.item() == 70_000
    torch.testing.assert_close(other.running_mean, norm.running_mean)


def test_values_beyond_half_precision_are_refused(tmp_path):
    module = nn.Linear(1, 1)
    nn.init.constant_(module.weight, 1e6)
    with pytest.raises(WeightsError, match=r"finite in half precision, but these are not: \['weight'\]"):
        save_weights(tmp_path / "weights.safetensors", module, metadata={})
    assert not (tmp_path / "weights.safetensors").exists()


def test_freezing_enters_a_line_and_keeps_the_others(tmp_path):
    for name in ("b.safetensors", "a.safetensors"):
        (tmp_path / name).write_bytes(name.encode())
        freeze_file(tmp_path / name)
    digest = freeze_file(tmp_path / "a.safetensors")
    hashes = read_frozen_hashes(tmp_path / "SHA256SUMS")
    assert list(hashes) == ["a.safetensors", "b.safetensors"]
    assert hashes["a.safetensors"] == digest
    assert len(digest) == 64


def test_identity_of_weights_follows_their_bytes():
    module = nn.Linear(2, 2)
    identity = state_sha256(module)
    assert identity == state_sha256(module)
    with torch.no_grad():
        module.bias[0] += 1e-6
    assert identity != state_sha256(module)


def test_identity_of_scalars_and_empty_states():
    assert state_sha256(nn.BatchNorm1d(1)) != state_sha256(nn.Identity())
