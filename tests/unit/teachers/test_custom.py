"""Teachers that a recipe brings: from timm, from transformers, from your own code; each held to what every teacher keeps."""

import dataclasses
import json
import re
import textwrap

import pytest
import torch
from torch import nn

from agglo.config.schema import TeacherConfig
from agglo.core.errors import ConfigError, FeatureMismatch, WeightsError
from agglo.core.shapes import FeatureSpec, TeacherFeatures
from agglo.teachers import build_encoder, build_teacher, entry_of, lacks_of
from agglo.teachers.custom import CustomTeacher, custom_entry
from tiny_teachers import tiny_entry

MODULE = """
    import torch
    from torch import nn

    from agglo.teachers import OwnTeacher


    def teacher(weights):
        torch.manual_seed(0)
        network = nn.Conv2d(3, 6, 8, stride=8)
        if weights is not None:
            network.load_state_dict(torch.load(weights, weights_only=True))
        return OwnTeacher(network, dim=6, stride_px=8, input_px=32, licence="MIT", intensity="minmax")


    def wrong(weights):
        return nn.Identity()


    NUMBER = 3
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """Make `own_teachers` importable, and forget it afterwards."""
    (tmp_path / "own_teachers.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(tmp_path)
    custom_entry.cache_clear()
    return tmp_path


def test_timm_gives_map_and_summary_from_a_published_file(tmp_path):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    published = timm.create_model("test_vit", pretrained=False).eval()
    torch.save(published.state_dict(), tmp_path / "weights.pt")
    entry = entry_of("timm:test_vit")
    teacher = build_teacher("timm:test_vit", weights=tmp_path / "weights.pt")
    images = torch.randn(2, 3, entry.input_px, entry.input_px)
    with torch.no_grad():
        tokens = published.forward_features(images)
    rows, cols = teacher.spec.grid
    expected = tokens[:, -rows * cols :].transpose(1, 2).unflatten(2, (rows, cols))
    seen = teacher.look(images)
    torch.testing.assert_close(seen.map, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(seen.summary, tokens[:, 0], rtol=1e-4, atol=1e-5)
    assert sum(number for number, _ in teacher.loaded.dropped.values()) == 2  # the classifier
    smaller = build_teacher("timm:test_vit", weights="random", input_px=entry.input_px // 2)
    assert smaller.spec.grid == (rows // 2, cols // 2)


def test_timm_gives_a_convolutional_map():
    pytest.importorskip("timm")
    teacher = build_teacher("timm:test_resnet", weights="random")
    assert teacher.spec.stride_px == 32
    assert teacher.spec.summary_dim == teacher.spec.dim


@pytest.mark.parametrize(
    ("licence", "is_restrictive"),
    [
        ("cc-by-nc-4.0", True),
        ("apple-ascl", True),
        ("apache-2.0", False),
        ("BSD-3-Clause", False),
        (None, False),
    ],
)
def test_timms_licences_are_read(monkeypatch, licence, is_restrictive):
    timm = pytest.importorskip("timm")
    known = timm.get_pretrained_cfg("test_vit")
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda name: dataclasses.replace(known, license=licence))
    custom_entry.cache_clear()
    entry = entry_of("timm:test_vit")
    custom_entry.cache_clear()
    assert entry.licence == (licence or "unknown: timm states none")
    assert entry.is_restrictive == is_restrictive
    assert not is_restrictive or f"its licence {licence} is not known to be permissive" in entry.restriction


CARDS = {  # text of README.md: licence, whether it may restrict
    "---\nlicense: mit\ntags: [x]\n---\n# A\n": ("mit", False),
    "---\nlicense: [mit, cc-by-nc-4.0]\n---\n": ("mit, cc-by-nc-4.0", True),
    "---\nlicense: other\nlicense_name: apple-ascl\n---\n": ("apple-ascl", True),
    "---\ntags: [x]\n---\n": ("unknown: no README.md beside the weights states one", False),
    "# A model\n\nlicense: mit\n": ("unknown: no README.md beside the weights states one", False),
    "---\nlicense: [mit\n---\n": ("unknown: no README.md beside the weights states one", False),
    None: ("unknown: no README.md beside the weights states one", False),
}


@pytest.mark.parametrize(("card", "expected"), CARDS.items(), ids=map(str, range(len(CARDS))))
def test_the_licence_of_a_folder_is_read_from_its_card(tmp_path, card, expected):
    build_encoder(tiny_entry("dinov2")).save_pretrained(tmp_path)
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    entry = entry_of(f"hf:{tmp_path}")
    assert (entry.licence, entry.is_restrictive) == expected


def test_timms_weights_that_are_not_here_say_how_to_get_them(tmp_path, monkeypatch):
    pytest.importorskip("timm")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(WeightsError, match=r"timm:test_vit needs its weights .*HF_HUB_OFFLINE=0"):
        build_teacher("timm:test_vit")


@pytest.mark.parametrize("kind", ["dinov2", "registers", "medclip"])
def test_a_folder_of_transformers_is_read_with_old_names(tmp_path, kind):
    torch.manual_seed(0)
    model = build_encoder(tiny_entry(kind)).eval()
    model.save_pretrained(tmp_path)
    facts = {"image_mean": [0.1] * 3, "image_std": [0.2] * 3, "crop_size": {"height": 64, "width": 64}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(facts))
    name = f"hf:{tmp_path}"
    entry = entry_of(name)
    assert (entry.mean, entry.std) == ((0.1,) * 3, (0.2,) * 3)
    teacher = build_teacher(name)
    images = torch.randn(1, 3, entry.input_px, entry.input_px)
    rows, cols = teacher.spec.grid
    with torch.no_grad():
        tokens = model(images).last_hidden_state
    expected = tokens[:, -rows * cols :].transpose(1, 2).unflatten(2, (rows, cols))
    torch.testing.assert_close(teacher.feature_map(images), expected, rtol=1e-4, atol=1e-5)
    if entry.summary_dim is not None:
        torch.testing.assert_close(teacher.summary(images), tokens[:, 0], rtol=1e-4, atol=1e-5)


def test_a_file_that_its_folder_is_not_read_from_is_refused(tmp_path):
    pytest.importorskip("transformers")
    model = build_encoder(tiny_entry("dinov2"))
    model.save_pretrained(tmp_path)
    (tmp_path / "best.safetensors").write_bytes((tmp_path / "model.safetensors").read_bytes())
    with pytest.raises(
        WeightsError, match=r"must be the file that its folder is read from, model.safetensors, got"
    ):
        build_teacher(f"hf:{tmp_path}", weights=tmp_path / "best.safetensors")


def test_a_folder_in_half_precision_is_widened(tmp_path):
    torch.manual_seed(0)
    build_encoder(tiny_entry("dinov2")).to(torch.bfloat16).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "bfloat16"
    teacher = build_teacher(f"hf:{tmp_path}")
    assert {parameter.dtype for parameter in teacher.parameters()} == {torch.float32}


@pytest.mark.parametrize("has_head", [True, False])
def test_a_folder_without_extra_tokens_has_no_summary(tmp_path, has_head):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.SiglipVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
        vision_use_head=has_head,
    )
    model = transformers.SiglipVisionModel(config).eval()
    model.save_pretrained(tmp_path)
    teacher = build_teacher(f"hf:{tmp_path}")
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = model(images).last_hidden_state.transpose(1, 2).unflatten(2, (4, 4))
    torch.testing.assert_close(teacher.feature_map(images), expected, rtol=1e-4, atol=1e-5)
    assert teacher.spec.summary_dim is None
    assert teacher.look(images).summary is None


def test_a_folder_with_keys_that_nobody_reads_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    build_encoder(tiny_entry("dinov2")).save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors") | {"surprise": torch.zeros(1)}
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"1 unknown keys \(model\.surprise\)"):
        build_teacher(f"hf:{tmp_path}")


def test_your_own_network_with_and_without_a_file(own_module):
    name = "python:own_teachers:teacher"
    entry = entry_of(name)
    assert (entry.dim, entry.licence, entry.intensity) == (6, "MIT", "minmax")
    assert entry.num_parameters == 6 * 3 * 64 + 6
    without = build_teacher(name)
    other = nn.Conv2d(3, 6, 8, stride=8)
    torch.save(other.state_dict(), own_module / "own.pt")
    given = build_teacher(name, weights=own_module / "own.pt")
    torch.testing.assert_close(given.encoder.weight.detach(), other.weight.detach())
    assert not torch.equal(given.encoder.weight, without.encoder.weight)
    assert not given.encoder.weight.requires_grad


UNUSABLE = {  # name of a teacher: what is said
    "timm:no_such_model": r"must name a model of timm \S+, got 'no_such_model'",
    "timm:": r"must name something, as `timm:NAME`",
    "hf:no/such-folder": r"must be a folder or a model of the hub that is on hand, got 'no/such-folder'",
    "python:own_teachers": r"python:MODULE:CALLABLE must be importable, got 'own_teachers'",
    "python:no_such_module:f": r"must be importable, got 'no_such_module:f'.*Is its folder on PYTHONPATH\?",
    "python:own_teachers:NUMBER": r"must name a callable, but own_teachers:NUMBER is none",
    "python:own_teachers:wrong": r"must return an agglo\.teachers\.OwnTeacher, got Identity",
}


@pytest.mark.parametrize(("name", "said"), UNUSABLE.items(), ids=UNUSABLE)
def test_names_that_mean_nothing_say_what_is_wrong(own_module, name, said):
    with pytest.raises(ConfigError, match=said):
        entry_of(name)


NAMES = {  # teacher's name: what its folder is called
    "sam2.1-l": "sam2.1-l",
    "timm:vit_tiny.augreg": "timm-vit_tiny.augreg",
    "hf:/models/my net": "hf-models-my-net",
}


@pytest.mark.parametrize(("name", "folder"), NAMES.items())
def test_a_recipe_calls_it_by_a_name_that_can_be_a_folder(name, folder):
    assert TeacherConfig(name=name).key == folder


class Lacking(nn.Module):
    """A network that breaks one promise."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault
        self.patches = nn.Conv2d(3, 4, 8, stride=8)

    def forward(self, images):
        found = self.patches(images)
        if self.fault in FAULTS:
            return FAULTS[self.fault][0](found, images)
        return found


