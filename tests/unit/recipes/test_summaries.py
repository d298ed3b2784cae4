"""A teacher's summary is a column of its own, seen by the same teacher in the same precision."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from agglo.config.load import load_recipe
from agglo.core.progress import Progress, silent
from agglo.core.shapes import FeatureSpec, TeacherFeatures
from agglo.core.share import ALL, Share
from agglo.data import ViewRecipe, render_coverage, sample_view
from agglo.distill.online import _Eyes
from agglo.features import FeatureStore, Storage, fill_store
from agglo.features.looking import ReadyTeacher
from agglo.recipes.ray_workers import chunks_of
from agglo.recipes.summaries import sources_of, summarised
from agglo.teachers import Teacher, entry_of
from unit.features.test_extract import SAMPLES, bytes_of
from unit.features.test_precision import Noise

RECIPE = Path(__file__).parents[3] / "recipes" / "phantom-quick.yaml"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_summary_is_seen_in_the_precision_that_its_identity_says(precision: str) -> None:
    teacher = f"teachers=[{{name: lab-dino, precision: {precision}}}]"
    sources = sources_of(load_recipe(RECIPE, [teacher, "distill.summary=true"]))
    assert tuple(sources) == ("lab-dino", "lab-dino@summary")
    for source in sources.values():
        assert source.precision == source.identity.get("precision", "fp32") == precision
    assert sources["lab-dino@summary"].identity["map"] == "summary"


class Both(Teacher):
    """A teacher whose summary is the left upper cell of its map, which counts the pictures it was shown."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        spec = FeatureSpec(name="lab-sam", dim=4, input_px=32, stride_px=16, summary_dim=4)
        super().__init__(nn.Conv2d(3, 4, 16, stride=16), spec)
        self.seen = 0

    def look(self, images: torch.Tensor) -> TeacherFeatures:
        self.seen += len(images)
        found = self.encoder(images)
        return TeacherFeatures(found, found[:, :, 0, 0])


def test_a_summary_in_bf16_is_asked_whether_it_may_be(tmp_path: Path) -> None:
    source = ReadyTeacher(entry_of("lab-sam"), Both(), {"precision": "bf16"}, "bf16")
    fill_store(Noise(), {"one": source, "one@summary": summarised(source)}, tmp_path)
    asked = {file.parent.name for file in tmp_path.glob("columns/*/precision.json")}
    assert asked == {"one", "one@summary"}


class Long(Noise):
    """Pictures two and a half times as wide as high, letterboxed: bands of padding above and below."""

    def coverage(self, sample: int, cells: int) -> np.ndarray:
        whole = ViewRecipe(flip_probability=0.0, first_is_identity=True)
        view = sample_view(whole, seed=0, frame=0, number=0, height=560, width=1400)
        return render_coverage(view, 560, 1400, cells)


@pytest.mark.parametrize("dtype", ["fp16", "int8"])
def test_the_summary_of_a_long_picture_counts(tmp_path: Path, dtype: str) -> None:
    source = summarised(ReadyTeacher(entry_of("lab-sam"), Both(), {"precision": "bf16"}, "bf16"))
    fill_store(Long(), {"one@summary": source}, tmp_path, storage=Storage(dtype, pilot_views=32))
    column = FeatureStore.open(tmp_path).column("one@summary")
    assert column.moments().count == len(column.samples)
    assert column.is_picture(0).all()


NAMES = ("one", "one@summary")


def fill(
    folder: Path,
    *names: str,
    dtype: str = "fp16",
    share: Share = ALL,
    progress: Progress = silent,
) -> int:
    """Fill columns of a teacher, by default map and summary; return how many pictures it was shown for that."""
    source = ReadyTeacher(entry_of("lab-sam"), Both(), {})
    sources = {
        "one": source,
        "two": ReadyTeacher(source.entry, Both(), {}),
        "one@summary": summarised(source),
    }
    chosen = {name: sources[name] for name in names or NAMES}
    storage = Storage(dtype, pilot_views=20)
    fill_store(Noise(), chosen, folder, storage=storage, share=share, progress=progress)
    return source.teacher.seen


@pytest.mark.parametrize(("dtype", "pilot"), [("fp16", 0), ("int8", 20)])
def test_one_look_fills_map_and_summary_with_the_same_bytes(tmp_path: Path, dtype: str, pilot: int) -> None:
    apart = [fill(tmp_path / "apart", name, dtype=dtype) for name in NAMES]
    assert apart == [SAMPLES + pilot] * 2
    assert fill(tmp_path / "together", dtype=dtype) == SAMPLES + pilot
    assert bytes_of(tmp_path / "together") == bytes_of(tmp_path / "apart")
    assert fill(tmp_path / "together", dtype=dtype) == 0


def test_another_teacher_between_them_changes_nothing(tmp_path: Path) -> None:
    assert fill(tmp_path, "one", "two", "one@summary") == SAMPLES


@pytest.mark.parametrize("gone", NAMES)
def test_what_is_there_is_left_alone_and_what_is_lost_is_looked_at_again(tmp_path: Path, gone: str) -> None:
    fill(tmp_path)
    before = bytes_of(tmp_path)
    (tmp_path / "columns" / gone / "blocks" / "000001.json").unlink()
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("columns/*/blocks/*")}
    assert fill(tmp_path) == 64
    assert bytes_of(tmp_path) == before
    assert {path: path.stat().st_mtime_ns for path in written} == written


@pytest.mark.parametrize("world", [2, 3])
def test_a_look_is_one_processs(tmp_path: Path, world: int) -> None:
    fill(tmp_path / "alone")
    shown = [fill(tmp_path / "shared", share=Share(rank, world)) for rank in range(world)]
    assert sum(shown) == SAMPLES
    assert bytes_of(tmp_path / "shared") == bytes_of(tmp_path / "alone")


def test_both_are_told_and_their_seconds_are_the_time_that_passed(tmp_path: Path) -> None:
    told: list[tuple[int, str]] = []
    fill(tmp_path, progress=lambda done, total, note="", **_: told.append((done, note)))
    assert told == [(number, NAMES[(number - 1) % 2]) for number in range(1, 11)]
    store = FeatureStore.open(tmp_path)
    assert store.column("one").seconds == store.column("one@summary").seconds > 0


def test_no_piece_of_work_parts_a_map_from_its_summary() -> None:
    work = [(name, block) for block in range(4) for name in ("one", "one@summary", "two")]
    chunks = chunks_of(work)
    assert [each for chunk in chunks for each in chunk] == work
    assert [len(chunk) for chunk in chunks] == [5, 4, 3]
    assert chunks_of([]) == []


def test_online_too_one_look_gives_both() -> None:
    source = ReadyTeacher(entry_of("lab-sam"), Both(), {})
    eyes = _Eyes(
        {"one": source, "two": ReadyTeacher(source.entry, Both(), {}), "one@summary": summarised(source)}
    )
    pictures = torch.rand(3, 32, 32)
    seen = eyes.see(dict.fromkeys(eyes.teachers, pictures))
    assert source.teacher.seen == 3
    assert seen["one"].shape == (3, 4, 2, 2)
    torch.testing.assert_close(seen["one@summary"][:, :, 0, 0], seen["one"][:, :, 0, 0], rtol=0, atol=0)
    torch.testing.assert_close(seen["two"], seen["one"], rtol=0, atol=0)
