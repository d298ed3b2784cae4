"""Spectra, CKA and linear prediction say what they must of encoders whose kinship is known."""

import numpy as np
import pytest

from agglo.core.seeds import generator
from agglo.evaluate.projections import effective_rank
from agglo.evaluate.similarity import Spectrum, debiased_cka, linear_prediction


def noise(*shape: int, name: str = "a") -> np.ndarray:
    return generator(7, name).standard_normal(shape)


SPECTRA = {  # name: (variances, mean, rank, components for 90 %, share of the mean)
    "flat": ([1.0, 1.0, 1.0, 1.0], [0.0] * 4, 4.0, 4, 0.0),
    "one direction": ([3.0, 0.0, 0.0], [0.0, 0.0, 1.0], 1.0, 1, 0.25),
    "two unlike": ([0.9, 0.1], [1.0, 0.0], 1.7547, 1, 0.5),
    "constant": ([0.0, 0.0], [2.0, 0.0], 0.0, 0, 1.0),
    "nothing at all": ([0.0, 0.0], [0.0, 0.0], 0.0, 0, 0.0),
}


@pytest.mark.parametrize(("variances", "mean", "rank", "components", "share"), SPECTRA.values(), ids=SPECTRA)
def test_spectra(
    variances: list[float], mean: list[float], rank: float, components: int, share: float
) -> None:
    turn = np.linalg.qr(noise(len(variances), len(variances)))[0]
    spectrum = Spectrum.of(turn @ np.diag(variances) @ turn.T, np.array(mean))
    assert spectrum.effective_rank == pytest.approx(rank, abs=1e-3)
    assert spectrum.components(0.9) == components
    assert spectrum.mean_share == pytest.approx(share)
    assert spectrum.variance == pytest.approx(sum(variances))


def test_the_rank_of_a_covariance_is_that_of_its_tokens() -> None:
    tokens = noise(400, 12) * np.geomspace(1, 0.01, 12)
    spectrum = Spectrum.of(np.cov(tokens.T), tokens.mean(0))
    assert spectrum.effective_rank == pytest.approx(effective_rank(tokens), rel=1e-6)


def test_cka_of_the_same_is_one_whatever_turns_shifts_and_scales_it() -> None:
    tokens = noise(60, 8)
    turned = 5 * tokens @ np.linalg.qr(noise(8, 8, name="turn"))[0] + 100
    assert debiased_cka(tokens, turned) == pytest.approx(1, abs=1e-9)


def test_cka_of_wide_strangers_is_near_zero_where_the_biased_one_is_not() -> None:
    first, second = noise(50, 400), noise(50, 400, name="b")
    one, two = (each - each.mean(0) for each in (first, second))
    biased = np.linalg.norm(one.T @ two) ** 2 / np.linalg.norm(one.T @ one) / np.linalg.norm(two.T @ two)
    assert biased > 0.7
    assert abs(debiased_cka(first, second)) < 0.05


def test_cka_grows_with_what_is_shared() -> None:
    shared, one, two = noise(300, 6), noise(300, 6, name="b"), noise(300, 6, name="c")
    found = [debiased_cka(shared + size * one, shared + size * two) for size in (0.0, 0.5, 1.0, 3.0)]
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx(1)
    assert found[2] == pytest.approx(0.25, abs=0.08)


def test_an_encoder_that_does_not_vary_has_nothing_in_common() -> None:
    assert debiased_cka(np.ones((9, 3)), noise(9, 3)) == 0


@pytest.mark.parametrize(("first", "second"), [((3, 2), (3, 2)), ((9, 2), (8, 2))], ids=["few", "unlike"])
def test_cka_needs_the_same_tokens_and_some_of_them(first: tuple[int, int], second: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="the same four or more tokens"):
        debiased_cka(noise(*first), noise(*second))


def test_a_linear_image_is_predicted_wholly_and_a_stranger_not_at_all() -> None:
    tokens = noise(2000, 6)
    image = linear_prediction(tokens @ noise(6, 9, name="map") + 4, tokens)
    assert image.cosine > 0.999
    assert image.explained > 0.999
    stranger = linear_prediction(noise(2000, 9, name="b"), tokens)
    assert abs(stranger.cosine) < 0.05
    assert abs(stranger.explained) < 0.02


def test_half_of_what_varies_is_half_explained() -> None:
    shared, own = noise(4000, 5), noise(4000, 5, name="b")
    found = linear_prediction(shared + own, shared)
    assert found.explained == pytest.approx(0.5, abs=0.03)
    assert found.cosine == pytest.approx(0.69, abs=0.04)


def test_more_channels_than_tokens_do_not_predict_noise() -> None:
    found = linear_prediction(noise(300, 4, name="b"), noise(300, 500))
    assert found.explained < 0.1
