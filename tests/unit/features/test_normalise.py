"""Normalisers: what each gives, that it can be undone, what becomes of flat directions; Hadamard matrices are what they claim."""

import numpy as np
import pytest
import torch

from agglo.core.errors import FeatureMismatch
from agglo.core.seeds import generator
from agglo.features.hadamard import hadamard
from agglo.features.moments import Moments
from agglo.features.normalise import (
    LEAST_CHANNEL,
    LEAST_EIGENVALUE,
    NORMALISERS,
    UNIT_VARIANCE,
    make_normaliser,
)
from agglo.teachers import CATALOGUE

ORDERS = [1, 2, 4, 12, 20, 28, 36, 192, 256, 320, 384, 448, 576, 768, 1152]


@pytest.mark.parametrize("order", ORDERS)
def test_rows_are_orthonormal_and_entries_equal_in_size(order: int) -> None:
    matrix = hadamard(order)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(order), atol=1e-10)
    np.testing.assert_allclose(np.abs(matrix), order**-0.5, rtol=1e-12)


@pytest.mark.parametrize("order", [3, 6, 92, 250])
def test_orders_without_a_construction_are_refused(order: int) -> None:
    with pytest.raises(FeatureMismatch, match=rf"none of order {order} is known here .*normalise: global"):
        hadamard(order)


def uneven_tokens(dim: int) -> np.ndarray:
    random = generator(3, "uneven", dim)
    scales = np.geomspace(0.01, 10, dim)
    mixing, _ = np.linalg.qr(random.standard_normal((dim, dim)))
    return ((random.standard_normal((4000, dim)) * scales) @ mixing + 5).astype(np.float32)


def widths_of_the_catalogue() -> set[int]:
    """Return every width that a teacher's map or summary can have."""
    maps = {choice.dim for entry in CATALOGUE.values() for choice in entry.maps.values()}
    return maps | {entry.summary_dim for entry in CATALOGUE.values() if entry.summary_dim is not None}


@pytest.mark.parametrize("width", sorted(widths_of_the_catalogue()))
def test_every_width_of_the_catalogue_has_a_hadamard_matrix(width: int) -> None:
    """In whole numbers, which float32 holds exactly here: entries of +-1, and `H H^T = n I`."""
    matrix = (hadamard(width) * np.sqrt(width)).astype(np.float32).round()
    assert (np.abs(matrix) == 1).all()
    assert np.array_equal(matrix @ matrix.T, width * np.eye(width, dtype=np.float32))


def as_maps(tokens: np.ndarray) -> torch.Tensor:
    """Return 4000 tokens as one map."""
    return torch.from_numpy(tokens).T.reshape(1, tokens.shape[1], 40, 100)


def covariance_of(maps: torch.Tensor) -> np.ndarray:
    return np.cov(maps.flatten(2)[0].double().numpy())


@pytest.mark.parametrize("dim", [12, 50, 64])
@pytest.mark.parametrize("name", sorted(set(NORMALISERS) - {"l2"}))
def test_what_is_normalised_can_be_undone(name: str, dim: int) -> None:
    tokens = uneven_tokens(dim)
    normaliser = make_normaliser(name, Moments.of(tokens))
    normalised = normaliser(as_maps(tokens))
    torch.testing.assert_close(normaliser.inverse(normalised), as_maps(tokens), atol=2e-3, rtol=1e-3)
    if name in UNIT_VARIANCE:
        assert normalised.mean().abs() < 1e-3


@pytest.mark.parametrize("dim", [12, 50, 64])
@pytest.mark.parametrize("name", ["phi-s", "channel"])
def test_every_channel_has_variance_one(name: str, dim: int) -> None:
    """50 has no Hadamard matrix: what takes its place is as exact."""
    tokens = uneven_tokens(dim)
    variances = np.diag(covariance_of(make_normaliser(name, Moments.of(tokens))(as_maps(tokens))))
    np.testing.assert_allclose(variances, 1.0, atol=2e-3)


def test_one_factor_for_all_leaves_channels_unequal() -> None:
    tokens = uneven_tokens(64)
    variances = np.diag(covariance_of(make_normaliser("global", Moments.of(tokens))(as_maps(tokens))))
    assert variances.mean() == pytest.approx(1.0, abs=1e-3)
    assert variances.max() > 2 * variances.min()


@pytest.mark.parametrize("name", ["pca", "zca"])
def test_whitening_leaves_no_covariance(name: str) -> None:
    tokens = even_tokens(24)
    white = make_normaliser(name, Moments.of(tokens))(as_maps(tokens))
    np.testing.assert_allclose(covariance_of(white), np.eye(24), atol=2e-3)


