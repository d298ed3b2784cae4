"""Extraction: shares that meet nowhere and leave nothing out, honest times, and less at once where memory runs out."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from agglo.core.errors import StoreError
from agglo.core.shapes import FeatureSpec, TeacherFeatures
from agglo.core.share import Share
from agglo.data import ViewRecipe
from agglo.features import FeatureStore, fill_store
from agglo.features.extract import Pace
from agglo.features.looking import Looker, ReadyTeacher, pictures_at_once
from agglo.features.pool import Pool
from agglo.features.samples import Samples
from agglo.features.shards import BLOCK_SAMPLES
from agglo.teachers import Teacher, entry_of

SAMPLES = 4 * BLOCK_SAMPLES + 5


class Stripes(Pool):
    """A pool of pictures that each have one grey level, which notes what it has rendered."""

    rendered: list[int]

    def __init__(self) -> None:
        super().__init__((), ViewRecipe(flip_probability=0.0), 1, 0)
        object.__setattr__(self, "rendered", [])

    @property
    def samples(self) -> Samples:
        frames = tuple(str(number) for number in range(SAMPLES))
        return Samples("test", frames, (True,) * SAMPLES, 1, {}, 0)

    def render_sizes(self, sample: int, sizes_px: Collection[int]) -> dict[int, np.ndarray]:
        self.rendered.append(sample)
        return {size: np.full((size, size), sample / SAMPLES, np.float32) for size in sizes_px}

    def coverage(self, sample: int, cells: int) -> np.ndarray:
        return np.ones((cells, cells), np.float32)


class Echo(Teacher):
    """A teacher that says which grey level it sees, and notes how many pictures it was shown at once."""

    def __init__(
        self, fits: int = 10**6, spoils: Callable[[torch.Tensor], torch.Tensor] = lambda grey: grey
    ) -> None:
        super().__init__(nn.Identity(), FeatureSpec(name="lab-sam", dim=4, input_px=32, stride_px=16))
        self.fits, self.spoils = fits, spoils
        self.seen: list[int] = []

    def look(self, images: torch.Tensor) -> TeacherFeatures:
        self.seen.append(len(images))
        if len(images) > self.fits:
            raise torch.OutOfMemoryError("no room")
        grey = self.spoils(images.mean(dim=(1, 2, 3)))
        return TeacherFeatures(grey.view(-1, 1, 1, 1).expand(-1, 4, 2, 2))


def ready(teacher: Teacher, weights: str = "a") -> ReadyTeacher:
    return ReadyTeacher(entry_of("lab-sam"), teacher, {"weights_sha256": weights})


def fill(folder: Path, share: Share, teachers: Sequence[str] = ("one", "two"), **options: Any) -> list[str]:
    """Fill a store; return which blocks this call has written."""
    before = set(folder.glob("columns/*/blocks/*.json"))
    fill_store(Stripes(), {name: ready(Echo()) for name in teachers}, folder, share=share, **options)
    return sorted(
        str(path.relative_to(folder)) for path in set(folder.glob("columns/*/blocks/*.json")) - before
    )


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for kind in ("features/c/**/0", "moments/*.npz")
        for path in sorted(folder.glob(f"columns/*/{kind}"))
        if path.is_file()
    }


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_shares_meet_nowhere_and_give_the_same_store(tmp_path: Path, world: int) -> None:
    fill(tmp_path / "alone", Share())
    written = [fill(tmp_path / "shared", Share(rank, world)) for rank in range(world)]
    assert sum(map(len, written)) == len({block for some in written for block in some}) == 10
    assert max(map(len, written)) - min(map(len, written)) <= 1
    assert bytes_of(tmp_path / "shared") == bytes_of(tmp_path / "alone")


def test_what_one_has_left_another_number_of_processes_fills(tmp_path: Path) -> None:
    fill(tmp_path / "alone", Share())
    fill(tmp_path / "shared", Share(1, 3))
    for rank in range(2):
        fill(tmp_path / "shared", Share(rank, 2))
    assert bytes_of(tmp_path / "shared") == bytes_of(tmp_path / "alone")
    assert fill(tmp_path / "shared", Share()) == []


def test_a_foreign_column_is_refused_and_nothing_is_touched(tmp_path: Path) -> None:
    fill(tmp_path, Share())
    before = bytes_of(tmp_path)
    with pytest.raises(StoreError, match="made with another identity"):
        fill_store(Stripes(), {"one": ready(Echo(), "b")}, tmp_path)
    assert bytes_of(tmp_path) == before


def test_every_teacher_shows_its_pace_first(tmp_path: Path) -> None:
    told: list[tuple[int, int, str, float | None]] = []

    def progress(done: int, total: int, note: str = "", *, left_s: float | None = None) -> None:
        told.append((done, total, note, left_s))

    fill(tmp_path, Share(), progress=progress)
    assert [note for _, _, note, _ in told][:3] == ["one", "two", "one"]
    assert [done for done, *_ in told] == list(range(1, 11))
    assert told[0][3] is None
    assert all(left_s is not None and left_s > 0 for *_, left_s in told[1:-1])
    assert told[-1][3] == 0


def test_what_several_teachers_look_at_is_rendered_once(tmp_path: Path) -> None:
    pool = Stripes()
    fill_store(pool, {name: ready(Echo()) for name in ("one", "two")}, tmp_path)
    assert pool.rendered == list(range(SAMPLES))


def test_a_block_that_cannot_be_kept_is_an_error_and_those_before_it_are_there(tmp_path: Path) -> None:
    told: list[int] = []
    bad = ready(Echo(spoils=lambda images: images + torch.inf if images.mean() > 0.5 else images))
    with pytest.raises(
        StoreError, match=r"features of bad must be finite .* 48 of 64 views \(samples 144, 145, 146 …\)"
    ):
        fill_store(Stripes(), {"bad": bad}, tmp_path, progress=lambda done, *_, **__: told.append(done))
    assert told == [1, 2]
    assert FeatureStore.open(tmp_path).column("bad").missing_blocks() == [2, 3, 4]


def test_pace_weighs_blocks_by_samples_and_knows_those_of_earlier_calls(tmp_path: Path) -> None:
    store = FeatureStore.create(tmp_path, Stripes().samples)
    columns = {name: store.add_column(name, dim=4, grid=(2, 2), identity={}) for name in ("slow", "quick")}
    block = np.zeros((BLOCK_SAMPLES, 4, 2, 2), np.float16)
    columns["slow"].write_block(0, block, np.ones((BLOCK_SAMPLES, 2, 2), np.float32), seconds=64.0)
    pace = Pace({name: FeatureStore.open(tmp_path).column(name) for name in columns})
    assert pace.left_s([("slow", 1), ("slow", 4)]) == 64.0 + 5.0
    assert pace.left_s([("quick", 1)]) is None
    pace.note("quick", BLOCK_SAMPLES, 6.4)
    assert pace.left_s([("slow", 4), ("quick", 1)]) == pytest.approx(5.0 + 6.4)


def test_less_at_once_where_memory_runs_out(caplog: pytest.LogCaptureFixture) -> None:
    teacher, looker = Echo(fits=5), Looker(torch.device("cpu"), 16)
    pictures = np.stack([Stripes().render(sample, 32) for sample in range(20)])
    expected = Looker(torch.device("cpu")).look(ready(Echo()), pictures)
    np.testing.assert_array_equal(looker.look(ready(teacher), pictures), expected)
    assert teacher.seen == [16, 8, 4, 4, 4, 4, 4]
    assert "teacher lab-sam: out of memory; going on with 4 pictures at once" in caplog.text
    looker.look(ready(teacher), pictures[:4])
    assert teacher.seen[-1] == 4
    with pytest.raises(torch.OutOfMemoryError):
        Looker(torch.device("cpu")).look(ready(Echo(fits=0)), pictures)


AT_ONCE = {(224, "cpu"): 16, (256, "cpu"): 16, (518, "cpu"): 3, (1024, "cpu"): 1, (2048, "cpu"): 1}
AT_ONCE |= {(224, "cuda"): 64, (1024, "cuda"): 16, (8192, "cuda"): 1}


@pytest.mark.parametrize(("where", "expected"), AT_ONCE.items(), ids=str)
def test_pictures_at_once(where: tuple[int, str], expected: int) -> None:
    assert pictures_at_once(where[0], torch.device(where[1])) == expected
