"""One video from frames to overlay and tables; what is kept when it is stopped, cut off, done already, or no video at all."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agglo.core.errors import ConfigError, ImageError
from agglo.predict import files, flags
from agglo.predict.inputs import Reading, notes_for, parse_crop, sort_inputs
from agglo_runtime.video import VideoReader
from unit.predict.necks import NAMES, Fixed, picture
from unit.runtime.test_video import store

pytest.importorskip("av", reason="needs PyAV (extra `video`)")


def study(path: Path) -> Path:
    """Write a video: four frames, two copies of the last, the beam off, one frame more."""
    frames = [picture(seed=seed) for seed in range(4)]
    dark = np.zeros((160, 160), np.uint8)
    shown = [*frames, frames[-1], frames[-1], dark, picture(seed=9)]
    return store(path, shown, codec="ffv1", pixels="gray")


@pytest.fixture
def predictor(monkeypatch: pytest.MonkeyPatch) -> Fixed:
    """Let every call use a predictor that finds the same neck in every picture."""
    fixed = Fixed()
    monkeypatch.setattr(files, "load", lambda folder: fixed)
    monkeypatch.setattr(files, "model_sha256", lambda folder: folder.name)
    return fixed


def predict(*inputs: Path, out: Path, model: str = "model", reading: Reading | None = None) -> list[str]:
    """Segment `inputs`; return what was warned of."""
    said: list[str] = []
    files.predict_files(Path(model), inputs, out, reading=reading, warn=said.append)
    return said


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def overlay(path: Path) -> list[np.ndarray]:
    with VideoReader(path) as reader:
        return [frame.grey for frame in reader.frames()]


def test_a_video_gives_overlay_areas_and_flags(predictor: Fixed, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert predict(study(tmp_path / "swallow.avi"), out=out, reading=Reading(keeps_masks=True)) == []
    frames, areas = table(out / "frames.csv"), table(out / "areas.csv")
    assert [row["flags"] for row in frames] == [
        "",
        "",
        "",
        "",
        flags.DUPLICATE,
        flags.DUPLICATE,
        flags.BEAM_OFF,
        "",
    ]
    assert [row["time_s"] for row in frames][:3] == ["0.000", "0.040", "0.080"]
    assert {row["time_source"] for row in frames} == {"container"}
    assert len(areas) == 8 * 12
    assert {row["area_mm2"] for row in areas} == {""}
    assert {row["area_px"] for row in areas if row["frame"] == "6"} == {""}
    shown = overlay(out / "swallow" / "overlay.mp4")
    assert len(shown) == 8
    assert shown[0].shape[0] > 512
    assert len(list((out / "swallow" / "masks" / "C4").glob("f*.png"))) == 8
    assert {path.name for path in (out / "swallow").iterdir()} == {
        "overlay.mp4",
        "areas.csv",
        "frames.csv",
        "done.json",
        "masks",
    }


def test_a_finished_video_is_not_done_again_unless_something_changed(
    predictor: Fixed, tmp_path: Path
) -> None:
    path, out = study(tmp_path / "a.avi"), tmp_path / "out"
    predict(path, out=out)
    before = (out / "areas.csv").read_bytes()
    assert predict(path, out=out) == ["a.avi: done already, 8 frames"]
    assert predictor.asked == 8
    assert (out / "areas.csv").read_bytes() == before
    predict(path, out=out, model="another")
    predict(path, out=out, model="another", reading=Reading(crop=(0, 0, 128, 128)))
    (out / "a" / "overlay.mp4").unlink()
    predict(path, out=out, model="another", reading=Reading(crop=(0, 0, 128, 128)))
    assert predictor.asked == 4 * 8


def test_stopping_leaves_whole_files_and_the_next_call_redoes_the_video(
    predictor: Fixed, tmp_path: Path
) -> None:
    first, second, out = study(tmp_path / "a.avi"), study(tmp_path / "b.avi"), tmp_path / "out"
    predict(first, out=out)
    before = (out / "areas.csv").read_bytes()
    predictor.stop_at = 8 + 3
    with pytest.raises(KeyboardInterrupt):
        predict(first, second, out=out)
    assert {row["file"] for row in table(out / "areas.partial.csv")} == {"a.avi"}
    assert (out / "areas.csv").read_bytes() == before, "what an earlier call has left stays"
    assert {path.name for path in (out / "b").iterdir()} == {
        "overlay.partial.mp4",
        "areas.partial.csv",
        "frames.partial.csv",
    }
    assert len(overlay(out / "b" / "overlay.partial.mp4")) == 3
    assert len(table(out / "b" / "frames.partial.csv")) == 3
    predictor.stop_at = None
    assert predict(first, second, out=out) == ["a.avi: done already, 8 frames"]
    assert {path.name for path in (out / "b").iterdir()} == {
        "overlay.mp4",
        "areas.csv",
        "frames.csv",
        "done.json",
    }
    assert [row["file"] for row in table(out / "frames.csv")] == ["a.avi"] * 8 + ["b.avi"] * 8


def test_one_bad_input_does_not_lose_the_others_and_a_cut_one_keeps_what_it_has(
    predictor: Fixed, tmp_path: Path
) -> None:
    content = study(tmp_path / "whole.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(content[: len(content) // 2])
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    Image.fromarray(picture()).save(tmp_path / "still.png")
    with pytest.raises(ImageError) as caught:
        predict(tmp_path, out=tmp_path / "out")
    message = str(caught.value)
    assert message.startswith("2 of 4 inputs were not segmented or not whole")
    assert "broken.mp4 must be a video that can be read" in message
    done = json.loads((tmp_path / "out" / "cut" / "done.json").read_text())
    assert 2 <= done["frames"] < 8
    assert f"The {done['frames']} frames that could be read are done" in message
    counted = [row["file"] for row in table(tmp_path / "out" / "frames.csv")]
    assert [counted.count(name) for name in ("still.png", "cut.avi", "whole.avi")] == [1, done["frames"], 8]
    assert (tmp_path / "out" / "overlay" / "still.png").is_file()
    assert not (tmp_path / "out" / "broken").exists()


def test_a_crop_that_does_not_fit_is_said_of_that_video(predictor: Fixed, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="a crop must lie inside the picture of 160x160"):
        predict(study(tmp_path / "a.avi"), out=tmp_path / "out", reading=Reading(crop=(0, 0, 400, 40)))
    assert not list((tmp_path / "out" / "a").iterdir())


def test_a_stated_spacing_gives_mm_with_its_source(predictor: Fixed, tmp_path: Path) -> None:
    predict(study(tmp_path / "a.avi"), out=tmp_path / "out", reading=Reading(spacing_mm=0.5))
    row = table(tmp_path / "out" / "areas.csv")[NAMES.index("C5")]
    assert (row["structure"], row["area_mm2"], row["spacing_source"]) == ("C5", "48.75", "user")


def test_an_overlay_says_research_use_only_and_names_the_phantom(predictor: Fixed, tmp_path: Path) -> None:
    predict(study(tmp_path / "a.avi"), out=tmp_path / "out")
    with VideoReader(tmp_path / "out" / "a" / "overlay.mp4") as reader:
        assert "Research use only, not a medical device" in reader.facts.comment
        assert "model trained on PHANTOM (synthetic) pictures" in reader.facts.comment


def test_notes_never_call_a_real_picture_synthetic() -> None:
    notes = ("Research use only, not a medical device", "PHANTOM: made from synthetic images")
    trained = "model trained on PHANTOM (synthetic) pictures"
    assert notes_for(notes, is_synthetic=False) == (notes[0], trained)
    assert notes_for(notes, is_synthetic=True) == (notes[0], "PHANTOM: synthetic picture", trained)
    assert notes_for(notes[:1], is_synthetic=True) == (notes[0], "PHANTOM: synthetic picture")
    assert notes_for(notes[:1], is_synthetic=False) == notes[:1]


BAD_CROPS = ["1,2,3", "a,b,c,d", "-1,0,50,50", "0,0,4,50"]


@pytest.mark.parametrize("text", BAD_CROPS)
def test_a_crop_is_four_numbers(text: str) -> None:
    with pytest.raises(ConfigError, match="--crop must"):
        parse_crop(text)
    assert parse_crop("296, 0,920,920") == (296, 0, 920, 920)


@pytest.mark.parametrize("spacing_mm", [0.0, -1.0, 300.0, float("nan")])
def test_a_spacing_must_be_one(spacing_mm: float) -> None:
    with pytest.raises(ConfigError, match="--spacing-mm must lie between"):
        Reading(spacing_mm=spacing_mm)


def test_inputs_are_sorted_and_all_that_is_wrong_is_named(tmp_path: Path) -> None:
    for name in ("b.png", "a.avi", ".hidden.avi", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert sort_inputs([tmp_path]) == ([tmp_path / "b.png"], [tmp_path / "a.avi"])
    with pytest.raises(
        ImageError, match=r"(?s)notes.txt: not an image or a video by its name.*gone.avi: no such file"
    ):
        sort_inputs([tmp_path / "notes.txt", tmp_path / "gone.avi"])
    (tmp_path / "masks.avi").write_bytes(b"")
    with pytest.raises(ImageError, match=r"must not be called masks or overlay, got masks\.avi"):
        sort_inputs([tmp_path])
    (tmp_path / "masks.avi").rename(tmp_path / "a.mp4")
    with pytest.raises(ImageError, match="are there twice: a"):
        sort_inputs([tmp_path])


def test_a_name_that_no_table_can_hold_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "Zoë.png").write_bytes(b"x")
    assert sort_inputs([tmp_path]) == ([tmp_path / "Zoë.png"], [])
    (tmp_path / "l\udce4t.png").write_bytes(b"x")
    with pytest.raises(
        ImageError, match=r"must be text, .* unknown encoding: 'l\\udce4t\.png'\. Rename them"
    ):
        sort_inputs([tmp_path])
