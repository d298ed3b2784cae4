"""Stage 2's objective: the mask losses by hand, and what is not known leaves no trace."""

from pathlib import Path

import numpy as np
import pytest
import torch

from agglo.align import (
    AlignTask,
    EncoderTuning,
    MaskSource,
    binary_cross_entropy,
    dice_loss,
    known_loss,
    presence_loss,
)
from agglo.data import DatasetWriter, FrameInfo, State, ViewRecipe, open_dataset
from agglo.decoders import StructureDecoder, StructureLogits
from agglo.students import build_student

BIG = 30.0
LOSS_CASES = {  # name: (logits, coverage, dice loss, cross-entropy)
    "right": ([BIG, -BIG, -BIG, -BIG], [1.0, 0.0, 0.0, 0.0], 0.0, 0.0),
    "missed": ([-BIG] * 4, [1.0, 0.0, 0.0, 0.0], 1 - 1 / 2, BIG / 4),
    "nothing where nothing is": ([-BIG] * 4, [0.0] * 4, 0.0, 0.0),
    "all where nothing is": ([BIG] * 4, [0.0] * 4, 1 - 1 / 5, BIG),
    "undecided": ([0.0] * 4, [0.5] * 4, 1 - 3 / 5, 0.6931472),
}


@pytest.mark.parametrize(("logits", "coverage", "dice", "entropy"), LOSS_CASES.values(), ids=LOSS_CASES)
def test_mask_losses(logits: list[float], coverage: list[float], dice: float, entropy: float) -> None:
    maps = (*(torch.tensor(each).reshape(1, 1, 2, 2) for each in (logits, coverage)), torch.ones(1, 2, 2))
    assert float(dice_loss(*maps)) == pytest.approx(dice, abs=1e-5)
    assert float(binary_cross_entropy(*maps)) == pytest.approx(entropy, rel=1e-5, abs=1e-5)


PRESENCE_CASES = {  # name: (logit, is it there, loss)
    "sure and right": (BIG, True, 0.0),
    "sure and wrong": (BIG, False, BIG),
    "undecided": (0.0, False, 0.6931472),
    "rightly absent": (-2.0, False, 0.1269280),
}


@pytest.mark.parametrize(("logit", "there", "loss"), PRESENCE_CASES.values(), ids=PRESENCE_CASES)
def test_presence_loss(logit: float, there: bool, loss: float) -> None:
    found = presence_loss(torch.tensor([[logit]]), torch.tensor([[float(there)]]))
    assert float(found) == pytest.approx(loss, abs=1e-5)


def test_padding_counts_nothing_and_half_a_cell_half() -> None:
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0]).reshape(1, 1, 2, 2).requires_grad_()
    coverage = torch.tensor([1.0, 0.0, 0.0, 0.0]).reshape(1, 1, 2, 2)
    inside = torch.tensor([1.0, 0.5, 0.0, 0.0]).reshape(1, 2, 2)
    entropy, dice = (loss(logits, coverage, inside) for loss in (binary_cross_entropy, dice_loss))
    assert float(entropy.detach()) == pytest.approx((0.6931472 + 0.5 * 1.3132617) / 1.5)
    assert float(dice.detach()) == pytest.approx(1 - (2 * 0.5 + 1) / (0.5 + 0.5 * 0.7310586 + 1 + 1))
    (entropy + dice).sum().backward()
    assert logits.grad is not None
    assert (logits.grad[0, 0] != 0).tolist() == [[True, True], [False, False]]
    for loss in (binary_cross_entropy, dice_loss):
        assert float(loss(logits.detach(), coverage, torch.zeros(1, 2, 2))) == 0.0


def test_what_the_decoder_says_of_padding_has_no_influence() -> None:
    learner, samples = task(EncoderTuning()).eval(), batch()
    samples["inside"][:, 16:] = 0
    before = learner(samples, 0).total
    samples["coverage"][:, :, 16:] = 1 - samples["coverage"][:, :, 16:]
    assert torch.equal(learner(samples, 0).total, before)
    samples["inside"][:, 16:] = 1
    assert not torch.equal(learner(samples, 0).total, before)


