"""Image formation: from path lengths per material to the grey picture that a fluoroscopy unit would store.

Beer-Lambert at four energies, low-frequency scatter, veiling glare, detector blur, a direct beam that saturates, display gamma,
and quantum noise (`noise`). It knows no anatomy, so other scenes can be sent through the same physics. Attenuation at 40 and
50 keV as measured for such tissues; 60 and 70 keV from the NIST mass attenuation tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8

from agglo.phantom.noise import correlated_noise

MATERIALS: Final = ("soft", "fat", "spongiosa", "cortical", "enamel", "barium", "metal")
"""Order of the first axis of path lengths. `barium` is a 20% w/v suspension; other strengths are a mixture (`barium_paths`)."""

ENERGIES_KEV: Final = (40.0, 50.0, 60.0, 70.0)

ATTENUATION_PER_CM: Final = np.array(
    [
        [0.281, 0.237, 0.215, 0.202],
        [0.225, 0.200, 0.187, 0.178],
        [0.45, 0.33, 0.28, 0.25],
        [1.28, 0.81, 0.60, 0.50],
        [2.82, 1.68, 1.18, 0.93],
        [3.19, 1.87, 1.22, 0.86],
        [28.6, 15.4, 9.5, 6.5],
    ],
    dtype=np.float32,
)
"""Linear attenuation, `[material, energy]`, 1/cm."""

SCATTER_CELLS: Final = 48

UNDER_COLLIMATOR: Final = 0.2
"""Share of scatter and glare that reaches the detector under the collimator."""


@dataclass(frozen=True)
class Beam:
    """A tube, a detector and a display.

    Attributes:
        kvp: tube voltage, 55 to 90.
        saturation: detected signal (open beam = 1) that the display shows as `white`.
        white: grey level of the direct beam.
        gamma: exponent of the display.
        scatter: scatter production; 1 gives about one scattered for one primary photon behind a neck.
        scatter_sigma_mm: blur of scatter.
        blur: share of the primary that each of a pixel's two neighbours along an axis receives (focal spot, detector).
        glare: share of the signal spread over the whole field by the intensifier.
        leak: signal under the collimator, of the open beam.
        noise_grey: standard deviation at mid-grey (120).
        lag: share of the picture before in this one, 0 to 0.5: the recursive filter. A single picture has none.
        codec_quality: of the recording, for `codec.coded`.
    """

    kvp: float = 65.0
    saturation: float = 0.25
    white: float = 240.0
    gamma: float = 1.0
    scatter: float = 0.4
    scatter_sigma_mm: float = 25.0
    blur: float = 0.16
    glare: float = 0.05
    leak: float = 0.008
    noise_grey: float = 2.0
    lag: float = 0.0
    codec_quality: int = 90


def spectrum(kvp: float) -> Float32[np.ndarray, " energies"]:
    """Return the detected share of each energy: bremsstrahlung times deposited energy, normalised to 1."""
    energies = np.array(ENERGIES_KEV, dtype=np.float32)
    weights = np.maximum(kvp + 5 - energies, 0.5)
    return (weights / weights.sum()).astype(np.float32)


def barium_paths(thickness_cm: float, percent: float) -> tuple[float, float]:
    """Return the paths in the 20% suspension and in soft tissue that together attenuate like `percent` w/v barium."""
    strength = percent / 20.0
    return thickness_cm * strength, thickness_cm * (1 - strength)


def transmission(
    path_cm: Float32[np.ndarray, "materials height width"], kvp: float
) -> Float32[np.ndarray, "height width"]:
    """Return the share of the open beam that passes unscattered; paths may be negative where a material displaces another."""
    return light_behind(path_cm, kvp).sum(0)


def light_behind(
    path_cm: Float32[np.ndarray, "materials height width"], kvp: float
) -> Float32[np.ndarray, "energies height width"]:
    """Return what passes unscattered at each energy, the whole open beam = 1."""
    materials, height, width = path_cm.shape
    light = ATTENUATION_PER_CM.T @ path_cm.reshape(materials, height * width)
    np.negative(light, out=light)
    np.exp(light, out=light)
    light *= spectrum(kvp)[:, None]
    return light.reshape(len(ENERGIES_KEV), height, width)


def attenuate(
    light: Float32[np.ndarray, "energies height width"],
    window: tuple[slice, slice],
    paths_cm: Mapping[int, Float32[np.ndarray, "rows cols"]],
) -> None:
    """Put further material, by its index in `MATERIALS`, in the way of a window of `light`, in place; negative takes it away."""
    for energy, mu in zip(light, ATTENUATION_PER_CM.T, strict=True):
        parts = [np.float32(-mu[material]) * path for material, path in paths_cm.items()]
        energy[window] *= np.exp(sum(parts[1:], start=parts[0]))


def signal_behind(paths_cm: dict[str, float], beam: Beam) -> float:
    """Return the detected signal behind a large uniform slab given by material name: what an automatic exposure aims at."""
    path = np.zeros((len(MATERIALS), 1, 1), dtype=np.float32)
    for name, length in paths_cm.items():
        path[MATERIALS.index(name)] = length
    primary = float(transmission(path, beam.kvp)[0, 0])
    return primary * (1 - beam.scatter * float(np.log(primary)) / 2.3) + beam.glare * 0.2


@lru_cache(maxsize=8)
def _averager(size: int, cells: int) -> Float32[np.ndarray, "{cells} {size}"]:
    owner = np.arange(size) * cells // size
    mean = (owner[None] == np.arange(cells)[:, None]).astype(np.float32)
    return mean / mean.sum(1, keepdims=True)


@lru_cache(maxsize=8)
def _spreader(size: int, cells: int, sigma_px: float) -> Float32[np.ndarray, "{size} {cells}"]:
    """Return the matrix that blurs a coarse row by a Gaussian (dark beyond its ends) and interpolates it to `size`."""
    sigma = max(sigma_px * cells / size, 1e-3)
    distance = np.arange(cells)[:, None] - np.arange(cells)[None]
    weights = np.exp(-0.5 * (np.arange(-4 * cells, 4 * cells + 1) / sigma) ** 2)
    gauss = np.exp(-0.5 * (distance / sigma) ** 2) / weights.sum()
    at = np.clip((np.arange(size) + 0.5) * cells / size - 0.5, 0, cells - 1)
    linear = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(cells)[None]))
    return np.asarray(linear @ gauss, dtype=np.float32)


def softened(image: Float32[np.ndarray, "height width"], share: float) -> Float32[np.ndarray, "height width"]:
    """Return `image` with `share` of each pixel given to each of its two neighbours, along rows and then columns."""
    side, middle = np.float32(share), np.float32(1 - 2 * share)
    for is_across in (False, True):
        result = middle * image
        source, target = (image.T, result.T) if is_across else (image, result)
        around = source[:-2] + source[2:]
        around *= side
        target[1:-1] += around
        target[0] += side * (source[0] + source[1])
        target[-1] += side * (source[-1] + source[-2])
        image = result
    return image


def detected_signal(
    primary: Float32[np.ndarray, "height width"],
    *,
    beam: Beam,
    open_field: Float32[np.ndarray, "height width"],
    spacing_mm: float,
) -> tuple[Float32[np.ndarray, "height width"], Float32[np.ndarray, "height width"]]:
    """Return the expected signal and its primary part, open beam = 1, from what passes unscattered (`transmission`).

    The signal is primary plus scatter (primary times what was removed on its way, widely blurred), glare and what leaks through
    the collimator.
    """
    height, width = open_field.shape
    rows, cols = min(SCATTER_CELLS, height), min(SCATTER_CELLS, width)
    primary = primary * (open_field + np.float32(beam.leak))
    down, across = _averager(height, rows), _averager(width, cols).T
    primary = softened(primary, beam.blur)
    coarse = down @ primary @ across
    entering = down @ open_field @ across + np.float32(beam.leak)
    removed = -np.log(np.clip(coarse / entering, 1e-6, 1)) / np.float32(2.3)
    veil = np.float32(beam.glare * float(np.minimum(coarse, 1.0).mean()))
    sigma_px = round(beam.scatter_sigma_mm / spacing_mm, 3)
    signal = (
        _spreader(height, rows, sigma_px)
        @ (coarse * removed * beam.scatter)
        @ _spreader(width, cols, sigma_px).T
    )
    signal += veil
    signal *= open_field * np.float32(1 - UNDER_COLLIMATOR) + np.float32(UNDER_COLLIMATOR)
    signal += primary
    return signal, primary


def display(signal: Float32[np.ndarray, "*shape"], beam: Beam) -> Float32[np.ndarray, "*shape"]:
    """Return grey levels, not yet clipped at `white`."""
    grey = np.maximum(signal, 0) * np.float32(1 / beam.saturation)
    if beam.gamma != 1.0:
        np.power(grey, np.float32(beam.gamma), out=grey)
    return grey * np.float32(beam.white)


def quantise(
    grey: Float32[np.ndarray, "height width"],
    *,
    beam: Beam,
    detector: Float32[np.ndarray, "height width"] | None = None,
    noises: Sequence[np.random.Generator],
) -> UInt8[np.ndarray, "height width"]:
    """Add quantum noise (variance in proportion to the signal), clip at the direct beam's level and store 8 bits.

    Args:
        grey: from `display`.
        beam: as there.
        detector: 1 where there is a detector, 0 outside of its circle; None means everywhere.
        noises: this frame's generator, then, if wanted, those of the pulses before (`noise.correlated_noise`).
    """
    deviation = np.sqrt(grey * np.float32(beam.noise_grey**2 / 120.0))
    noisy = grey + deviation * correlated_noise(grey.shape, noises)
    np.clip(noisy, 0, beam.white, out=noisy)
    if detector is not None:
        noisy *= detector
    return (noisy + np.float32(0.5)).astype(np.uint8)


def form_image(
    path_cm: Float32[np.ndarray, "materials height width"],
    *,
    beam: Beam,
    spacing_mm: float,
    noises: Sequence[np.random.Generator],
    open_field: Float32[np.ndarray, "height width"] | None = None,
    detector: Float32[np.ndarray, "height width"] | None = None,
) -> UInt8[np.ndarray, "height width"]:
    """Return the 8-bit picture of an object given by its path lengths: dark where it attenuates, as fluoroscopy shows it.

    Args:
        path_cm: centimetres of each of `MATERIALS` along the ray of each pixel; air is the absence of all.
        beam: tube, detector and display; `beam.saturation` sets the exposure (`signal_behind` helps to choose it).
        spacing_mm: of a pixel, for the width of scatter.
        noises: one generator, or more for noise that correlates with the pulses before (see `quantise`).
        open_field: 1 where the collimator is open, 0 where it is closed; None means open everywhere.
        detector: 1 on the detector, 0 outside of its circle; None means everywhere.
    """
    field = np.ones(path_cm.shape[1:], np.float32) if open_field is None else open_field
    primary = transmission(path_cm, beam.kvp)
    signal, _ = detected_signal(primary, beam=beam, open_field=field, spacing_mm=spacing_mm)
    return quantise(display(signal, beam), beam=beam, detector=detector, noises=noises)
