"""Projection heads: from the student's tokens to a teacher's width. They are dropped after distillation.

To add one: a function `(student_dim, teacher_dim, hidden_dim) -> nn.Module` on `[batch, tokens, dim]`, named in `HEADS`.
"""

from collections.abc import Callable, Mapping

from torch import nn


def mlp_head(student_dim: int, teacher_dim: int, hidden_dim: int) -> nn.Module:
    """Return AM-RADIO's head: Linear, LayerNorm, GELU, Linear (AM-RADIO section 3.3); its output is linear."""
    return nn.Sequential(
        nn.Linear(student_dim, hidden_dim),
        nn.LayerNorm(hidden_dim),
        nn.GELU(),
        nn.Linear(hidden_dim, teacher_dim),
    )


def linear_head(student_dim: int, teacher_dim: int, hidden_dim: int) -> nn.Module:
    """Return eq. 2 of arXiv 2504.02351 without its final non-linearity: one affine map. `hidden_dim` plays no part."""
    return nn.Linear(student_dim, teacher_dim)


def equation_2_head(student_dim: int, teacher_dim: int, hidden_dim: int) -> nn.Module:
    """Return eq. 2 of arXiv 2504.02351 as printed, sigma = GELU; it cannot reach values under -0.17. `hidden_dim` plays no part."""
    return nn.Sequential(nn.Linear(student_dim, teacher_dim), nn.GELU())


HEADS: Mapping[str, Callable[[int, int, int], nn.Module]] = {
    "mlp": mlp_head,
    "linear": linear_head,
    "eq2": equation_2_head,
}


def make_head(name: str, *, student_dim: int, teacher_dim: int, hidden_dim: int) -> nn.Module:
    """Return head `name` from `student_dim` to `teacher_dim` channels."""
    return HEADS[name](student_dim, teacher_dim, hidden_dim)