def test_a_source_says_where_its_views_show_the_picture(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path, name="wide", structures=["C2"], description={})
    info = FrameInfo(id="f", patient="p", video="v", index=0)
    writer.add(info, np.full((16, 32), 200, np.uint8), np.ones((1, 16, 32), bool), [State.PRESENT])
    writer.finish()
    recipe = ViewRecipe(flip_probability=0.5, zoom=(0.7, 1.0), gain=(1.0, 1.0), offset=(0.0, 0.0))
    source = MaskSource(open_dataset(tmp_path), [0], recipe, size_px=32, seed=1)
    for turn in range(4):
        sample = source.sample(0, turn)
        assert torch.equal(sample["inside"], sample["coverage"][0])
        assert 0 < float(sample["inside"].mean()) < 0.75


def task(encoder: EncoderTuning) -> AlignTask:
    torch.manual_seed(0)
    student = build_student("repvit", embed_dim=32)
    dims = (student.stride8_dim, student.stride4_dim)
    return AlignTask(
        student, StructureDecoder(num_structures=3, embed_dim=32, high_res_dims=dims), encoder=encoder
    )


def batch() -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    return {
        "grey": torch.rand(2, 64, 64, generator=random),
        "coverage": (torch.rand(2, 3, 32, 32, generator=random) > 0.7).float(),
        "inside": torch.ones(2, 32, 32),
        "known": torch.tensor([[True, False, True], [True, False, False]]),
        "absent": torch.zeros(2, 3, dtype=torch.bool),
    }


def test_what_is_not_known_has_no_influence() -> None:
    learner, samples = task(EncoderTuning()), batch()
    before = learner.eval()(samples, 0).total
    samples["coverage"][:, 1] = 1 - samples["coverage"][:, 1]
    samples["coverage"][1, 2] = 0.5
    assert torch.equal(learner(samples, 0).total, before)
    samples["coverage"][0, 0] = 1 - samples["coverage"][0, 0]
    assert not torch.equal(learner(samples, 0).total, before)


def test_an_absent_structure_is_judged_by_the_cross_entropy_alone() -> None:
    """As a Dice loss, one frame without any structure would outweigh the frames that have some."""
    samples = batch()
    samples["known"][:] = True
    samples["coverage"][1] = 0  # nothing is in the second frame
    logits = torch.zeros(2, 3, 32, 32, requires_grad=True)
    outcome = known_loss(StructureLogits(logits), samples, dice_weight=1.0)
    present = {name: each[:1] for name, each in samples.items()}
    alone = known_loss(StructureLogits(logits[:1]), present, dice_weight=1.0)
    assert float(outcome.scalars["dice_loss"]) == pytest.approx(float(alone.scalars["dice_loss"]))
    assert float(outcome.scalars["bce"]) == pytest.approx(0.6931472)
    outcome.total.backward()
    assert logits.grad is not None
    here, elsewhere = (float(logits.grad[frame].abs().sum()) for frame in (0, 1))
    assert 0 < elsewhere < here
    samples["known"][0] = False
    assert float(known_loss(StructureLogits(logits), samples, dice_weight=1.0).scalars["dice_loss"]) == 0.0


SEEN_CASES = {  # name: (known, absent, coverage in the view, sign of the gradient on the logit of presence)
    "shown": (True, False, 1.0, -1),
    "hardly shown": (True, False, 0.25, -1),
    "absent": (True, True, 0.0, 1),
    "cut off by the view": (True, False, 0.0, 0),
    "not assessable or unlabelled": (False, False, 0.0, 0),
    "not known, whatever its mask says": (False, False, 1.0, 0),
}


