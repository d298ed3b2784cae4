"""First weights are loaded strictly, from wherever they are meant to come; what was dropped and why is on record."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from agglo.core.errors import WeightsError
from agglo.decoders import StructureDecoder
from agglo.predict import Model, ModelConfig, save_model
from agglo.students import CATALOGUE, Origin, Student, build_student, locate
from contracts.narrow import NARROW, narrow_entry

DROPPED = {  # tensors of timm's own files that a student has no place for, by how their keys start
    "repvit": {"head.": 14},
    "tinyvit": {"head.": 4},
    "efficientvit": {
        "head.": 11,
        **{f"stages.2.blocks.{block}.": 10 for block in (5, 6)},
        **{f"stages.3.blocks.{block}.": 19 for block in (5, 6)},
    },
}


def save(state: dict[str, torch.Tensor], path: Path) -> Path:
    save_file({key: value.contiguous() for key, value in state.items()}, path)
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of the hub, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "hub"


def put_into(cache: Path, name: str, state: dict[str, torch.Tensor]) -> Path:
    """Lay a file where the hub's client would have put it."""
    folder = cache / f"models--{CATALOGUE[name].imagenet.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    return save(state, folder / "snapshots" / "abc" / "model.safetensors")


@pytest.fixture
def small(monkeypatch) -> dict:
    """Make all students narrow; returns the options with which timm's RepViT is so narrow."""
    for name in list(CATALOGUE):
        monkeypatch.setitem(CATALOGUE, name, narrow_entry(name))
    return NARROW["repvit"]


@pytest.mark.parametrize("name", CATALOGUE)
def test_imagenet_weights_come_from_the_cache(name, cache, monkeypatch):
    entry = CATALOGUE[name]
    options = {key: value for key, value in NARROW[name].items() if key not in entry.backbone_options}
    whole = timm.create_model(entry.backbone, **options)  # what the hub's file holds: all of L1, for one
    own_options = {**options, **entry.backbone_options}
    monkeypatch.setitem(CATALOGUE, name, replace(entry, backbone_options=own_options))
    file = put_into(cache, name, whole.state_dict())
    student = build_student(name, embed_dim=8, init="imagenet")
    origin = student.origin
    assert (origin.init, origin.source, origin.random) == ("imagenet", CATALOGUE[name].imagenet, ("neck",))
    assert origin.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert {start: fact["tensors"] for start, fact in origin.dropped.items()} == DROPPED[name]
    assert all(fact["why"] for fact in origin.dropped.values())
    assert origin.num_loaded == len(student.encoder.state_dict())
    for key, value in student.encoder.backbone.state_dict().items():
        published = key if key in whole.state_dict() else key.replace("_", ".", 1)
        assert torch.equal(value, whole.state_dict()[published]), key
    assert Origin.of_facts(origin.as_facts()) == origin
    assert "head.* (the ImageNet classifier" in origin.in_words()


def test_without_imagenet_weights_one_message_says_how_to_get_them(cache):
    message = (
        r"needs timm's weights of repvit_m0_9 \(model.safetensors of timm/repvit_m0_9.dist_300e_in1k.*not in the cache "
        r".*HF_HUB_OFFLINE=0.*give its path as init, or choose init: random"
    )
    with pytest.raises(WeightsError, match=message):
        build_student("repvit", init="imagenet")


def test_the_hub_is_asked_only_on_request(cache, monkeypatch, tmp_path):
    asked = []

    def refuse(repository, file, revision):
        asked.append((repository, file))
        raise OSError("no route to the hub")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    entry = CATALOGUE["tinyvit"]
    for setting, may_download, expected in ((None, True, 0), ("1", True, 0), ("0", False, 0), ("0", True, 1)):
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        if setting is not None:
            monkeypatch.setenv("HF_HUB_OFFLINE", setting)
        with pytest.raises(WeightsError, match="no route to the hub" if expected else "not in the cache"):
            locate(entry, "imagenet", may_download=may_download)
        assert len(asked) == expected
    assert asked == [(entry.imagenet, "model.safetensors")]


def test_a_key_that_nobody_expects_is_refused(cache, small):
    state = timm.create_model("repvit_m0_9", **small).state_dict()
    del state["stem.conv1.c.weight"]
    put_into(cache, "repvit", {**state, "stages.9.extra": torch.zeros(1)})
    with pytest.raises(
        WeightsError, match=r"1 absent \(stem.conv1.c.weight\); 1 unknown \(stages.9.extra\). Check name"
    ):
        build_student("repvit", init="imagenet")


def same(one: Student, other: Student) -> bool:
    return all(torch.equal(value, other.state_dict()[key]) for key, value in one.state_dict().items())


def test_a_whole_student_is_loaded_from_its_file(tmp_path, small):
    saved = build_student("repvit", embed_dim=8)
    path = save(saved.state_dict(), tmp_path / "student.safetensors")
    loaded = build_student("repvit", embed_dim=8, init=path)
    assert same(saved, loaded)
    assert loaded.origin.init == "file"
    assert loaded.origin.source == "student.safetensors"
    assert (loaded.origin.dropped, loaded.origin.random) == ({}, ())
    with pytest.raises(
        WeightsError,
        match=r"must fit student repvit with neck fusing key by key.*of another shape \(neck\.lateral8",
    ):
        build_student("repvit", embed_dim=16, init=path)
    with pytest.raises(WeightsError, match=r"with neck mobilesam .* absent \(neck.layers.*unknown \(neck"):
        build_student("repvit", neck="mobilesam", embed_dim=8, init=path)


def test_the_student_of_a_model_folder_is_loaded_and_its_decoder_dropped(tmp_path, small):
    saved = build_student("repvit", embed_dim=16)
    options = {"num_structures": 1, "embed_dim": 16, "grid_stride": 16, "high_res_dims": None}
    config = ModelConfig("test", saved.arguments, options, ("bolus",), 64, saved.entry.mean, saved.entry.std)
    folder = save_model(tmp_path / "model", Model(saved, StructureDecoder(**options), config))
    for path in (folder, folder / "model.safetensors"):
        loaded = build_student("repvit", embed_dim=16, init=path)
        assert same(saved, loaded)
        assert (
            loaded.origin.dropped["decoder."]["why"]
            == "the decoder of a model, which is no part of a student"
        )


def test_timms_own_file_may_be_given_by_its_path(tmp_path, small):
    whole = timm.create_model("repvit_m0_9", **small)
    student = build_student(
        "repvit", embed_dim=8, init=save(whole.state_dict(), tmp_path / "fetched.safetensors")
    )
    assert torch.equal(student.encoder.backbone.stem.conv1.c.weight, whole.stem.conv1.c.weight)
    assert (student.origin.init, student.origin.source) == ("file", "fetched.safetensors")
    assert student.origin.random == ("neck",)


def test_a_file_that_is_no_student_is_refused(tmp_path, small):
    (tmp_path / "student.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="init must be a safetensors file, but"):
        build_student("repvit", embed_dim=8, init=tmp_path / "student.safetensors")
    with pytest.raises(
        WeightsError, match=r"init must be random, imagenet, a model folder.*got .*absent.*: there is no file"
    ):
        build_student("repvit", embed_dim=8, init=tmp_path / "absent.safetensors")


def test_random_weights_say_so():
    with torch.device("meta"):
        assert build_student("repvit").origin.in_words() == "random weights"
