"""A toy of agglomeration in seconds: a small shared student, three linear teachers, one of them without noise."""

from typing import Any

import torch
from torch import nn

from agglo.distill.balance import Balancer

EASY, HARD, HARDER = 0.05, 0.9, 1.1  # standard deviation of what cannot be learned of each
EMBED, DIM, IMAGES = 16, 8, 32


def train(balancer: Balancer, *, steps: int, log_every: int = 10) -> list[dict[str, Any]]:
    """Train student and balancer as stage 1 does; return the log as stage 1 writes it."""
    random = torch.Generator().manual_seed(0)
    student = nn.Sequential(nn.Conv2d(4, EMBED, 1), nn.GELU(), nn.Conv2d(EMBED, EMBED, 1))
    heads = nn.ModuleList(nn.Conv2d(EMBED, DIM, 1) for _ in range(3))
    truth = [torch.randn(DIM, 4, generator=random) / 2 for _ in range(3)]
    parameters = [*student.parameters(), *heads.parameters(), *balancer.parameters()]
    optimizer, log = torch.optim.AdamW(parameters, lr=1e-2, weight_decay=0.0), []
    for step in range(1, steps + 1):
        images = torch.randn(IMAGES, 4, 4, 4, generator=random)
        targets = [
            torch.einsum("dc,bchw->bdhw", of, images)
            + noise * torch.randn(IMAGES, DIM, 4, 4, generator=random)
            for of, noise in zip(truth, (EASY, HARD, HARDER), strict=True)
        ]
        embedding = student(images)
        found = [head(embedding) for head in heads]
        losses = torch.stack(
            [(one - other).square().mean(dim=(1, 2, 3)) for one, other in zip(found, targets, strict=True)], 1
        )
        weights, own_loss = balancer(embedding, losses, targets)
        optimizer.zero_grad()
        ((weights * losses).sum(dim=1).mean() + own_loss).backward()
        optimizer.step()
        if step % log_every == 0 or step == 1:
            cosines = [
                torch.cosine_similarity(one.detach(), other, dim=1).mean()
                for one, other in zip(found, targets, strict=True)
            ]
            figures = zip(("easy", "hard", "harder"), weights.detach().mean(dim=0), cosines, strict=True)
            log.append(
                {
                    "step": step,
                    "teachers": {
                        name: {"weight": float(weight), "cosine": float(cosine)}
                        for name, weight, cosine in figures
                    },
                }
            )
    return log