def graphed(found, images):
    with torch.enable_grad():
        return found * torch.ones(1, requires_grad=True)


FAULTS = {  # name: (what becomes of a good map, what is said)
    "shape": (lambda found, _: found[:, :3], r"\(2, 4, 4, 4\) at 32 px, as it states, got \(2, 3, 4, 4\)"),
    "tokens": (lambda found, _: found.flatten(2), r"must be \[batch, dim, rows, cols\].*got \(2, 4, 16\)"),
    "type": (lambda found, _: found.half(), "float32 outside of autocast, got torch.float16"),
    "graph": (graphed, "must come without a graph"),
    "noise": (lambda found, _: found + torch.randn_like(found), "a second look differs"),
    "batch": (lambda found, _: found - found.mean(dim=0), "alone and in a batch"),
    "constant": (lambda found, _: torch.ones_like(found), "two different images give the same"),
    "swapped": (lambda found, _: found.transpose(2, 3), "seem to be swapped with columns"),
    "infinite": (lambda found, _: found / 0, "must be finite"),
    "no tensor": (lambda found, _: [found], "must be a tensor, got list"),
    "summary": (lambda found, _: (found, found.mean(dim=(2, 3))), "exactly if `summary_dim` is stated"),
    "crash": (lambda found, _: found.reshape(7), r"cannot look at \(2, 3, 32, 32\): RuntimeError"),
}


