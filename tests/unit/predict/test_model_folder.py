"""Model folders: what is saved is what is loaded; what is not whole is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import agglo
from agglo.core.errors import ModelFolderError
from agglo.decoders import StructureDecoder
from agglo.predict import Model, ModelConfig, Predictor, load, save_model
from agglo.predict.files import predict_files
from agglo.predict.inputs import Reading
from agglo.students import build_student

NAMES = ("bolus", "C4")


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, Predictor]:
    torch.manual_seed(3)
    student = build_student("repvit", embed_dim=32).eval()
    options = {
        "num_structures": 2,
        "embed_dim": 32,
        "grid_stride": 16,
        "high_res_dims": (student.stride8_dim, student.stride4_dim),
    }
    decoder = StructureDecoder(**options).eval()
    entry = student.entry
    config = ModelConfig(
        name="test",
        student={"name": "repvit", "neck": "fusing", "embed_dim": 32},
        decoder=options,
        structures=NAMES,
        input_px=64,
        mean=tuple(entry.mean),
        std=tuple(entry.std),
        threshold=0.05,
        teachers=(
            {"name": "lab-sam", "licence": "Apache-2.0", "labels_seen": "none of VFSS", "restriction": None},
            {
                "name": "medclip",
                "licence": "none",
                "labels_seen": "reports",
                "restriction": "no right is granted",
            },
        ),
    )
    model = Model(student, decoder, config)
    return save_model(tmp_path / "model", model), Predictor(model)


def test_a_model_moves_as_one(saved: tuple[Path, Predictor]) -> None:
    _, predictor = saved
    assert predictor.device == torch.device("cpu")
    moved = predictor.to(torch.device("meta"))
    assert moved is predictor
    assert predictor.device.type == "meta"
    assert all(parameter.device.type == "meta" for parameter in predictor.decoder.parameters())


def test_a_loaded_model_answers_as_the_saved_one(saved: tuple[Path, Predictor]) -> None:
    folder, original = saved
    image = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (50, 80), dtype=np.uint8)
    loaded = load(folder)
    assert loaded.config == original.config
    np.testing.assert_array_equal(loaded.logits(image)[0], original.logits(image)[0])
    masks = loaded.predict(image)
    assert tuple(masks) == NAMES
    assert all(
        (mask == expected).all() for mask, expected in zip(masks.values(), original.masks(image), strict=True)
    )


def test_a_folder_from_before_presence_answers_as_before(saved: tuple[Path, Predictor]) -> None:
    folder, original = saved
    image = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (50, 80), dtype=np.uint8)
    content = json.loads((folder / "config.json").read_text())
    assert "presence" not in content["decoder"]
    spoil_config(folder, presence_threshold=None)
    content = json.loads((folder / "config.json").read_text())
    assert not {"presence_threshold", "prompts"} & content.keys()
    old = load(folder)
    assert old.look(image).presence is None
    np.testing.assert_array_equal(old.masks(image), original.masks(image))
    np.testing.assert_array_equal(old.segment(image).confidence, original.segment(image).confidence)


@pytest.fixture
def telling(tmp_path: Path, saved: tuple[Path, Predictor]) -> Predictor:
    """A model that finds both structures everywhere, and says that the second is not there."""
    _, plain = saved
    options = {**plain.config.decoder, "presence": True}
    decoder = StructureDecoder(**options)
    state = {**decoder.state_dict(), **plain.decoder.state_dict()}
    state["tell_presence.judge.2.weight"] = torch.zeros(1, 32)
    state["tell_presence.judge.2.bias"] = torch.zeros(1)
    state["tell_presence.bias"] = torch.tensor([1.0, -1.0])
    decoder.load_state_dict(state)
    config = replace(plain.config, decoder=options, threshold=0.001)
    return load(save_model(tmp_path / "telling", Model(plain.student, decoder, config)))


def test_what_is_not_there_has_no_mask_and_no_confidence(telling: Predictor) -> None:
    image = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (50, 80), dtype=np.uint8)
    seen = telling.look(image)
    assert seen.presence is not None
    np.testing.assert_allclose(seen.presence, [1.0, -1.0], rtol=1e-6)
    segmented = telling.segment(image)
    assert segmented.masks.any(axis=(1, 2)).tolist() == [True, False]
    np.testing.assert_array_equal(telling.masks(image), segmented.masks)
    chance = 1 / (1 + np.exp(-1))
    inside = 1 / (1 + np.exp(-seen.letterbox.undo(seen.masks)[0][segmented.masks[0]]))
    assert segmented.confidence[0] == pytest.approx(chance * inside.mean(), rel=1e-5)
    assert np.isnan(segmented.confidence[1])


def test_the_folder_says_from_when_on_a_structure_is_there(telling: Predictor) -> None:
    image = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (50, 80), dtype=np.uint8)
    for threshold, kept in ((0.2, [True, True]), (0.8, [False, False])):
        config = replace(telling.config, presence_threshold=threshold)
        found = Predictor(Model(telling.student, telling.decoder, config))
        assert found.masks(image).any(axis=(1, 2)).tolist() == kept


def test_the_card_names_teachers_and_limits(saved: tuple[Path, Predictor]) -> None:
    card = (saved[0] / "README.md").read_text()
    assert "lab-sam: licence Apache-2.0; labels it has seen: none of VFSS" in card
    assert (
        "medclip: licence none; MAY RESTRICT THIS MODEL: no right is granted; labels it has seen: reports"
        in card
    )
    assert "Research use only, not a medical device" in card


def test_white_bone_is_inverted_in_python_too(saved: tuple[Path, Predictor], tmp_path: Path) -> None:
    _, predictor = saved
    dark = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (40, 40), dtype=np.uint8)
    expected = predictor.predict(dark)
    assert any((mask != predictor.predict(255 - dark)[name]).any() for name, mask in expected.items())
    Image.fromarray(255 - dark).save(tmp_path / "white.png")
    for found in (
        predictor.predict(255 - dark, is_inverted=True),
        predictor.predict(tmp_path / "white.png", is_inverted=True),
    ):
        for name, mask in expected.items():
            np.testing.assert_array_equal(found[name], mask)


def test_the_folder_says_which_agglo_wrote_it(saved: tuple[Path, Predictor]) -> None:
    assert json.loads((saved[0] / "config.json").read_text())["agglo_version"] == agglo.__version__
    assert f"- agglo: {agglo.__version__}\n" in (saved[0] / "README.md").read_text()


def test_white_bone_is_inverted_on_request(saved: tuple[Path, Predictor], tmp_path: Path) -> None:
    folder, original = saved
    dark = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (40, 40), dtype=np.uint8)
    Image.fromarray(255 - dark).save(tmp_path / "white.png")
    assert (
        predict_files(folder, [tmp_path / "white.png"], tmp_path / "out", reading=Reading(is_inverted=True))
        == 1
    )
    for name, mask in zip(NAMES, original.masks(dark), strict=True):
        written = np.asarray(Image.open(tmp_path / "out" / "masks" / name / "white.png"))
        assert ((written > 0) == mask).all()


def spoil_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


SPOILT = {
    "no config": (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
    "torn config": (lambda folder: (folder / "config.json").write_text("{"), "must be JSON"),
    "newer format": (lambda folder: spoil_config(folder, format_version=2), "has format_version 2"),
    "unknown key": (lambda folder: spoil_config(folder, colour="red"), r"unknown \['colour'\]"),
    "lacking key": (lambda folder: spoil_config(folder, structures=None), r"lacks \['structures'\]"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "is absent"),
    "torn weights": (
        lambda folder: (folder / "model.safetensors").write_bytes(
            (folder / "model.safetensors").read_bytes()[:-9]
        ),
        "was altered or cut off",
    ),
    "other parts": (
        lambda folder: spoil_config(folder, student={"name": "repvit", "neck": "fusing", "embed_dim": 16}),
        "does not fit",
    ),
}


@pytest.mark.parametrize(("spoil", "text"), SPOILT.values(), ids=SPOILT)
def test_a_folder_that_is_not_whole_is_refused(
    saved: tuple[Path, Predictor], spoil: object, text: str
) -> None:
    spoil(saved[0])  # type: ignore[operator]
    with pytest.raises(ModelFolderError, match=text):
        load(saved[0])