@pytest.mark.parametrize(("known", "absent", "covered", "sign"), SEEN_CASES.values(), ids=SEEN_CASES)
def test_what_teaches_presence(known: bool, absent: bool, covered: float, sign: int) -> None:
    coverage = torch.zeros(1, 1, 4, 4)
    coverage[0, 0, 1, 2] = covered
    samples = {
        "coverage": coverage,
        "inside": torch.ones(1, 4, 4),
        "known": torch.tensor([[known]]),
        "absent": torch.tensor([[absent]]),
    }
    presence = torch.zeros(1, 1, requires_grad=True)
    outcome = known_loss(StructureLogits(torch.zeros(1, 1, 4, 4), presence), samples, dice_weight=1.0)
    outcome.total.backward()
    assert presence.grad is not None
    assert int(presence.grad.sign()) == sign
    assert float(outcome.scalars["presence"]) == pytest.approx(0.6931472 if sign else 0.0)


def test_what_padding_alone_covers_is_cut_off_too() -> None:
    samples = batch()
    samples["inside"][:] = 0
    presence = torch.zeros(2, 3)
    found = known_loss(StructureLogits(torch.zeros(2, 3, 32, 32), presence), samples, dice_weight=1.0)
    assert float(found.scalars["presence"]) == 0.0


def test_without_presence_the_loss_is_that_of_masks() -> None:
    samples, masks = batch(), torch.zeros(2, 3, 32, 32)
    plain = known_loss(StructureLogits(masks), samples, dice_weight=1.0)
    told = known_loss(StructureLogits(masks, torch.zeros(2, 3)), samples, dice_weight=1.0)
    assert "presence" not in plain.scalars
    assert float(told.total) == pytest.approx(float(plain.total) + 0.6931472)


def test_a_source_tells_absent_from_what_is_not_known(tmp_path: Path) -> None:
    names = ["C1", "C2", "C3", "C4"]
    states = [State.PRESENT, State.ABSENT, State.UNLABELLED, State.NOT_ASSESSABLE]
    writer = DatasetWriter(tmp_path, name="states", structures=names, description={})
    masks = np.zeros((4, 16, 16), bool)
    masks[0, 4:8, 4:8] = True
    writer.add(
        FrameInfo(id="f", patient="p", video="v", index=0), np.full((16, 16), 9, np.uint8), masks, states
    )
    writer.finish()
    source = MaskSource(open_dataset(tmp_path), [0], ViewRecipe(flip_probability=0.0), size_px=32, seed=1)
    sample = source.sample(0, 0)
    assert sample["known"].tolist() == [True, True, False, False]
    assert sample["absent"].tolist() == [False, True, False, False]


def test_a_batch_without_any_label_has_loss_zero() -> None:
    samples = batch()
    samples["known"][:] = False
    assert float(task(EncoderTuning())(samples, 0).total.detach()) == 0.0


ENCODERS = {  # name: (encoder, step, does it get gradients, do its norms move)
    "frozen": (EncoderTuning(tuned_from=None), 100, False, False),
    "not yet tuned": (EncoderTuning(tuned_from=5), 4, False, False),
    "tuned": (EncoderTuning(tuned_from=5), 5, True, False),
    "trained": (EncoderTuning(tuned_from=0, norms="trained"), 0, True, True),
}


@pytest.mark.parametrize(("encoder", "step", "has_gradients", "norms_move"), ENCODERS.values(), ids=ENCODERS)
def test_how_the_encoder_takes_part(
    encoder: EncoderTuning, step: int, has_gradients: bool, norms_move: bool
) -> None:
    learner = task(encoder).train()
    before = {name: buffer.clone() for name, buffer in learner.student.named_buffers()}
    learner(batch(), step).total.backward()
    gradients = [parameter.grad is not None for parameter in learner.student.encoder.parameters()]
    assert any(gradients) == has_gradients
    moved = [not torch.equal(before[name], buffer) for name, buffer in learner.student.named_buffers()]
    assert any(moved) == norms_move
    assert all(parameter.grad is not None for parameter in learner.decoder.parameters())
