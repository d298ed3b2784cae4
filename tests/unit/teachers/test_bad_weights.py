"""A bad weights file is one sentence that says what must hold, what was found and where; nothing in it is ever run."""

import json
import struct
import warnings

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file
from torch import nn

from agglo.core.errors import WeightsError
from agglo.teachers import CATALOGUE, build_encoder, build_from_entry
from agglo.teachers.reading import read_state
from agglo.teachers.weights import load_strict
from tiny_teachers import tiny_entry


class Dangerous:
    """Would run code when unpickled."""

    def __reduce__(self):
        return (print, ("executed",))


def write_bytes(content):
    return lambda path, state: path.write_bytes(content)


def write_cut(write, share):
    def cut(path, state):
        write(path, state)
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])

    return cut


def write_changed(change):
    return lambda path, state: torch.save(change(state), path)


def write_torch(path, state):
    torch.save(state, path)


def write_safetensors(path, state):
    save_file(state, path)


def write_script(path, state):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch no longer recommends what old files are made of
        torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), path)


def write_folder(path, state):
    path.mkdir()
    (path / "config.json").write_text("{}")


def write_shards(path, state):
    path.mkdir()
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {}}))


def with_nan(state):
    first = next(iter(state))
    return {**state, first: torch.full_like(state[first], torch.nan)}


def half_of(state):
    return dict(list(state.items())[: len(state) // 2])


def of_width_32(state):
    wider = tiny_entry("dinov2")
    return dict(build_encoder(wider_than(wider)).state_dict())


def wider_than(entry):
    return type(entry)(**{**vars(entry), "architecture": {**entry.architecture, "hidden_size": 32}})


BAD = {  # name: (file, how it is written, what is said)
    "cut safetensors": (
        "w.safetensors",
        write_cut(write_safetensors, 0.6),
        "must be readable as plain tensors",
    ),
    "cut archive": ("w.pt", write_cut(write_torch, 0.6), "it is cut off"),
    "empty": ("w.pt", write_bytes(b""), "it is empty"),
    "text": ("w.pt", write_bytes(b"epoch 3, loss 0.2\n"), "it is a text file"),
    "text as safetensors": ("w.safetensors", write_bytes(b"no weights here"), "it is a text file"),
    "git lfs pointer": (
        "w.safetensors",
        write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
        "only a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`",
    ),
    "web page": ("w.pt", write_bytes(b"<!DOCTYPE html><html>404</html>"), "a web page, as a failed download"),
    "noise": ("w.bin", write_bytes(bytes(range(128, 256)) * 4), "must be readable as plain tensors"),
    "code": (
        "w.pt",
        write_changed(lambda state: {**state, "a": Dangerous()}),
        r"a pickle that asks for more than tensors \(\S*print\), and nothing in a file is ever run",
    ),
    "script": ("w.pt", write_script, "a TorchScript archive, which holds code"),
    "a list": ("w.pt", write_changed(lambda state: list(state.values())), "holds a list"),
    "nothing": ("w.pt", write_changed(lambda state: {}), "holds nothing"),
    "numbers": (
        "w.pt",
        write_changed(lambda state: {"epoch": 3}),
        r"entries that are no tensors: \['epoch'\]",
    ),
    "folder without weights": ("w", write_folder, r"a folder with one of .* found neither at \S+/w\."),
    "folder of shards": ("w", write_shards, "must be one file, but .* several shards"),
    "half the keys": ("w.pt", write_changed(half_of), r"\d+ absent keys \(encoder\."),
    "extra keys": (
        "w.pt",
        write_changed(lambda state: {**state, "head.weight": torch.zeros(1)}),
        r"1 unknown keys \(head\.weight\)",
    ),
    "another size": ("w.pt", write_changed(of_width_32), r"\d+ wrong shapes \(embeddings\.cls_token is"),
    "integers": (
        "w.pt",
        write_changed(lambda state: {key: value.to(torch.int8) for key, value in state.items()}),
        r"\d+ wrong kinds \(embeddings\.cls_token is torch\.int8, must be torch\.float32",
    ),
    "not a number": ("w.pt", write_changed(with_nan), r"weights must be finite, but .* 1 tensors \("),
}


@pytest.mark.parametrize(("name", "write", "said"), BAD.values(), ids=BAD)
def test_a_bad_file_is_one_sentence(tmp_path, name, write, said, capsys):
    entry = tiny_entry("dinov2")
    path = tmp_path / name
    write(path, dict(build_encoder(entry).state_dict()))
    with pytest.raises(WeightsError, match=said) as caught:
        build_from_entry(entry, weights=path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert "executed" not in capsys.readouterr().out


def test_a_file_of_another_teacher_is_called_by_its_name(tmp_path, monkeypatch):
    other = tiny_entry("medclip")
    monkeypatch.setitem(CATALOGUE, "tiny-medclip", other)
    torch.save(build_encoder(other).state_dict(), tmp_path / "weights.pt")
    message = r"weights of teacher tiny-dinov2 must be of its architecture, but \S+ holds that of tiny-medclip; name that"
    with pytest.raises(WeightsError, match=message):
        build_from_entry(tiny_entry("dinov2"), weights=tmp_path / "weights.pt")


STATE = {"weight": torch.randn(3, 2, generator=torch.Generator().manual_seed(0)), "bias": torch.ones(3)}
GOOD = save(STATE)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(data=st.data())
def test_whatever_the_bytes_are_it_loads_or_says_so(tmp_path, data):
    """Cut off, altered, or made of nothing: never another error than ours, never a value that is not finite."""
    content = bytearray(GOOD)
    kind = data.draw(st.sampled_from(["cut", "altered", "header", "random"]))
    if kind == "cut":
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    elif kind == "altered":
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
            content[place] = data.draw(st.integers(0, 255))
    elif kind == "header":
        header = data.draw(
            st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8), max_size=3)
        )
        text = json.dumps(header).encode()
        content = bytearray(struct.pack("<Q", len(text)) + text)
    else:
        content = bytearray(data.draw(st.binary(max_size=200)))
    path = tmp_path / data.draw(st.sampled_from(["w.safetensors", "w.pt", "w.bin"]))
    path.write_bytes(bytes(content))
    module, said = nn.Linear(2, 3), str(path)
    try:
        load_strict(module, read_state(path), where=str(path))
    except WeightsError as problem:
        said = str(problem)
    assert str(path) in said
    assert "\n" not in said
    assert all(bool(torch.isfinite(value).all()) for value in module.state_dict().values())