def test_zca_stays_nearest_to_the_features() -> None:
    tokens = even_tokens(24)
    centred = as_maps(tokens) - as_maps(tokens).mean(dim=(2, 3), keepdim=True)
    near = [
        torch.cosine_similarity(
            make_normaliser(name, Moments.of(tokens))(as_maps(tokens)), centred, dim=1
        ).mean()
        for name in ("zca", "pca", "phi-s")
    ]
    assert near[0] > max(near[1:]) + 0.3


def even_tokens(dim: int) -> np.ndarray:
    """Return tokens all of whose directions are over the limit of whitening."""
    random = generator(4, "even", dim)
    mixing, _ = np.linalg.qr(random.standard_normal((dim, dim)))
    return ((random.standard_normal((4000, dim)) * np.geomspace(0.3, 3, dim)) @ mixing + 1).astype(np.float32)


LIMITS = {"pca": LEAST_EIGENVALUE, "zca": LEAST_EIGENVALUE, "channel": LEAST_CHANNEL}


@pytest.mark.parametrize("name", LIMITS)
def test_directions_that_do_not_vary_are_not_blown_up_and_it_is_told(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = even_tokens(12)
    tokens[:, 8:] = tokens[:, :1] if name != "channel" else 7.0
    normaliser = make_normaliser(name, Moments.of(tokens))
    assert "4 of this teacher's 12 directions hardly vary" in caplog.text
    assert len(normaliser.notes) == 1
    maps = as_maps(tokens)
    covariance = covariance_of(normaliser(maps))
    variances = np.diag(covariance) if name == "channel" else np.linalg.eigvalsh(covariance)
    np.testing.assert_allclose(np.sort(variances), [0] * 4 + [1] * 8, atol=2e-3)
    torch.testing.assert_close(normaliser.inverse(normaliser(maps)), maps, atol=2e-3, rtol=1e-3)
    off = maps + torch.randn(maps.shape, generator=torch.Generator().manual_seed(0)) * 0.01
    largest = 0.01 * 6 / (LIMITS[name] * np.trace(np.cov(tokens.T)) / 12) ** 0.5
    assert (normaliser(off) - normaliser(maps)).abs().max() < largest


def test_a_width_without_a_hadamard_matrix_is_told(caplog: pytest.LogCaptureFixture) -> None:
    normaliser = make_normaliser("phi-s", Moments.of(uneven_tokens(50)))
    assert "no Hadamard matrix of order 50 is known" in caplog.text
    assert normaliser.notes[0].startswith("no Hadamard matrix of order 50 is known: `phi-s` equalises")
    assert make_normaliser("phi-s", Moments.of(uneven_tokens(12))).notes == ()


def test_l2_gives_tokens_one_length_and_cannot_be_undone() -> None:
    maps = as_maps(uneven_tokens(12))
    normaliser = make_normaliser("l2", Moments.empty(12))
    normalised = normaliser(maps)
    torch.testing.assert_close(normalised.square().mean(dim=1), torch.ones(1, 40, 100))
    torch.testing.assert_close(torch.cosine_similarity(normalised, maps, dim=1), torch.ones(1, 40, 100))
    with pytest.raises(FeatureMismatch, match=r"`l2` normalisation forgets how long"):
        normaliser.inverse(normalised)


def test_distances_do_not_depend_on_the_rotation() -> None:
    tokens = uneven_tokens(12)
    maps = torch.from_numpy(tokens[:200]).T.reshape(2, 12, 10, 10)
    turned, plain = (make_normaliser(name, Moments.of(tokens))(maps) for name in ("phi-s", "global"))
    torch.testing.assert_close(
        (turned[0] - turned[1]).norm(dim=0), (plain[0] - plain[1]).norm(dim=0), rtol=1e-4, atol=1e-4
    )


def test_none_changes_nothing() -> None:
    maps = torch.randn(1, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(make_normaliser("none", Moments.of(np.ones((3, 4), np.float32)))(maps), maps)


@pytest.mark.parametrize(
    "tokens", [np.ones((50, 4), np.float32), np.ones((1, 4), np.float32)], ids=["constant", "one"]
)
def test_features_that_do_not_vary_are_refused(tokens: np.ndarray) -> None:
    with pytest.raises(FeatureMismatch, match="needs features that vary over the train split"):
        make_normaliser("phi-s", Moments.of(tokens))
