"""The three lessons at a size of seconds: each loss falls, gradients reach what ships, and what they are made of is right."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import default_collate

from agglo.core.progress import silent
from agglo.data.views import identity_view, sample_view
from agglo.lab.clip import CaptionedImages, TextContrast, balanced
from agglo.lab.crops import GEOMETRY, SURROUNDINGS, Crops, places, surroundings
from agglo.lab.dino import BINS, PiecesInPlaces, blurred_bins, concentration, expected_place
from agglo.lab.jobs import chosen
from agglo.lab.material import scene_set
from agglo.lab.phrases import Question, answers_to, balanced_accuracy, mirrored, telling_texts, texts_of
from agglo.lab.prompts import ScenePrompts
from agglo.lab.sam import (
    PromptedSegmentation,
    balanced_bce,
    box_coverage,
    box_dice,
    soft_dice_loss,
    windowed_bce,
)
from agglo.lab.scenes import KINDS
from agglo.lab.words import PADDING, UNKNOWN, TextTower, Vocabulary
from agglo.teachers.catalogue import TeacherEntry
from agglo.train import Task


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return scene_set(tmp_path_factory.mktemp("scenes"), seed=9, count=12, size_px=64, progress=silent)


Entries = dict[str, TeacherEntry]


def small_sam(entries: Entries, scenes: Any) -> tuple[Task, Any]:
    entry = dataclasses.replace(entries["lab-sam"], input_px=64)
    source = ScenePrompts(scenes, seed=1, num_kinds=len(KINDS), num_prompts=2, cells=16)
    return PromptedSegmentation(entry, len(KINDS), scenes.images, 1), source


def small_dino(entries: Entries, scenes: Any) -> tuple[Task, Any]:
    return PiecesInPlaces(entries["lab-dino"], scenes.images, 1), Crops(scenes.images, seed=1, cells=8)


def small_clip(entries: Entries, scenes: Any) -> tuple[Task, Any]:
    texts = telling_texts(scenes.captions)
    task = TextContrast(entries["lab-clip"], texts, scenes.images, 1)
    return task, CaptionedImages(scenes.images, scenes.captions, texts, 96, 1)


LESSONS = [small_sam, small_dino, small_clip]


@pytest.mark.parametrize("make", LESSONS)
def test_the_loss_falls_and_reaches_what_ships(make: Any, scenes: Any, tiny_entries: Entries) -> None:
    torch.manual_seed(3)
    task, source = make(tiny_entries, scenes)
    before = {name: value.clone() for name, value in task.encoder.state_dict().items()}
    optimizer = torch.optim.AdamW([p for p in task.parameters() if p.requires_grad], lr=2e-3)
    batch = default_collate([source.sample(index, 0) for index in range(4)])
    losses = []
    for step in range(12):
        outcome = task(batch, step)
        outcome.total.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(outcome.total.detach()))
        assert not any(value.requires_grad for value in outcome.scalars.values())
    assert losses[-1] < 0.97 * losses[0]
    assert any(not torch.equal(value, before[name]) for name, value in task.encoder.state_dict().items())


@pytest.mark.parametrize("make", LESSONS)
def test_samples_are_functions_of_index_and_turn(make: Any, scenes: Any, tiny_entries: Entries) -> None:
    _, source = make(tiny_entries, scenes)
    first, again, later = source.sample(1, 0), source.sample(1, 0), source.sample(1, 1)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], later[key]) for key in first)


def test_places_are_those_of_the_source() -> None:
    still = places(identity_view(40, 40), cells=4, rows=40, cols=40).reshape(4, 4, 2)
    assert still[0, :, 0].tolist() == pytest.approx([-0.75, -0.25, 0.25, 0.75])
    assert still[:, 0, 1].tolist() == pytest.approx([-0.75, -0.25, 0.25, 0.75])
    ramp = np.tile(np.arange(40, dtype=np.uint8) * 6, (40, 1))
    crops = Crops(ramp[None], seed=2, cells=8, shown=1.0)
    for turn in range(6):
        view = sample_view(GEOMETRY, seed=2, frame=0, number=turn, height=40, width=40)
        sample = crops.sample(0, turn)
        across = sample["place"][:, 0] * (-1 if view.is_flipped else 1)
        brightness = torch.nn.functional.avg_pool2d(sample["image"][None], 14).flatten()
        is_inside = (sample["place"].abs() < 0.9).all(-1)
        pair = torch.stack([brightness[is_inside], across[is_inside]])
        assert torch.corrcoef(pair)[0, 1] > 0.95


def test_half_of_the_cells_are_shown_each_once(scenes: Any) -> None:
    shown = Crops(scenes.images, seed=1, cells=8).sample(0, 0)["shown"]
    assert len(shown) == len(set(shown.tolist())) == 32


def test_surroundings_hold_the_neighbours() -> None:
    image = torch.zeros(32, 32)
    image[8:16, 16:24] = 1.0  # one of 4 x 4 cells: row 1, column 2
    around = surroundings(image, 4).reshape(4, 4, SURROUNDINGS, SURROUNDINGS)
    below = around[2, 2] > 0
    assert below.nonzero().tolist() == [[0, 2], [0, 3], [1, 2], [1, 3]]
    assert around.mean((-2, -1)).abs().max() < 1e-5


def test_an_answer_in_the_right_bin_is_expected_where_it_is() -> None:
    truth = torch.tensor([[[0.5, -0.5], [0.0, 0.1]]])
    shares = blurred_bins(truth)
    assert shares.shape == (1, 2, BINS**2)
    assert shares.sum(-1).tolist() == [pytest.approx([1.0, 1.0])]
    assert torch.allclose(expected_place(shares), truth, atol=0.02)


def test_features_of_pieces_do_not_know_where_they_stood(scenes: Any, tiny_entries: Entries) -> None:
    torch.manual_seed(1)
    task, _ = small_dino(tiny_entries, scenes)
    image = torch.rand(1, 112, 112)
    moved = image.roll((28, 14), (1, 2))
    shown = torch.arange(64)[None]
    first, second = (task.eval().tokens(picture, shown) for picture in (image, moved))
    expected = first.reshape(1, 8, 8, -1).roll((2, 1), (1, 2)).flatten(1, 2)
    assert torch.allclose(second, expected, atol=1e-4)


def test_concentration_is_one_on_a_line_and_small_for_independent_channels() -> None:
    torch.manual_seed(0)
    noise = torch.randn(8, 64, 6)
    assert concentration(noise) == pytest.approx(1 / 6, abs=0.01)
    assert concentration(noise[..., :1].repeat(1, 1, 6)) == pytest.approx(1.0, abs=1e-4)


def test_box_coverage_counts_parts_of_cells() -> None:
    covered = box_coverage(torch.tensor([[0.25, 0.0, 0.625, 0.5]]), 4)
    assert covered[0].tolist() == [[0, 1, 0.5, 0], [0, 1, 0.5, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_losses_of_prompts_are_small_only_when_right() -> None:
    coverage = torch.zeros(1, 1, 8, 8)
    coverage[..., 2:5, 2:6] = 1
    box = torch.tensor([[[2.0, 2.0, 6.0, 5.0]]]) / 8
    right, wrong = 20 * (2 * coverage - 1), -20 * (2 * coverage - 1)
    for loss in (soft_dice_loss, lambda logits, target: windowed_bce(logits, target, box)):
        assert loss(right, coverage).item() == pytest.approx(0, abs=1e-3)
        assert loss(wrong, coverage).item() > 0.9


def test_box_dice_gives_a_value_per_mask(scenes: Any, tiny_entries: Entries) -> None:
    task, _ = small_sam(tiny_entries, scenes)
    cases = [(scenes.images[0], scenes.masks(0)), (scenes.images[1], scenes.masks(1)[:0])]
    values = box_dice(task, cases)
    assert [len(value) for value in values] == [len(scenes.masks(0)), 0]
    assert ((values[0] >= 0) & (values[0] <= 1)).all()


def test_kinds_weigh_the_same_however_rare() -> None:
    coverage = torch.zeros(1, 2, 4, 4)
    coverage[0, 0, 0, 0] = 1
    right = 20 * (2 * coverage - 1)
    assert balanced_bce(right, coverage).tolist() == pytest.approx([0, 0], abs=1e-3)
    assert balanced_bce(torch.full((1, 2, 4, 4), -20.0), coverage)[0].item() == pytest.approx(10, abs=0.01)


CAPTION = "patient facing left, oral hold, no teeth, ring marker and ruler in the picture"


def test_a_caption_holds_its_phrases_its_lists_and_its_words() -> None:
    held = texts_of(CAPTION)
    assert {"patient facing left", "oral hold", "no teeth", "ring marker", "ruler", "left"} <= held
    assert mirrored(CAPTION).startswith("patient facing right, oral")
    assert telling_texts([CAPTION, mirrored(CAPTION)]) == (
        "left",
        "patient facing left",
        "patient facing right",
        "right",
    )


def test_questions_are_answered_by_captions_and_by_logits() -> None:
    facing = Question("facing", ("patient facing left", "patient facing right"))
    ruler = Question("ruler", ("ruler",))
    captions = [CAPTION, mirrored(CAPTION), "scene in a round field"]
    assert answers_to(facing, captions).tolist() == [0, 1, -1]
    assert answers_to(ruler, captions).tolist() == [0, 0, 1]
    logits = torch.tensor([[0.1, 2.0, -1.0], [3.0, -1.0, 2.0]])
    texts = ("patient facing right", "patient facing left", "ruler")
    assert chosen(facing, logits, texts).tolist() == [0, 1]
    assert chosen(ruler, logits, texts).tolist() == [1, 0]
    truth = np.array([0, 0, 0, 1, -1])
    assert balanced_accuracy(np.array([0, 0, 1, 1, 1]), truth) == pytest.approx((2 / 3 + 1) / 2)
    assert np.isnan(balanced_accuracy(truth[:3], truth[:3]))


def test_a_rare_text_weighs_as_much_where_it_holds_as_where_not() -> None:
    held = torch.tensor([[1.0], [0.0], [0.0], [0.0]])
    assert balanced(held, held).item() == pytest.approx(0.5)
    assert balanced(torch.ones(4, 1), held * 0).item() == pytest.approx(1.0)


def test_a_mirrored_picture_gets_a_mirrored_caption(scenes: Any) -> None:
    captions = ["patient facing left"] * len(scenes)
    texts = ("patient facing left", "patient facing right")
    source = CaptionedImages(scenes.images, captions, texts, 64, seed=1)
    held = {tuple(source.sample(0, turn)["held"].tolist()) for turn in range(12)}
    assert held == {(1.0, 0.0), (0.0, 1.0)}


def test_words_are_numbered_padded_and_unknown_ones_shared() -> None:
    vocabulary = Vocabulary(["Two coins, one organ", "one wire"])
    assert vocabulary.words == ["coins", "one", "organ", "two", "wire"]
    assert vocabulary.encode("one elephant", 4).tolist() == [3, UNKNOWN, PADDING, PADDING]
    tower = TextTower(len(vocabulary), length=4, dim=8, out_dim=5).eval()
    short, long = vocabulary.encode("one wire", 3)[None], vocabulary.encode("one wire", 4)[None]
    answers: list[Tensor] = [tower(short), tower(long)]
    assert torch.allclose(*answers, atol=1e-5), "padding changes a caption's vector"
