"""The three lessons at a size of seconds: each loss falls, gradients reach what ships, and what they are made of is right."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import default_collate

from agglo.core.progress import silent
from agglo.lab.clip import CaptionContrast, CaptionedImages, contrast, retrieval, same_caption, words_held
from agglo.lab.dino import SelfDistillation, aligned, concentration, contrast_cells, follow, patches
from agglo.lab.material import scene_set
from agglo.lab.pairs import ViewPairs, hidden_cells
from agglo.lab.prompts import ScenePrompts
from agglo.lab.sam import (
    PromptedSegmentation,
    balanced_bce,
    box_coverage,
    box_dice,
    soft_dice_loss,
    windowed_bce,
)
from agglo.lab.words import PADDING, UNKNOWN, TextTower, Vocabulary
from agglo.teachers.catalogue import CATALOGUE, TeacherEntry
from agglo.train import Task

TINY_HIERA = {
    "hidden_size": 8,
    "num_attention_heads": 1,
    "blocks_per_stage": [1, 1, 2, 1],
    "embed_dim_per_stage": [8, 16, 32, 48],
    "num_attention_heads_per_stage": [1, 1, 2, 2],
    "window_size_per_stage": [4, 4, 4, 2],
    "global_attention_blocks": [3],
    "window_positional_embedding_background_size": [2, 2],
}
TINY_VIT = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "mlp_ratio": 2,
    "image_size": 112,
    "patch_size": 14,
}
TINY_SWIN = {
    "embed_dim": 8,
    "depths": (1, 1, 1, 1),
    "num_heads": (1, 1, 2, 2),
    "window_size": 3,
    "drop_path_rate": 0.0,
}


def tiny(name: str, architecture: dict[str, Any], **facts: Any) -> TeacherEntry:
    return dataclasses.replace(CATALOGUE[name], architecture=architecture, **facts)


SAM, DINO, CLIP = (
    tiny("lab-sam", TINY_HIERA, input_px=64),
    tiny("lab-dino", TINY_VIT, dim=32, input_px=112),
    tiny("lab-clip", TINY_SWIN, dim=64, input_px=96),
)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return scene_set(tmp_path_factory.mktemp("scenes"), seed=9, count=12, size_px=64, progress=silent)


def sam(scenes: Any) -> tuple[Task, Any]:
    return PromptedSegmentation(SAM), ScenePrompts(scenes, seed=1, num_prompts=2, cells=16)


def dino(scenes: Any) -> tuple[Task, Any]:
    return SelfDistillation(DINO), ViewPairs(scenes.images, seed=1, cells=8, slack=2)


def clip(scenes: Any) -> tuple[Task, Any]:
    words = Vocabulary(scenes.captions)
    return CaptionContrast(CLIP, len(words)), CaptionedImages(scenes.images, scenes.captions, words, 96, 1)


@pytest.mark.parametrize("make", [sam, dino, clip])
def test_the_loss_falls_and_reaches_what_ships(make: Callable[[Any], tuple[Task, Any]], scenes: Any) -> None:
    torch.manual_seed(3)
    task, source = make(scenes)
    before = {name: value.clone() for name, value in task.encoder.state_dict().items()}
    optimizer = torch.optim.AdamW([p for p in task.parameters() if p.requires_grad], lr=2e-3)
    batch = default_collate([source.sample(index, 0) for index in range(6)])
    losses = []
    for step in range(12):
        outcome = task(batch, step)
        outcome.total.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(outcome.total.detach()))
        assert not any(value.requires_grad for value in outcome.scalars.values())
    assert min(losses[-3:]) < 0.9 * losses[0]
    assert any(not torch.equal(value, before[name]) for name, value in task.encoder.state_dict().items())


@pytest.mark.parametrize("make", [sam, dino, clip])
def test_samples_are_functions_of_index_and_turn(
    make: Callable[[Any], tuple[Task, Any]], scenes: Any
) -> None:
    _, source = make(scenes)
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
        which, is_shared = aligned(8, sample["shift"][None])
        moved = means[1].flatten()[which[0]]
        pair = torch.stack([means[0][is_shared[0]], moved[is_shared[0]]])
        assert torch.corrcoef(pair)[0, 1] > 0.9


def test_half_of_the_cells_are_hidden() -> None:
    hidden = hidden_cells(np.random.default_rng(0), 16, 0.5)
    assert 0.5 <= hidden.mean() < 0.8


def test_aligned_names_the_cell_at_the_shift_and_tells_what_lies_outside() -> None:
    which, is_shared = aligned(3, torch.tensor([[1, -1]]))
    assert which[0].tolist() == [[3, 3, 4], [6, 6, 7], [6, 6, 7]]
    assert is_shared[0].tolist() == [[False, True, True], [False, True, True], [False, False, False]]


def test_cells_are_told_apart_by_their_targets() -> None:
    targets = torch.eye(6)[None]
    which = torch.arange(6)[None]
    right = contrast_cells(targets, targets, which)
    assert right.shape == (1, 6)
    assert (right < 0.05).all()
    assert (contrast_cells(targets, targets, which.roll(1, 1)) > 4).all()


def test_concentration_is_one_on_a_line_and_least_when_all_directions_share() -> None:
    torch.manual_seed(0)
    noise = torch.randn(8, 64, 6)
    assert concentration(noise) == pytest.approx(1 / 6, rel=0.1)
    assert concentration(noise[..., :1] * torch.randn(6)) == pytest.approx(1.0, abs=1e-4)
    assert concentration(noise * torch.tensor([9.0, 1, 1, 1, 1, 1])) > 0.8


def test_patches_hold_the_pixels_of_each_cell_at_unit_variance() -> None:
    image = torch.rand(2, 6, 6, generator=torch.Generator().manual_seed(0))
    found = patches(image, 3)
    first = image[1, :3, 3:].flatten()
    assert found.shape == (2, 4, 9)
    assert torch.allclose(found[1, 1], (first - first.mean()) / first.std(), atol=1e-2)
    assert patches(torch.ones(1, 6, 6), 3).abs().max() == 0


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


def test_a_rare_kind_weighs_as_much_as_a_common_one() -> None:
    coverage = torch.zeros(1, 2, 8, 8)
    coverage[0, 0, 0, 0], coverage[0, 1, :4] = 1, 1
    undecided = balanced_bce(torch.zeros(1, 2, 8, 8), coverage)
    assert undecided.tolist() == pytest.approx([np.log(2)] * 2)
    assert balanced_bce(20 * (2 * coverage - 1), coverage).max() < 1e-3


def test_box_dice_gives_a_value_per_mask(scenes: Any) -> None:
    task = PromptedSegmentation(SAM)
    cases = [(scenes.images[0], scenes.masks(0)), (scenes.images[1], scenes.masks(1)[:0])]
    values = list(box_dice(task, cases))
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


def test_tags_are_the_words_a_caption_holds() -> None:
    assert words_held(torch.tensor([[2, 4, PADDING], [4, 4, 3]]), 5).tolist() == [
        [0, 0, 1, 0, 1],
        [0, 0, 0, 1, 1],
    ]


def test_words_are_numbered_padded_and_unknown_ones_shared() -> None:
    vocabulary = Vocabulary(["Two coins, one organ", "one wire"])
    assert vocabulary.words == ["coins", "one", "organ", "two", "wire"]
    assert vocabulary.encode("one elephant", 4).tolist() == [3, UNKNOWN, PADDING, PADDING]
    tower = TextTower(len(vocabulary), length=4, dim=8, out_dim=5).eval()
    short, long = vocabulary.encode("one wire", 3)[None], vocabulary.encode("one wire", 4)[None]
    answers: list[Tensor] = [tower(short), tower(long)]
    assert torch.allclose(*answers, atol=1e-5), "padding changes a caption's vector"
