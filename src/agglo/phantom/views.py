"""Frames that show something else than a lateral pharynx: no beam, the neck from the front, the oesophagus in the chest.

They are there to be told apart, so they are drawn simply. Nothing of them is labelled but contrast in the oesophagus.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from scipy.ndimage import gaussian_filter

from agglo.core.seeds import generator
from agglo.phantom import xray
from agglo.phantom.canvas import as_mask, fill, rounded
from agglo.phantom.codec import coded
from agglo.phantom.curves import Points, band, ellipse, points_of, rotate, smooth_line
from agglo.phantom.scene import Scene
from agglo.phantom.skeleton import CORTICAL, SOFT, SPONGIOSA
from agglo.phantom.unit import burn_text

BARIUM = xray.MATERIALS.index("barium")
GREY = 110.0
"""To which the exposure brings the middle of such a view."""

Draw = Callable[[list[Points], int, float, float], Bool[np.ndarray, "size size"]]


def no_beam(scene: Scene, number: int) -> UInt8[np.ndarray, "size size"]:
    """Return the picture while the beam is off: the detector's offset and the unit's text."""
    beam = scene.unit.beam
    grey = scene.disc * np.float32(3.0)
    burn_text(grey, scene.unit.text)
    noises = [generator("phantom noise", *scene.key, "beam off", number)]
    return coded(xray.quantise(grey, beam=beam, detector=scene.disc, noises=noises), beam.codec_quality)


def other_view(
    scene: Scene, shows: str, number: int
) -> tuple[UInt8[np.ndarray, "size size"], Bool[np.ndarray, "size size"]]:
    """Return the picture of `ap_view` or `oesophagus_view`, and where contrast is labelled in it."""
    size, spacing = scene.projection.size_px, scene.projection.spacing_mm
    path = np.zeros((len(xray.MATERIALS), size, size), np.float32)
    turn = scene.unit.tilt_deg * 0.4

    def draw(
        outlines: list[Points], material: int, cm: float, edge_mm: float
    ) -> Bool[np.ndarray, "size size"]:
        pixels = [rotate(o, turn) * (scene.unit.facing, 1) / spacing + size / 2 for o in outlines]
        patch = fill(pixels, size, margin_px=1)
        path[material][patch.window] += np.float32(cm) * rounded(patch, edge_mm / spacing)
        return as_mask(patch, size)

    random = generator("phantom view", *scene.key, shows)
    contrast = _from_the_front(draw, random) if shows == "ap_view" else _chest(draw, random)
    path[SOFT] = gaussian_filter(path[SOFT], 4.0 / spacing)
    image = _picture(scene, path, (shows, number))
    return image, contrast & (scene.disc > 0.5)


def _from_the_front(draw: Draw, random: np.random.Generator) -> Bool[np.ndarray, "size size"]:
    draw([ellipse((0, -75), (76, 80))], SOFT, 5.0, 60.0)
    draw([points_of((-62, -190), (62, -190), (58, 0), (60, 110), (-60, 110), (-58, 0))], SOFT, 11.0, 50.0)
    draw([points_of((-58, 40), (58, 40), (190, 78), (190, 240), (-190, 240), (-190, 78))], SOFT, 6.0, 40.0)
    jaw = smooth_line(
        points_of((-52, -60), (-46, -25), (-26, 0), (0, 8), (26, 0), (46, -25), (52, -60)), count=60
    )
    draw([band(jaw, 7.0, -7.0)], CORTICAL, 0.7, 8.0)
    for level in range(9):
        y = -42.0 + 19.0 * level
        draw([points_of((-13, y), (13, y), (14, y + 14), (-14, y + 14))], SPONGIOSA, 1.8, 4.0)
        draw([ellipse((side, y + 7), (6.0, 9.0)) for side in (-19.0, 19.0)], SPONGIOSA, 1.8, 6.0)
        draw([ellipse((0, y + 11), (2.5, 5.0))], CORTICAL, 0.5, 3.0)
    draw([points_of((-4, 22), (4, 22), (9, 40), (9, 200), (-9, 200), (-9, 40))], SOFT, -1.8, 14.0)
    draw([ellipse((side, 165), (42.0, 75.0)) for side in (-62.0, 62.0)], SOFT, -8.0, 50.0)
    pools = [ellipse((side, 14), (5.5, float(random.uniform(3, 9)))) for side in (-15.0, 15.0)]
    draw(pools, BARIUM, float(random.uniform(0.1, 0.8)), 8.0)
    return np.zeros_like(draw([], SOFT, 0.0, 1.0))


def _chest(draw: Draw, random: np.random.Generator) -> Bool[np.ndarray, "size size"]:
    draw([points_of((-170, -260), (170, -260), (170, 260), (-170, 260))], SOFT, 26.0, 60.0)
    draw([ellipse((20, 60), (95.0, 190.0))], SOFT, -14.0, 90.0)
    for level in range(14):
        y = -170.0 + 25.0 * level
        body = points_of((-62, y), (-36, y + 1), (-36, y + 19), (-62, y + 18))
        draw([body], SPONGIOSA, 3.4, 6.0)
        draw([body], CORTICAL, 0.5, 2.0)
    trachea = smooth_line(points_of((8, -180), (2, -60), (-6, 30)), count=30)
    draw([band(trachea, 8.5, -8.5)], SOFT, -1.8, 14.0)
    begin, length = float(random.uniform(-150, 30)), float(random.uniform(40, 110))
    line = smooth_line(points_of((-22, begin), (-25, begin + length / 2), (-24, begin + length)), count=30)
    half = 5.0 * np.sin(np.linspace(0.25, np.pi - 0.1, 30))
    return draw([band(line, half, -half)], BARIUM, 1.0, 8.0)


def _picture(
    scene: Scene, path_cm: Float32[np.ndarray, "materials size size"], key: tuple[str, int]
) -> UInt8[np.ndarray, "size size"]:
    """Take the picture; the exposure follows what is in the middle."""
    beam, size = scene.unit.beam, scene.projection.size_px
    primary = xray.transmission(path_cm, beam.kvp)
    spacing_mm = scene.projection.spacing_mm
    signal, _ = xray.detected_signal(primary, beam=beam, open_field=scene.field, spacing_mm=spacing_mm)
    middle = signal[size // 3 : -(size // 3), size // 3 : -(size // 3)]
    wanted = beam.saturation * (GREY / beam.white) ** (1 / beam.gamma)
    signal *= np.float32(wanted / max(float(np.median(middle)), 1e-6))
    grey = xray.display(signal, beam)
    burn_text(grey, scene.unit.text)
    noises = [generator("phantom noise", *scene.key, *key)]
    return coded(xray.quantise(grey, beam=beam, detector=scene.disc, noises=noises), beam.codec_quality)
