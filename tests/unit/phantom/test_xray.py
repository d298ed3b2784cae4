"""The physics: attenuation, saturation, scatter and the statistics of noise."""

import numpy as np
import pytest

from agglo.core.seeds import generator
from agglo.phantom import xray
from agglo.phantom.codec import coded
from agglo.phantom.presets import PRESETS
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
    noises = [generator("test", number + 2 - back) for back in range(3)]
    beam = beam or Beam(saturation=0.2, codec_quality=88)
    image = xray.form_image(path, beam=beam, spacing_mm=0.5, noises=noises)
    return coded(image, beam.codec_quality)


def test_the_direct_beam_is_saturated_and_without_noise():
    assert (picture(slab()) == 240).all()


def test_noise_has_the_correlations_of_recordings_behind_the_codec():
    path = slab(soft=9.0)
    path[0] += np.linspace(0, 2, 96, dtype=np.float32)
    stack = np.stack([picture(path, number).astype(float) for number in range(24)])
    noise = (stack - stack.mean(0))[:, 4:-4, 4:-4]
    variance = (noise**2).mean()
    for lag, expected in ((1, 0.71), (2, 0.43), (3, 0.29)):
        across = (noise[:, :, lag:] * noise[:, :, :-lag]).mean() / variance
        down = (noise[:, lag:] * noise[:, :-lag]).mean() / variance
        assert across == pytest.approx(expected, abs=0.06)
        assert down == pytest.approx(expected, abs=0.06)
    assert (noise[1:] * noise[:-1]).mean() / variance == pytest.approx(0.43, abs=0.06)
    assert 1.2 <= np.sqrt(variance) <= 2.4


def test_the_codec_cuts_blocks_and_harsher_ones_more():
    image = xray.form_image(
        slab(soft=9.0), beam=Beam(saturation=0.2), spacing_mm=0.5, noises=[generator("block")]
    )
    losses = [float(np.abs(coded(image, q).astype(float) - image).mean()) for q in (95, 70, 40)]
    assert losses == sorted(losses)
    steps = np.abs(np.diff(coded(image, 40).astype(float), axis=1)).mean(0)
    at_edges = steps[7::8].mean()
    assert at_edges > 1.3 * np.delete(steps, np.s_[7::8]).mean()


def test_scatter_is_half_to_twice_the_primary_behind_a_neck():
    field = np.ones((96, 96), np.float32)
    for scatter in PRESETS["standard"].scatter:
        beam = Beam(scatter=scatter)
        primary = xray.transmission(slab(soft=11.0), beam.kvp)
        signal, direct = xray.detected_signal(primary, beam=beam, open_field=field, spacing_mm=2.0)
        assert 0.3 <= (signal / direct)[48, 48] - 1 <= 2.0


def test_scatter_fills_in_behind_a_thick_object():
    path = slab(soft=10.0)
    path[MATERIALS.index("soft"), :, 48:] = 60.0
    field = np.ones((96, 96), np.float32)
    through = xray.transmission(path, 65.0)
    signal, primary = xray.detected_signal(through, beam=Beam(), open_field=field, spacing_mm=1.0)
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


def test_putting_material_in_the_way_of_a_window_is_as_if_it_had_been_there():
    path = slab(soft=9.0)
    light = xray.light_behind(path, 65.0)
    window = slice(10, 20), slice(30, 50)
    extra = np.full((10, 20), 0.7, np.float32)
    xray.attenuate(light, window, {MATERIALS.index("barium"): extra, MATERIALS.index("soft"): -extra})
    path[MATERIALS.index("barium")][window] += extra
    path[MATERIALS.index("soft")][window] -= extra
    np.testing.assert_allclose(light, xray.light_behind(path, 65.0), rtol=1e-4)
