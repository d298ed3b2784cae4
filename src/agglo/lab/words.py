"""Captions as numbers, and a small text tower: what lab-clip contrasts images with. It never ships."""

from collections.abc import Iterable
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

PADDING, UNKNOWN = 0, 1
_FIRST_WORD = 2


def split_words(caption: str) -> list[str]:
    """Return the words of a caption, lower case, without punctuation at their ends."""
    stripped = (word.strip(".,;:()").lower() for word in caption.split())
    return [word for word in stripped if word]


@final
class Vocabulary:
    """Words and their numbers, in alphabetical order; unknown words share one number."""

    def __init__(self, captions: Iterable[str]) -> None:
        """Collect the words of `captions`."""
        self.words = sorted({word for caption in captions for word in split_words(caption)})
        self._numbers = {word: number for number, word in enumerate(self.words, start=_FIRST_WORD)}

    def __len__(self) -> int:
        """Return how many numbers there are, padding and unknown included."""
        return len(self.words) + _FIRST_WORD

    def encode(self, caption: str, length: int) -> Int[Tensor, "{length}"]:
        """Return the first `length` words of a caption as numbers, padded at the end."""
        numbers = [self._numbers.get(word, UNKNOWN) for word in split_words(caption)][:length]
        return torch.tensor(numbers + [PADDING] * (length - len(numbers)))


@final
class TextTower(nn.Module):
    """A small transformer over words; the caption's vector is the mean over its words."""

    def __init__(self, num_words: int, *, length: int, dim: int = 128, out_dim: int = 128) -> None:
        """Build with random weights from torch's global generator, for captions of at most `length` words."""
        super().__init__()
        self.embedding = nn.Embedding(num_words, dim, padding_idx=PADDING)
        self.positions = nn.Parameter(0.02 * torch.randn(1, length, dim))
        layers = [
            nn.TransformerEncoderLayer(dim, 4, 2 * dim, dropout=0.0, activation="gelu", batch_first=True)
            for _ in range(2)
        ]
        self.layers = nn.ModuleList(layers)
        self.projection = nn.Linear(dim, out_dim)

    def forward(self, numbers: Int[Tensor, "batch words"]) -> Float[Tensor, "batch dim"]:
        """Return one vector per caption; a caption must hold at least one word."""
        is_padding = numbers == PADDING
        tokens = self.embedding(numbers) + self.positions[:, : numbers.shape[1]]
        for layer in self.layers:
            tokens = layer(tokens, src_key_padding_mask=is_padding)
        is_word = (~is_padding).unsqueeze(-1)
        return self.projection((tokens * is_word).sum(1) / is_word.sum(1))
