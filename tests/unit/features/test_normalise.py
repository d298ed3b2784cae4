"""Normalisers: PHI-S gives every channel variance 1, global does not; both can be undone; Hadamard matrices are what they claim."""

import numpy as np
import pytest
import torch

from agglo.core.errors import FeatureMismatch
from agglo.core.seeds import generator
from agglo.features.hadamard import hadamard
from agglo.features.moments import Moments
from agglo.features.normalise import make_normaliser

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


@pytest.mark.parametrize("dim", [12, 64])
def test_phi_s_equalises_channels_where_global_does_not(dim: int) -> None:
    tokens = uneven_tokens(dim)
    maps = torch.from_numpy(tokens).T.reshape(1, dim, 40, 100)
    variances = {}
    for name in ("global", "phi-s"):
        normaliser = make_normaliser(name, Moments.of(tokens))
        normalised = normaliser(maps)
        variances[name] = normalised.flatten(2)[0].double().var(dim=1)
        torch.testing.assert_close(normaliser.inverse(normalised), maps, atol=2e-3, rtol=1e-3)
        assert normalised.mean().abs() < 1e-3
        assert abs(float(variances[name].mean()) - 1) < 1e-3
    torch.testing.assert_close(variances["phi-s"], torch.ones(dim).double(), atol=2e-3, rtol=0.0)
    assert variances["global"].max() > 2 * variances["global"].min()


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
