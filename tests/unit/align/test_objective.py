"""Stage 2's objective: the mask losses by hand, and what is not known leaves no trace."""

import pytest
import torch

from agglo.align import AlignTask, EncoderTuning, binary_cross_entropy, dice_loss
from agglo.decoders import StructureDecoder
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
    maps = torch.tensor(logits).reshape(1, 1, 2, 2), torch.tensor(coverage).reshape(1, 1, 2, 2)
    assert float(dice_loss(*maps)) == pytest.approx(dice, abs=1e-5)
    assert float(binary_cross_entropy(*maps)) == pytest.approx(entropy, rel=1e-5, abs=1e-5)


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
        "known": torch.tensor([[True, False, True], [True, False, False]]),
    }


def test_what_is_not_known_has_no_influence() -> None:
    learner, samples = task(EncoderTuning()), batch()
    before = learner.eval()(samples, 0).total
    samples["coverage"][:, 1] = 1 - samples["coverage"][:, 1]
    samples["coverage"][1, 2] = 0.5
    assert torch.equal(learner(samples, 0).total, before)
    samples["coverage"][0, 0] = 1 - samples["coverage"][0, 0]
    assert not torch.equal(learner(samples, 0).total, before)


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
