"""The three lessons at a size of seconds: each loss falls, gradients reach what ships, and what they are made of is right."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import default_collate

from agglo.core.progress import silent
from agglo.lab.clip import CaptionContrast, CaptionedImages, contrast, retrieval, same_caption
from agglo.lab.dino import SelfDistillation, aligned, correlation_left, follow
from agglo.lab.material import scene_set
from agglo.lab.pairs import ViewPairs, hidden_cells
from agglo.lab.prompts import ScenePrompts
from agglo.lab.sam import PromptedSegmentation, box_coverage, box_dice, soft_dice_loss, windowed_bce
from agglo.lab.words import PADDING, UNKNOWN, TextTower, Vocabulary
from agglo.teachers.catalogue import TeacherEntry
from agglo.train import Task


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return scene_set(tmp_path_factory.mktemp("scenes"), seed=9, count=12, size_px=64, progress=silent)


Entries = dict[str, TeacherEntry]


def small_sam(entries: Entries, scenes: Any) -> tuple[Task, Any]:
    entry = dataclasses.replace(entries["lab-sam"], input_px=64)
    return PromptedSegmentation(entry), ScenePrompts(scenes, seed=1, num_prompts=2, cells=16)


def small_dino(entries: Entries, scenes: Any) -> tuple[Task, Any]:
    return SelfDistillation(entries["lab-dino"]), ViewPairs(scenes.images, seed=1, cells=8, slack=2)


def small_clip(entries: Entries, scenes: Any) -> tuple[Task, Any]:
    words = Vocabulary(scenes.captions)
    task = CaptionContrast(entries["lab-clip"], len(words))
    return task, CaptionedImages(scenes.images, scenes.captions, words, 96, 1)


LESSONS = [small_sam, small_dino, small_clip]


@pytest.mark.parametrize("make", LESSONS)
def test_the_loss_falls_and_reaches_what_ships(make: Any, scenes: Any, tiny_entries: Entries) -> None:
    torch.manual_seed(3)
    task, source = make(tiny_entries, scenes)
    before = {name: value.clone() for name, value in task.encoder.state_dict().items()}
    optimizer = torch.optim.AdamW([p for p in task.parameters() if p.requires_grad], lr=2e-3)
    batch = default_collate([source.sample(index, 0) for index in range(4)])
    losses = []
    for step in range(6):
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


def test_a_view_and_its_partner_show_the_same_where_they_overlap() -> None:
    ramp = np.tile(np.linspace(60, 200, 120).astype(np.uint8), (120, 1))
    ramp = ramp // 2 + ramp.T // 2
    pairs = ViewPairs(ramp[None], seed=2, cells=8, slack=3)
    for turn in range(5):
        sample = pairs.sample(0, turn)
        means = [sample[key].unfold(0, 14, 14).unfold(1, 14, 14).mean((-2, -1)) for key in ("seen", "target")]
        moved, is_shared = aligned(means[1][None, :, :, None], sample["shift"][None])
        pair = torch.stack([means[0][is_shared[0]], moved[0, :, :, 0][is_shared[0]]])
        assert torch.corrcoef(pair)[0, 1] > 0.9


def test_half_of_the_cells_are_hidden() -> None:
    hidden = hidden_cells(np.random.default_rng(0), 16, 0.5)
    assert 0.5 <= hidden.mean() < 0.8


def test_aligned_reads_at_the_shift_and_tells_what_lies_outside() -> None:
    maps = torch.arange(9.0).reshape(1, 3, 3, 1)
    moved, is_shared = aligned(maps, torch.tensor([[1, -1]]))
    assert moved[0, :, :, 0].tolist() == [[0, 3, 4], [0, 6, 7], [0, 0, 0]]
    assert is_shared[0].tolist() == [[False, True, True], [False, True, True], [False, False, False]]


def test_correlation_is_one_for_copies_and_small_for_independent_channels() -> None:
    torch.manual_seed(0)
    noise = torch.randn(8, 64, 6)
    assert correlation_left(noise) < 0.02
    assert correlation_left(noise[..., :1].repeat(1, 1, 6)) == pytest.approx(1.0, abs=1e-4)
    constant_in_image_and_position = torch.randn(8, 1, 6) + torch.randn(1, 64, 6)
    assert correlation_left(constant_in_image_and_position + noise) == pytest.approx(
        float(correlation_left(noise)), abs=1e-4
    )


def test_the_copy_follows_slowly() -> None:
    source, target = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    expected = 0.9 * target.weight.detach() + 0.1 * source.weight.detach()
    follow(target, source, decay=0.9)
    assert torch.allclose(target.weight, expected)


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


def test_contrast_shares_the_target_between_equal_captions() -> None:
    words = torch.tensor([[2, 3], [2, 3], [4, 0]])
    is_match = same_caption(words)
    assert is_match.tolist() == [[True, True, False], [True, True, False], [False, False, True]]
    assert contrast(30.0 * is_match, is_match).item() == pytest.approx(np.log(2) * 2 / 3, abs=1e-3)
    found = retrieval(is_match.float(), is_match)
    assert found["top1"] == 1.0
    assert found["chance_top1"] == pytest.approx(5 / 9)


def test_words_are_numbered_padded_and_unknown_ones_shared() -> None:
    vocabulary = Vocabulary(["Two coins, one organ", "one wire"])
    assert vocabulary.words == ["coins", "one", "organ", "two", "wire"]
    assert vocabulary.encode("one elephant", 4).tolist() == [3, UNKNOWN, PADDING, PADDING]
    tower = TextTower(len(vocabulary), length=4, dim=8, out_dim=5).eval()
    short, long = vocabulary.encode("one wire", 3)[None], vocabulary.encode("one wire", 4)[None]
    answers: list[Tensor] = [tower(short), tower(long)]
    assert torch.allclose(*answers, atol=1e-5), "padding changes a caption's vector"
