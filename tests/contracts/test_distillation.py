"""What every head, normaliser, loss and balancer promises: it trains. A short training of each, on tiny synthetic features.

The teachers see what a student can find out: linear maps of the picture's cells, at two grids. The loss is finite from the first
step on, the student gets a gradient, and the loss falls.
"""

import pytest
import torch
import torch.nn.functional as F

from agglo.distill import BALANCERS, HEADS, LOSSES, DistilTask, Sizes, TeacherTarget, make_balancer, make_head
from agglo.features import NORMALISERS, Moments, make_normaliser
from contracts.narrow import narrow

EMBED, STEPS, IMAGES = 16, 15, 4
DIMS = {
    "coarse": (12, 4),
    "fine": (10, 16),
}  # teacher: (width, cells); 10 has no Hadamard matrix; the student has 8 cells at 64 px


def seen() -> dict[str, object]:
    """Return a batch: pictures with padding below, and what two teachers see of them, in units of their own."""
    random = torch.Generator().manual_seed(0)
    grey = F.interpolate(torch.rand(IMAGES, 1, 16, 16, generator=random), size=64, mode="bilinear")[:, 0]
    features = {}
    for name, (dim, cells) in DIMS.items():
        parts = F.pixel_unshuffle(F.interpolate(grey[:, None], size=4 * cells, mode="area"), 4)
        mixing = torch.randn(dim, 16, generator=random) * torch.linspace(1, 20, dim)[:, None]
        features[name] = (torch.einsum("dp,bphw->bdhw", mixing, parts) + 3).half()
    inside = torch.ones(IMAGES, 8, 8)
    inside[:, 6:] = 0
    return {"grey": grey, "inside": inside, "features": features}


def task(
    batch: dict,
    *,
    head: str = "mlp",
    normalise: str = "phi-s",
    loss: str = "am-radio",
    balance: str = "uniform",
) -> DistilTask:
    torch.manual_seed(0)
    targets = {}
    for name, (dim, _) in DIMS.items():
        tokens = batch["features"][name].float().movedim(1, 3).flatten(0, 2)
        targets[name] = TeacherTarget(
            make_normaliser(normalise, Moments.of(tokens.numpy())),
            make_head(head, student_dim=EMBED, teacher_dim=dim, hidden_dim=24),
        )
    balancer = make_balancer(balance, Sizes(EMBED, tuple(dim for dim, _ in DIMS.values())))
    return DistilTask(narrow("repvit"), targets, balancer, loss=loss)


CASES = [
    *({"head": name} for name in HEADS),
    *({"normalise": name} for name in NORMALISERS),
    *({"loss": name} for name in LOSSES),
    *({"normalise": "none", "loss": name} for name in ("mse", "smooth-l1")),
    *({"balance": name} for name in BALANCERS),
]


@pytest.mark.parametrize("parts", CASES, ids=lambda parts: "-".join(parts.values()))
def test_it_trains(parts: dict[str, str]) -> None:
    batch = seen()
    learner = task(batch, **parts)
    optimizer = torch.optim.AdamW(learner.parameters(), lr=1e-2)
    losses = []
    for step in range(STEPS):
        torch.manual_seed(step)
        outcome = learner(batch, step)
        optimizer.zero_grad()
        outcome.total.backward()
        assert torch.isfinite(outcome.total)
        reached = [part.grad.abs().sum() for part in learner.student.parameters() if part.grad is not None]
        assert sum(reached) > 0
        optimizer.step()
        losses.append({name: float(outcome.scalars[f"teachers/{name}/loss"]) for name in DIMS})
    first, last = (sum(losses[place].values()) for place in (0, -1))
    assert last < 0.9 * first


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_in_the_padding_changes_no_loss(loss: str) -> None:
    batch = seen()
    learner = task(batch, loss=loss, head="linear")
    before = learner(batch, 0).scalars
    for name, (_, cells) in DIMS.items():
        batch["features"][name][:, :, cells * 3 // 4 + 1 :] += 50
    after = learner(batch, 0).scalars
    for name in DIMS:
        assert torch.equal(before[f"teachers/{name}/loss"], after[f"teachers/{name}/loss"])
    batch["features"]["fine"][:, :, :4] += 50
    assert learner(batch, 0).scalars["teachers/fine/loss"] != after["teachers/fine/loss"]