@pytest.mark.parametrize(("fault", "said"), [(name, said) for name, (_, said) in FAULTS.items()], ids=FAULTS)
def test_what_a_teacher_lacks_is_told(fault, said):
    torch.manual_seed(0)
    teacher = CustomTeacher(Lacking(fault), FeatureSpec("own", 4, 32, 8))
    assert len(found := lacks_of(teacher)) >= 1
    assert re.search(said, "\n".join(found))


def test_a_sound_network_lacks_nothing_and_all_lacks_come_at_once():
    torch.manual_seed(0)
    assert lacks_of(CustomTeacher(Lacking("none"), FeatureSpec("own", 4, 32, 8))) == []
    lying = CustomTeacher(Lacking("type"), FeatureSpec("own", 5, 32, 8, summary_dim=3))
    assert len(lacks_of(lying)) == 3


def test_an_unsound_teacher_is_refused_in_one_message(own_module):
    text = (own_module / "own_teachers.py").read_text().replace("dim=6", "dim=7")
    (own_module / "lying_teachers.py").write_text(text)
    message = (
        r"teacher python:lying_teachers:teacher must keep what every teacher keeps, but:\n  its map must be"
    )
    with pytest.raises(FeatureMismatch, match=message):
        build_teacher("python:lying_teachers:teacher")


def test_features_of_a_tuple_are_map_and_summary():
    seen = CustomTeacher(Lacking("summary"), FeatureSpec("own", 4, 32, 8, summary_dim=4)).look(
        torch.zeros(1, 3, 32, 32)
    )
    assert isinstance(seen, TeacherFeatures)
    assert seen.summary.shape == (1, 4)
