"""The figures against the student's own collapse: right on embeddings whose answer is known, and made only when asked for."""

import pytest
import torch

from agglo.distill.embedding import MOST_TOKENS, effective_rank, figures_of, mean_variance

ALIKE = torch.ones(4000)


@pytest.mark.parametrize("rank", [1, 3, 16])
def test_a_few_directions_that_vary_equally_are_counted(rank: int) -> None:
    random = torch.Generator().manual_seed(0)
    turned, _ = torch.linalg.qr(torch.randn(16, 16, generator=random))
    tokens = torch.randn(4000, rank, generator=random) @ turned[:rank] + 5
    assert float(effective_rank(tokens, ALIKE)) == pytest.approx(rank, rel=0.01)
    assert float(mean_variance(tokens, ALIKE)) == pytest.approx(rank / 16, rel=0.05)


def test_a_collapsed_embedding_has_rank_one_and_no_variance() -> None:
    tokens = torch.full((50, 8), 3.0)
    assert float(effective_rank(tokens, ALIKE[:50])) == pytest.approx(1.0)
    assert float(mean_variance(tokens, ALIKE[:50])) == pytest.approx(0.0, abs=1e-12)


def test_padding_does_not_count() -> None:
    random = torch.Generator().manual_seed(0)
    embedding, inside = torch.randn(2, 6, 8, 8, generator=random), torch.ones(2, 8, 8)
    inside[:, 4:] = 0
    before = {name: float(make()) for name, make in figures_of(embedding, inside).items()}
    embedding[:, :, 4:] = 100
    assert {name: float(make()) for name, make in figures_of(embedding, inside).items()} == before
    assert set(before) == {"embedding/effective_rank", "embedding/variance"}


def test_the_tokens_looked_at_are_those_of_the_batch() -> None:
    embedding = torch.randn(2, 6, 3, 5)
    make = figures_of(embedding, torch.ones(2, 3, 5))["embedding/variance"]
    tokens = embedding.movedim(1, 3).reshape(-1, 6)
    torch.testing.assert_close(make(), tokens.double().var(dim=0, correction=0).mean())


def test_few_tokens_are_carried_and_they_are_copies() -> None:
    embedding = torch.randn(4, 6, 64, 64, requires_grad=True)
    make = figures_of(embedding, torch.ones(4, 64, 64))["embedding/variance"]
    tokens = next(cell.cell_contents for cell in make.__closure__ if cell.cell_contents.ndim == 2)
    assert len(tokens) == MOST_TOKENS
    assert not tokens.requires_grad
    assert tokens.untyped_storage().nbytes() == MOST_TOKENS * 6 * 4


@pytest.mark.parametrize(
    "shape", [(16, 64, 64), (32, 64, 64), (8, 32, 32), (32, 32, 32), (5, 37, 48), (1, 8, 8)]
)
def test_the_tokens_looked_at_are_spread_over_images_rows_and_columns(shape: tuple[int, int, int]) -> None:
    images, rows, cols = shape
    place = torch.stack(torch.meshgrid(*(torch.arange(side) for side in shape), indexing="ij"), dim=1).float()
    make = figures_of(place, torch.ones(shape))["embedding/variance"]
    seen = next(cell.cell_contents for cell in make.__closure__ if cell.cell_contents.ndim == 2)
    assert len({tuple(each) for each in seen.tolist()}) == min(MOST_TOKENS, images * rows * cols)
    for axis, side in enumerate(shape):
        counts = torch.bincount(seen[:, axis].long(), minlength=side)
        assert counts.min() > 0.4 * counts.float().mean(), f"axis {axis}: {counts.tolist()}"
