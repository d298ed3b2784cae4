"""Encoders whose kinship is known are told apart: twins are redundant, strangers are not, and grids and padding are respected."""

import numpy as np
import pytest

from agglo.core.seeds import generator
from agglo.evaluate.complement import Seen, compare, image_vectors, pooled
from agglo.evaluate.similarity import Spectrum


def seen(maps: np.ndarray, is_picture: np.ndarray | None = None) -> Seen:
    tokens = np.moveaxis(maps, 1, -1).reshape(-1, maps.shape[1])
    masks = np.ones((len(maps), *maps.shape[2:]), bool) if is_picture is None else is_picture
    return Seen(maps, masks, Spectrum.of(np.cov(tokens.T), tokens.mean(0)))


def made(name: str, dim: int = 6, cells: int = 8) -> np.ndarray:
    return generator(1, name).standard_normal((40, dim, cells, cells))


def turned(maps: np.ndarray, dim: int) -> np.ndarray:
    return np.einsum("ndhw,de->nehw", maps, generator(2, "turn").standard_normal((maps.shape[1], dim)))


def test_a_twin_is_redundant_and_a_stranger_is_not() -> None:
    base = made("base")
    found = compare({"base": seen(base), "twin": seen(turned(base, 9)), "stranger": seen(made("other"))})
    shares = dict(zip(found.names, (found.own_share(row) for row in range(3)), strict=True))
    assert shares["base"] == pytest.approx(0, abs=0.01)
    assert shares["twin"] == pytest.approx(0, abs=0.01)
    assert shares["stranger"] == pytest.approx(1, abs=0.02)
    assert found.cka[0][1] > 0.5 > 0.05 > abs(found.cka[0][2])
    assert found.cka[1][0] == pytest.approx(found.cka[0][1])


def test_a_part_is_predicted_by_the_whole_and_not_the_other_way_round() -> None:
    whole = made("whole", dim=8)
    found = compare({"whole": seen(whole), "part": seen(whole[:, :2])}).to_json()
    assert found["part"]["with"]["whole"]["predicted_share"] > 0.99
    assert found["whole"]["with"]["part"]["predicted_share"] == pytest.approx(0.25, abs=0.03)


def test_a_pair_meets_on_the_coarser_grid() -> None:
    fine = made("fine", cells=8)
    found = compare({"fine": seen(fine), "coarse": seen(pooled(fine, 4)), "coarsest": seen(pooled(fine, 2))})
    assert found.grids == ((8, 4, 2), (4, 4, 2), (2, 2, 2))
    assert found.cka[0][1] == pytest.approx(1, abs=1e-6)
    assert found.cka[0][2] == pytest.approx(1, abs=1e-6)


def test_padding_has_no_say() -> None:
    base, other = made("base"), made("other")
    for maps in (base, other):
        maps[:, :, 5:] = 30 * generator(3).standard_normal((40, 1, 3, 8))  # both see the same border
    mask = np.ones((40, 8, 8), bool)
    mask[:, 5:] = False
    blind = compare({"base": seen(base), "other": seen(other)})
    fair = compare({"base": seen(base, mask), "other": seen(other, mask)})
    assert blind.cka[0][1] > 0.9
    assert abs(fair.cka[0][1]) < 0.05


def test_means_over_a_coarser_grid_are_exact_also_across_borders() -> None:
    line = np.arange(6.0).reshape(1, 1, 1, 6).repeat(6, axis=2)
    np.testing.assert_allclose(pooled(line, 3)[0, 0, 0], [0.5, 2.5, 4.5])
    np.testing.assert_allclose(pooled(line, 4)[0, 0, 0], [1 / 3, 5 / 3, 10 / 3, 14 / 3])


def test_an_image_is_the_mean_of_what_shows_the_picture() -> None:
    maps = np.array([[[[1.0, 3.0], [100.0, 100.0]]], [[[2.0, 4.0], [6.0, 8.0]]]])
    masks = np.array([[[True, True], [False, False]], [[False, False], [False, False]]])
    assert image_vectors(maps, masks).tolist() == [[2.0], [5.0]]


def test_one_encoder_alone_has_nothing_to_be_compared_with() -> None:
    found = compare({"alone": seen(made("base"))})
    assert found.own_share(0) is None
    assert found.to_json()["alone"]["with"] == {}


def test_encoders_must_have_seen_the_same_images() -> None:
    with pytest.raises(ValueError, match="the same images"):
        compare({"one": seen(made("a")), "two": seen(made("b")[:9])})
