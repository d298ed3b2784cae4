"""The physics: attenuation, saturation, scatter and the statistics of noise."""

import numpy as np
import pytest

from agglo.core.seeds import generator
from agglo.phantom import xray
from agglo.phantom.xray import MATERIALS, Beam


def slab(**paths_cm):
    path = np.zeros((len(MATERIALS), 96, 96), np.float32)
    for name, length in paths_cm.items():
        path[MATERIALS.index(name)] = length
    return path


ORDER = {
    "water under air": ({"soft": 8.0}, {}),
    "bone under water": ({"soft": 8.0, "cortical": 1.0}, {"soft": 9.0}),
    "barium under bone": ({"soft": 8.0, "barium": 2.0}, {"soft": 8.0, "spongiosa": 2.0}),
    "metal under barium": ({"metal": 0.5}, {"barium": 0.5}),
    "fat over water": ({"soft": 8.0}, {"fat": 8.0}),
}


@pytest.mark.parametrize(("darker", "brighter"), ORDER.values(), ids=ORDER)
def test_more_attenuation_is_darker(darker, brighter):
    assert xray.transmission(slab(**darker), 65.0).max() < xray.transmission(slab(**brighter), 65.0).min()


def test_nothing_in_the_beam_lets_all_of_it_pass():
    assert xray.transmission(slab(), 65.0) == pytest.approx(1.0)


def test_the_beam_hardens():
    thin, thick = (-np.log(xray.transmission(slab(soft=t), 65.0)[0, 0]) / t for t in (1.0, 20.0))
    assert thick < thin


def test_stronger_barium_is_a_mixture():
    barium, soft = xray.barium_paths(3.0, 40.0)
    assert (barium, soft) == (6.0, -3.0)
    integral = barium * 1.87 + soft * 0.237
    assert integral / 3.0 == pytest.approx(3.5, rel=0.02)


def picture(path, number=0, beam=None):
    noises = [generator("test", number + 1), generator("test", number)]
    return xray.form_image(path, beam=beam or Beam(saturation=0.2), spacing_mm=0.5, noises=noises)


def test_the_direct_beam_is_saturated_and_without_noise():
    assert (picture(slab()) == 240).all()


def test_noise_has_the_correlations_of_recordings():
    stack = np.stack([picture(slab(soft=9.0), number).astype(float) for number in range(24)])
    noise = stack - stack.mean(0)
    variance = (noise**2).mean()
    for lag, expected in ((1, 0.71), (2, 0.43), (3, 0.29)):
        for axis in (1, 2):
            shifted = np.roll(noise, lag, axis=axis)
            inner = (slice(None), slice(4, None), slice(4, None))
            assert (noise * shifted)[inner].mean() / variance == pytest.approx(expected, abs=0.08)
    assert (noise[1:] * noise[:-1]).mean() / variance == pytest.approx(0.43, abs=0.08)
    assert 0.8 <= np.sqrt(variance) <= 3.5


def test_scatter_fills_in_behind_a_thick_object():
    path = slab(soft=10.0)
    path[MATERIALS.index("soft"), :, 48:] = 60.0
    field = np.ones((96, 96), np.float32)
    signal, primary = xray.detected_signal(path, beam=Beam(), open_field=field, spacing_mm=1.0)
    assert primary[48, 52] < 0.01 * signal[48, 52]
    assert signal[48, 52] > signal[48, 90]


def test_the_collimator_is_dark_but_not_black_and_outside_the_detector_is_black():
    field = np.zeros((96, 96), np.float32)
    field[:, 30:] = 1
    disc = np.ones((96, 96), np.float32)
    disc[:, :10] = 0
    beam = Beam(saturation=0.25)
    image = xray.form_image(
        slab(soft=9.0), beam=beam, spacing_mm=1.0, noises=[generator("t")], open_field=field, detector=disc
    )
    assert (image[:, :10] == 0).all()
    assert image[:, 12:28].mean() < 0.15 * image[:, 32:].mean()
