"""Balancers: weights are weights; the printed ones run into the easiest teacher, and the regularised ones keep off it."""

import pytest
import torch
from torch import Tensor

from agglo.distill import BALANCERS, Sizes, make_balancer
from agglo.distill.alarm import alarms_of
from agglo.distill.balance import learned
from agglo.distill.balance.learned import FLOOR, AttentionBalancer, MlpBalancer
from agglo.distill.balance.protocol import RunningLosses
from agglo.train.part import Part, under_way
from unit.distill import toy

SIZES = Sizes(8, (4, 6, 5))
EASY_LAST = torch.tensor([1.0, 0.9, 0.05])
AS_PRINTED = {
    "mlp-as-printed",
    "mlp-shared-as-printed",
    "attention-as-printed",
    "attention-of-teachers-as-printed",
    "amtml-kd",
}
"""Forms whose weights carry gradient, because the paper minimises them with the student."""


def seen(batch: int = 5) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return an embedding, losses and targets, of which the first two ask for gradients."""
    random = torch.Generator().manual_seed(1)
    embedding = torch.randn(batch, 8, 2, 2, generator=random, requires_grad=True)
    losses = torch.rand(batch, 3, generator=random, requires_grad=True)
    return embedding, losses, [torch.randn(batch, dim, 3, 3, generator=random) for dim in SIZES.teacher_dims]


@pytest.mark.parametrize("name", BALANCERS)
@pytest.mark.parametrize("is_training", [True, False])
def test_weights_are_positive_and_sum_to_one(name: str, is_training: bool) -> None:
    torch.manual_seed(0)
    balancer = make_balancer(name, SIZES).train(is_training)
    weights, own_loss = balancer(*seen())
    assert weights.shape == (5, 3)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum() / 5, torch.tensor(1.0))
    if name != "teacher-drop":
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(5))
    assert own_loss.shape == ()


@pytest.mark.parametrize("name", BALANCERS)
def test_student_and_losses_get_a_gradient_from_printed_forms_only(name: str) -> None:
    torch.manual_seed(0)
    balancer = make_balancer(name, SIZES)
    embedding, losses, targets = seen()
    weights, own_loss = balancer(embedding, losses, targets)
    total = own_loss + (weights * losses.detach()).sum()
    if total.requires_grad:
        total.backward()
    is_reached = embedding.grad is not None or losses.grad is not None
    assert is_reached == (name in AS_PRINTED)
    trained = [parameter for parameter in balancer.parameters() if parameter.grad is not None]
    assert bool(trained) == bool(list(balancer.parameters())), "what can be trained is trained"


def test_static_weights_are_as_somebody_says() -> None:
    shares = (0.5, 0.2, 0.3)
    weights, _ = make_balancer("static", Sizes(8, (4, 6, 5), shares))(*seen())
    torch.testing.assert_close(weights, torch.tensor(shares).expand(5, 3))
    torch.testing.assert_close(make_balancer("static", SIZES)(*seen())[0], torch.full((5, 3), 1 / 3))


def test_teachers_come_one_after_the_other() -> None:
    balancer = make_balancer("sequential", Sizes(8, (4, 6, 5), steps=7))
    turns = [int(balancer(*seen())[0][0].argmax()) for _ in range(8)]
    assert turns == [0, 0, 0, 1, 1, 2, 2, 2], "and the last one stays"
    again = make_balancer("sequential", Sizes(8, (4, 6, 5), steps=7))
    for number in (0, 1):
        with under_way(Part((number,), batch_size=2, number=number, num_samples=1, seed=0)):
            again(*seen())
    assert int(again.taken) == 1, "parts of one batch are one step"
    again.load_state_dict(balancer.state_dict())
    assert int(again.eval()(*seen())[0][0].argmax()) == 2


def test_ada_loss_is_the_inverse_of_running_means() -> None:
    balancer = make_balancer("adaloss", SIZES)
    embedding, _, targets = seen()
    losses = torch.tensor([1.0, 2.0, 4.0]).expand(5, 3)
    expected = torch.tensor([4.0, 2.0, 1.0]) / 7
    torch.testing.assert_close(balancer(embedding, losses, targets)[0], expected.expand(5, 3))


def test_a_dropped_teacher_is_never_the_one_of_largest_loss() -> None:
    torch.manual_seed(0)
    balancer = make_balancer("teacher-drop", SIZES)
    embedding, _, targets = seen(400)
    losses = torch.rand(400, 3)
    weights, _ = balancer(embedding.expand(400, -1, -1, -1), losses, targets)
    counts = weights > 0
    assert counts.gather(1, losses.argmax(dim=1, keepdim=True)).all()
    kept = (counts.sum() - 400) / 800
    assert 0.4 < kept < 0.6
    assert len(weights[counts].unique()) == 1


def test_uncertainty_finds_its_optimum() -> None:
    balancer = make_balancer("uncertainty", SIZES)
    embedding, _, targets = seen()
    losses = torch.tensor([0.2, 0.4, 1.4])
    optimizer = torch.optim.Adam(balancer.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        balancer(embedding, losses.expand(5, 3), targets)[1].backward()
        optimizer.step()
    torch.testing.assert_close(balancer.log_variances.exp(), losses, atol=0.02, rtol=0.0)
    expected = (1 / losses) / (1 / losses).sum()
    torch.testing.assert_close(
        balancer(embedding, losses.expand(5, 3), targets)[0][0], expected, atol=0.02, rtol=0.0
    )


def test_random_weights_change_and_are_the_seeds() -> None:
    balancer = make_balancer("random", SIZES)
    torch.manual_seed(3)
    first, second = balancer(*seen())[0], balancer(*seen())[0]
    torch.manual_seed(3)
    assert torch.equal(balancer(*seen())[0], first)
    assert not torch.equal(first, second)
    assert (first == first[0]).all(), "one draw for a whole batch"


def test_keys_of_teachers_look_at_their_maps() -> None:
    torch.manual_seed(0)
    balancer = make_balancer("attention-of-teachers", SIZES)
    embedding, losses, targets = seen()
    before, _ = balancer(embedding, losses, targets)
    changed, _ = balancer(embedding, losses, [targets[0] + 5, *targets[1:]])
    assert not torch.allclose(before, changed)
    learned = make_balancer("attention", SIZES)
    before, _ = learned(embedding, losses, targets)
    assert torch.equal(learned(embedding, losses, [targets[0] + 5, *targets[1:]])[0], before)


@pytest.mark.parametrize("name", BALANCERS)
def test_padding_says_nothing(name: str) -> None:
    embedding, losses, targets = seen()
    inside = torch.ones(5, 6, 6)
    inside[:, :, 3:] = 0  # the right of the embedding's 2 x 2 cells, and of the teachers' 3 x 3
    found = []
    for padding in (0.0, 50.0):
        torch.manual_seed(0)
        balancer = make_balancer(name, SIZES)
        maps = [embedding.detach().clone(), *(target.clone() for target in targets)]
        maps[0][..., 1:] += padding
        for target in maps[1:]:
            target[..., 2:] += padding
        with under_way(Part(tuple(range(5)), batch_size=5, number=0, num_samples=5, seed=0)):
            found.append(balancer(maps[0], losses.detach(), maps[1:], inside)[0])
    torch.testing.assert_close(*found)


def test_of_all_of_a_picture_the_plain_mean_is_taken() -> None:
    torch.manual_seed(0)
    balancer = make_balancer("attention-of-teachers-as-printed", SIZES)
    given = seen()
    torch.testing.assert_close(balancer(*given, torch.ones(5, 4, 4))[0], balancer(*given)[0])


@pytest.mark.parametrize("name", ["mlp-shared", "mlp-shared-as-printed"])
def test_a_shared_network_knows_no_teacher_but_by_its_loss(name: str) -> None:
    torch.manual_seed(0)
    balancer = make_balancer(name, SIZES).eval()
    embedding, losses, targets = seen()
    weights, _ = balancer(embedding, losses, targets)
    swapped, _ = balancer(embedding, losses.flip(1), targets)
    torch.testing.assert_close(swapped, weights.flip(1))
    assert weights[0].std() > 1e-4, "teachers with other losses have other weights"


def test_running_means_are_true_from_the_first_batch_and_stand_still_in_evaluation() -> None:
    running = RunningLosses(2, momentum=0.9)
    first = torch.tensor([[1.0, 3.0], [3.0, 5.0]])
    torch.testing.assert_close(running(first), torch.tensor([2.0, 4.0]))
    running.eval()
    torch.testing.assert_close(running(first * 100), torch.tensor([2.0, 4.0]))


def balanced(balancer: AttentionBalancer | MlpBalancer, losses: Tensor, steps: int = 400) -> Tensor:
    """Train a balancer on images whose losses never change; return the mean weights."""
    random = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(balancer.parameters(), lr=0.05)
    weights = losses
    for _ in range(steps):
        embedding = torch.randn(4, 8, 2, 2, generator=random) + 1
        weights, own_loss = balancer(embedding, losses.expand(4, -1), [])
        optimizer.zero_grad()
        own_loss.backward()
        optimizer.step()
    return weights.mean(dim=0)


def stand_still(balancer: AttentionBalancer | MlpBalancer) -> None:
    """Let relative losses be the losses themselves, so that they stay apart."""
    balancer.running.mean.copy_(torch.ones(3))
    balancer.running.share_seen.fill_(1.0)
    balancer.running.momentum = 1.0


REGULARISED = {"mlp": MlpBalancer, "attention": AttentionBalancer}


def regularised(name: str, *, temperature: float, floor: float) -> AttentionBalancer | MlpBalancer:
    torch.manual_seed(0)
    return REGULARISED[name](SIZES, temperature=temperature, floor=floor)


@pytest.mark.parametrize("name", REGULARISED)
def test_relative_losses_keep_an_easy_teacher_from_taking_all(name: str) -> None:
    weights = balanced(regularised(name, temperature=0.5, floor=FLOOR), EASY_LAST)
    assert weights.min() > 0.25
    assert weights.max() < 0.45


@pytest.mark.parametrize("name", REGULARISED)
def test_without_pull_to_uniform_a_steadily_better_teacher_takes_all_but_the_floor(name: str) -> None:
    """The control: relative losses that stay apart collapse when the temperature is almost nothing."""
    balancer = regularised(name, temperature=1e-6, floor=0.05)
    stand_still(balancer)
    torch.testing.assert_close(
        balanced(balancer, EASY_LAST), torch.tensor([0.05, 0.05, 0.90]), atol=0.01, rtol=0.0
    )


def test_of_many_teachers_the_better_one_still_counts_most() -> None:
    logits = torch.zeros(1, 30)
    logits[0, 4] = 3.0
    weights, _ = learned.regularised(logits, torch.ones(1, 30), temperature=0.5, floor=FLOOR)
    assert weights.argmax() == 4
    torch.testing.assert_close(weights.sum(), torch.tensor(1.0))
    assert weights.min() >= 0.5 / 30


@pytest.mark.parametrize("name", REGULARISED)
def test_weights_reach_the_closed_form_optimum(name: str) -> None:
    balancer = regularised(name, temperature=0.5, floor=0.0)
    stand_still(balancer)
    losses = torch.tensor([0.8, 1.0, 1.3])
    torch.testing.assert_close(balanced(balancer, losses), (-losses / 0.5).softmax(0), atol=0.03, rtol=0.0)


TOY = Sizes(toy.EMBED, (toy.DIM,) * 3)
STEPS = 400
FLOORED = ("mlp", "mlp-shared", "attention", "attention-of-teachers")
KEEPING = ("uniform", "static", "random", "teacher-drop", *FLOORED)


@pytest.mark.parametrize("name", sorted(AS_PRINTED))
def test_as_printed_one_easy_teacher_takes_all_and_the_alarm_says_so(name: str) -> None:
    torch.manual_seed(0)
    log = toy.train(make_balancer(name, TOY), steps=STEPS)
    assert log[-1]["teachers"]["easy"]["weight"] > 0.9
    assert ("dominates", "easy") in {(alarm.kind, alarm.teacher) for alarm in alarms_of(log, steps=STEPS)}


@pytest.mark.parametrize("name", KEEPING)
def test_regularised_weights_stay_over_the_floor_and_the_alarm_is_silent(name: str) -> None:
    torch.manual_seed(0)
    log = toy.train(make_balancer(name, TOY), steps=STEPS)
    lowest = min(teacher["weight"] for entry in log for teacher in entry["teachers"].values())
    assert lowest >= (FLOOR if name in FLOORED else 0.0)
    assert alarms_of(log, steps=STEPS) == []
