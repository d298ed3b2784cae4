"""The light decoder's lesson: it says after a while what the frozen decoder says, and no label is looked at."""

from pathlib import Path

import numpy as np
import pytest
import torch

from agglo.align import LightTask, PictureSource
from agglo.align.light import imitation_loss
from agglo.data import DatasetWriter, FrameInfo, State, ViewRecipe, open_dataset
from agglo.decoders import LightDecoder, StructureDecoder, StructureLogits
from contracts.narrow import narrow


def task() -> LightTask:
    student = narrow("repvit")
    dims = (student.stride8_dim, student.stride4_dim)
    torch.manual_seed(1)
    taught = StructureDecoder(num_structures=3, embed_dim=16, mlp_dim=32, high_res_dims=dims, presence=True)
    with torch.no_grad():
        taught.bias.zero_()  # an untrained decoder that says something: half of everything
        taught.weigh[-1].weight.mul_(8)
    light = LightDecoder(num_structures=3, embed_dim=16, width=16, high_res_dims=dims, presence=True)
    return LightTask(student, taught, light)


def batch(seed: int) -> dict[str, torch.Tensor]:
    grey = torch.rand(4, 8, 8, generator=torch.Generator().manual_seed(seed))
    return {
        "grey": torch.nn.functional.interpolate(grey[None], size=(64, 64), mode="bilinear")[0],
        "inside": torch.ones(4, 32, 32),
    }


def test_it_learns_to_say_the_same() -> None:
    learner = task().train()
    before = {name: value.clone() for name, value in learner.named_parameters() if "light" not in name}
    optimizer = torch.optim.AdamW([each for each in learner.parameters() if each.requires_grad], lr=3e-3)
    with torch.no_grad():
        first = float(learner(batch(1000), 0).scalars["difference"])
    for step in range(60):
        optimizer.zero_grad()
        learner(batch(step), step).total.backward()
        optimizer.step()
    with torch.no_grad():
        last = float(learner(batch(1000), 0).scalars["difference"])
    assert last < 0.5 * first
    after = dict(learner.named_parameters())
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_the_same_answer_has_no_difference_and_the_least_loss() -> None:
    random = torch.Generator().manual_seed(0)
    masks, presence = torch.randn(2, 3, 4, 4, generator=random), torch.randn(2, 3, generator=random)
    said, inside = StructureLogits(masks, presence), torch.ones(2, 4, 4)
    same = imitation_loss(said, said, inside)
    assert float(same.scalars["difference"]) == 0.0
    assert float(same.scalars["masks"]) == pytest.approx(0, abs=1e-6)
    for other in (StructureLogits(masks + 0.5, presence), StructureLogits(masks, presence - 0.5)):
        assert float(imitation_loss(other, said, inside).total) > float(same.total)


def test_padding_and_presence_that_is_not_told_count_nothing() -> None:
    masks, inside = torch.zeros(1, 2, 4, 4), torch.ones(1, 4, 4)
    inside[:, 2:] = 0
    changed = masks.clone()
    changed[:, :, 2:] = 5.0
    said = StructureLogits(torch.ones(1, 2, 4, 4), torch.zeros(1, 2))
    found = imitation_loss(StructureLogits(masks), said, inside)
    assert "presence" not in found.scalars
    other = imitation_loss(StructureLogits(changed), said, inside)
    assert float(other.total) == pytest.approx(float(found.total))
    assert float(other.scalars["difference"]) == pytest.approx(float(found.scalars["difference"]))


def test_pictures_come_with_what_of_them_is_padding(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path, name="bare", structures=["C2"], description={})
    info = FrameInfo(id="f", patient="p", video="v", index=0)
    writer.add(info, np.full((16, 32), 200, np.uint8), np.zeros((1, 16, 32), bool), [State.UNLABELLED])
    writer.finish()
    recipe = ViewRecipe(flip_probability=0.0, zoom=(1.0, 1.0), gain=(1.0, 1.0), offset=(0.0, 0.0))
    source = PictureSource([(open_dataset(tmp_path), 0)], recipe, size_px=32, seed=0)
    first, again, next_epoch = (source.sample(0, turn) for turn in (0, 0, 1))
    assert first.keys() == {"grey", "inside"}
    assert first["grey"].shape == (32, 32)
    assert first["inside"].shape == (16, 16)
    assert torch.equal(first["grey"], again["grey"])
    assert not torch.equal(first["grey"], next_epoch["grey"])
    assert 0.3 < float(first["inside"].mean()) < 0.7
