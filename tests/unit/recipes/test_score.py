"""Validation says of some frames what a table of them would say: the figure that chooses weights is the one that is reported."""

from pathlib import Path

import numpy as np
import pytest

from agglo.core.errors import DataError
from agglo.data import Dataset, DatasetWriter, FrameInfo, State, open_dataset
from agglo.evaluate.scoring import ScoreRules
from agglo.evaluate.tables import table
from agglo.recipes.score import score_frames, validation_dice

SIZE = 24
FRAMES = (  # patient, video, swallow, rows of the prediction that are wrong, share of the bolus that can be seen
    ("a", "v", "1", 0, 1.0),
    ("a", "v", "1", 2, 1.0),
    ("a", "v", "1", 4, 1.0),
    ("a", "v", "2", 8, 1.0),
    ("b", "v", "1", 6, 0.2),
    ("b", "w", "1", 1, 0.9),
)


@pytest.fixture
def found(tmp_path: Path) -> Dataset:
    """Two patients with swallows of unequal length; of one frame the bolus can hardly be seen, in another there is none."""
    writer = DatasetWriter(tmp_path / "set", name="set", structures=("bolus", "pharynx", "C7"))
    for number, (patient, video, swallow, _, visible) in enumerate(FRAMES):
        masks = np.zeros((3, SIZE, SIZE), bool)
        masks[:2, 4:14, 4:20] = True
        states = [State.PRESENT, State.PRESENT, State.UNLABELLED]
        if number == 3:
            masks[0], states[0] = False, State.ABSENT
        image = np.full((SIZE, SIZE), number, np.uint8)
        info = FrameInfo(f"f{number}", patient, video, number, swallow=swallow, visible=(visible, 1.0, 1.0))
        writer.add(info, image, masks, states)
    writer.finish()
    return open_dataset(tmp_path / "set")


def one_frame(folder: Path, diagonal: str) -> Dataset:
    """A dataset of one frame, two vertebrae on it, whose field's diagonal is said."""
    writer = DatasetWriter(folder / "one", name="one", structures=("C3", "C4"))
    masks = np.zeros((2, SIZE, SIZE), bool)
    masks[0, :4], masks[1, 6:10] = True, True
    info = FrameInfo("f", "p", "v", 0, facts={"field_diagonal_px": diagonal})
    writer.add(info, np.zeros((SIZE, SIZE), np.uint8), masks, (State.PRESENT, State.PRESENT))
    writer.finish()
    return open_dataset(folder / "one")


def look(image: np.ndarray) -> np.ndarray:
    """Return masks that are off by as many rows as `FRAMES` says of the frame whose number is the picture's grey."""
    off = FRAMES[int(image[0, 0])][3]
    masks = np.zeros((3, SIZE, SIZE), bool)
    masks[:2, 4 + off : 14 + off, 4:20] = True
    masks[1, :, :6] = False
    return masks


def nothing(image: np.ndarray) -> np.ndarray:
    """Return two empty masks."""
    return np.zeros((2, *image.shape), bool)


@pytest.mark.parametrize("min_visible", [0.0, 0.5, 0.95, 1.0])
def test_validation_is_the_tables_mean(found: Dataset, min_visible: float) -> None:
    rules = ScoreRules(headline_min_visible=min_visible)
    indices = range(len(FRAMES))
    scores = table(
        score_frames(look, found, indices, rules).cases,
        split="test",
        groups=found.groups,
        teachers=(),
        is_phantom=False,
        rules=rules,
    )
    val = validation_dice(look, found, indices, rules)
    assert val["dice"] == scores["mean"]["dice"]
    assert val["structures"] == {name: row["dice"] for name, row in scores["structures"].items()}
    assert val["structures"]["C7"] is None


def test_validation_leaves_out_what_cannot_be_seen_and_weighs_patients_alike(found: Dataset) -> None:
    val = validation_dice(look, found, range(len(FRAMES)), ScoreRules())
    swallow = np.mean([1.0, 0.8, 0.6])
    assert val["structures"]["bolus"] == pytest.approx(np.mean([swallow, 0.9]))


def test_validation_of_nothing_that_counts_is_unknown(found: Dataset) -> None:
    hidden = validation_dice(look, found, [], ScoreRules())
    assert hidden == {"dice": None, "structures": {}}


@pytest.mark.parametrize(("said", "price"), [("12.5", 12.5), ("", SIZE * 2**0.5)])
def test_a_miss_costs_the_same_of_a_structure_and_of_a_column(
    tmp_path: Path, said: str, price: float
) -> None:
    scored = score_frames(nothing, one_frame(tmp_path, said), [0], ScoreRules())
    assert [case.hd95_penalised_px for case in scored.cases] == pytest.approx([price] * 2)
    assert scored.levels[0].outline.hd95_penalised_px == pytest.approx(price)


@pytest.mark.parametrize("said", ["0", "-3", "nan", "wide"])
def test_a_field_without_size_is_refused(tmp_path: Path, said: str) -> None:
    with pytest.raises(DataError, match=rf"positive number or blank, but on frame 'f' it is '{said}'; mend"):
        score_frames(nothing, one_frame(tmp_path, said), [0], ScoreRules())
