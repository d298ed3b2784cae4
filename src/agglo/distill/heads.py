"""Projection heads: from the student's embedding to a teacher's width, on whatever grid the embedding is given on.

After distillation they are folded (`folding`) and kept beside the student (`distilled`), which itself needs none of them.

To add one: a function `(student_dim, teacher_dim, hidden_dim) -> Head`, named in `HEADS`.
"""

from collections.abc import Callable, Mapping
from typing import final

from jaxtyping import Float
from torch import Tensor, nn


@final
class Head(nn.Module):
    """Layers for every token by itself, perhaps behind one that sees the map: `[batch, embed, h, w]` to `[batch, dim, h, w]`.

    Attributes:
        on_map: what the map goes through first; None where tokens do not see each other.
    """

    def __init__(self, *layers: nn.Module, on_map: nn.Module | None = None) -> None:
        """Take the layers on `[batch, tokens, dim]` in order, and the one on the map."""
        super().__init__()
        self.num_layers = len(layers)
        for place, layer in enumerate(layers):
            self.add_module(str(place), layer)
        self.on_map = on_map

    @property
    def layers(self) -> list[nn.Module]:
        """The layers on tokens, in order."""
        return [self.get_submodule(str(place)) for place in range(self.num_layers)]

    def forward(self, embedding: Float[Tensor, "batch embed h w"]) -> Float[Tensor, "batch dim h w"]:
        seen = embedding if self.on_map is None else self.on_map(embedding)
        tokens_BNF = seen.flatten(2).transpose(1, 2)
        for layer in self.layers:
            tokens_BNF = layer(tokens_BNF)
        found: Tensor = tokens_BNF.transpose(1, 2).unflatten(2, embedding.shape[2:])
        return found


@final
class Residual(nn.Module):
    """Adds what its layers make of tokens to the tokens."""

    def __init__(self, *layers: nn.Module) -> None:
        """Take the layers in order."""
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, tokens: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        added: Tensor = self.layers(tokens)
        return tokens + added


def mlp_head(student_dim: int, teacher_dim: int, hidden_dim: int) -> Head:
    """Return AM-RADIO's head: Linear, LayerNorm, GELU, Linear (AM-RADIO section 3.3); its output is linear."""
    return Head(
        nn.Linear(student_dim, hidden_dim),
        nn.LayerNorm(hidden_dim),
        nn.GELU(),
        nn.Linear(hidden_dim, teacher_dim),
    )


def deeper_mlp_head(student_dim: int, teacher_dim: int, hidden_dim: int) -> Head:
    """Return RADIO's later head: as `mlp_head`, with one residual block (LayerNorm, GELU, Linear) in the middle."""
    return Head(
        nn.Linear(student_dim, hidden_dim),
        Residual(nn.LayerNorm(hidden_dim), nn.GELU(), nn.Linear(hidden_dim, hidden_dim)),
        nn.LayerNorm(hidden_dim),
        nn.GELU(),
        nn.Linear(hidden_dim, teacher_dim),
    )


def linear_head(student_dim: int, teacher_dim: int, hidden_dim: int) -> Head:
    """Return eq. 2 of arXiv 2504.02351 without its final non-linearity: one affine map. `hidden_dim` plays no part."""
    return Head(nn.Linear(student_dim, teacher_dim))


def equation_2_head(student_dim: int, teacher_dim: int, hidden_dim: int) -> Head:
    """Return eq. 2 of arXiv 2504.02351 as printed, sigma = GELU; it cannot reach values under -0.17. `hidden_dim` plays no part."""
    return Head(nn.Linear(student_dim, teacher_dim), nn.GELU())


def conv_head(student_dim: int, teacher_dim: int, hidden_dim: int) -> Head:
    """Return a head whose tokens see their neighbours: a 3x3 convolution, then LayerNorm, GELU, Linear as in `mlp_head`.

    What a teacher knows of a cell's surroundings need not be in the cell's own embedding then, which a decoder may miss.
    """
    return Head(
        nn.LayerNorm(hidden_dim),
        nn.GELU(),
        nn.Linear(hidden_dim, teacher_dim),
        on_map=nn.Conv2d(student_dim, hidden_dim, kernel_size=3, padding=1),
    )


HEADS: Mapping[str, Callable[[int, int, int], Head]] = {
    "mlp": mlp_head,
    "mlp2": deeper_mlp_head,
    "linear": linear_head,
    "eq2": equation_2_head,
    "conv": conv_head,
}


def make_head(name: str, *, student_dim: int, teacher_dim: int, hidden_dim: int) -> Head:
    """Return head `name` from `student_dim` to `teacher_dim` channels."""
    return HEADS[name](student_dim, teacher_dim, hidden_dim)
