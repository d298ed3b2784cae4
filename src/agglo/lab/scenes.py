"""Lab scenes: made-up radiographs full of overlapping things, each with its exact mask, as pure functions of (seed, index).

Organs, bones, vessels, air cavities, contrast pools, coins and wires lie anywhere in a body of soft tissue and go through the same
X-ray physics as the phantom. No swallowing anatomy is in here, neither its shapes nor their arrangement nor its masks: a lab
teacher that learned from scenes has seen none of the structures it is asked about later.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from agglo.core.seeds import generator
from agglo.lab.shapes import blob, superellipse
from agglo.lab.things import MAKERS, Thing
from agglo.phantom.visibility import VISIBLE_GREY, change_when_removed
from agglo.phantom.xray import (
    ATTENUATION_PER_CM,
    MATERIALS,
    Beam,
    detected_signal,
    display,
    quantise,
    signal_behind,
    transmission,
)

KINDS = tuple(MAKERS)
MIN_AREA = 0.0012  # share of the image below which a thing has no mask: about 80 pixels at 256
MIN_VISIBLE = (
    0.5  # share of a thing's pixels that must show for it to have a mask; the phantom's rule for a structure
)
MAX_THINGS = 9
_LIKELIHOOD = np.array([likelihood for _, likelihood in MAKERS.values()])
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "many")


@dataclass(frozen=True)
class Scene:
    """One made-up radiograph.

    Attributes:
        image: 8-bit picture.
        masks: exact footprint, inside the open field, of each thing that is large enough and shows: taking it out of the beam would
            change half of its pixels by a standard deviation of noise (`phantom.visibility`); they overlap; there may be none.
        kinds: what each masked thing is, from `KINDS`.
        caption: says in words what is shown.
    """

    image: UInt8[np.ndarray, "size size"]
    masks: Bool[np.ndarray, "things size size"]
    kinds: tuple[str, ...]
    caption: str


def make_scene(seed: int, index: int, *, size_px: int = 256) -> Scene:
    """Return scene `index` of the endless series that belongs to `seed`."""
    stream = generator("lab", "scene", seed, index)
    name, opening = _field(stream, size_px)
    paths = np.zeros((len(MATERIALS), size_px, size_px), np.float32)
    thickness_cm, body = stream.uniform(6.0, 15.0), _body(stream, size_px)
    paths[MATERIALS.index("soft")] = thickness_cm * body
    numbers = stream.choice(len(KINDS), size=int(stream.integers(3, MAX_THINGS + 1)), p=_LIKELIHOOD)
    things = [MAKERS[KINDS[number]][0](stream, size_px) for number in numbers]
    for thing in things:
        for material, path in thing.paths.items():
            paths[MATERIALS.index(material)] += path
    np.maximum(paths[0], 0.0, out=paths[0])
    light = _expose(stream, paths, opening, thickness_cm)
    masks = [(thing.profile > 0) & (opening > 0.5) for thing in things]
    shown = [
        place
        for place, (thing, mask) in enumerate(zip(things, masks, strict=True))
        if mask.mean() >= MIN_AREA and visible_share(thing, mask, light) >= MIN_VISIBLE
    ]
    kinds = tuple(KINDS[numbers[place]] for place in shown)
    stack = np.stack([masks[place] for place in shown]) if shown else np.zeros((0, size_px, size_px), bool)
    image = quantise(display(light.signal, light.beam), beam=light.beam, noises=[stream])
    return Scene(image, stack, kinds, describe(kinds, name))


def describe(kinds: tuple[str, ...], field_name: str) -> str:
    """Return the caption of a scene with these things: at most four kinds, the most numerous first."""
    counts = {kind: kinds.count(kind) for kind in KINDS if kind in kinds}
    shown = sorted(counts, key=lambda kind: -counts[kind])[:4]
    parts = [f"{_NUMBERS[min(counts[kind], 7)]} {kind}" for kind in shown] or ["soft tissue only"]
    return f"scene in a {field_name} field showing {' and '.join(parts)}"


def _body(stream: np.random.Generator, size_px: int) -> Float[np.ndarray, "size size"]:
    """Return the share of the body's thickness at each pixel: a wide, softly uneven body that may end inside the picture."""
    centre = stream.uniform(0.3, 0.7, 2)
    outline = blob(stream, centre, stream.uniform(0.5, 0.9), size_px)
    across = (np.arange(size_px, dtype=np.float32) + 0.5) / size_px
    for axis in range(2):
        swing, cycles, phase = stream.normal(0, 0.08), stream.uniform(0.5, 2.0), stream.uniform(0, 2 * np.pi)
        wave = 1 + swing * np.cos(2 * np.pi * cycles * across + phase)
        outline = outline * (wave[None, :] if axis == 0 else wave[:, None])
    return outline.astype(np.float32)


def _field(stream: np.random.Generator, size_px: int) -> tuple[str, Float32[np.ndarray, "size size"]]:
    """Return the name and the opening of the collimator: 1 where the beam passes."""
    name = ("round", "rectangular", "full")[int(stream.choice(3, p=(0.35, 0.45, 0.2)))]
    if name == "full":
        return name, np.ones((size_px, size_px), np.float32)
    centre = stream.uniform(0.46, 0.54, 2)
    if name == "round":
        radius = stream.uniform(0.42, 0.54)
        profile = superellipse(stream, centre, (radius, radius), 2.0, size_px)
        return name, (profile > 0).astype(np.float32)
    halves = stream.uniform(0.32, 0.5, 2)
    away = np.abs((np.arange(size_px) + 0.5) / size_px - centre[:, None])
    columns, rows = away[0] < halves[0], away[1] < halves[1]
    return name, (rows[:, None] & columns[None, :]).astype(np.float32)


class Light(NamedTuple):
    """Expected signal behind the scene and its primary part (open beam = 1), and the unit that shows it."""

    signal: Float32[np.ndarray, "size size"]
    primary: Float32[np.ndarray, "size size"]
    beam: Beam


def visible_share(thing: Thing, mask: Bool[np.ndarray, "size size"], light: Light) -> float:
    """Return the share of a thing's mask that would change by `VISIBLE_GREY` grey levels if it were taken out of the beam."""
    rows, columns = np.nonzero(mask)
    per_cm = {material: float(ATTENUATION_PER_CM[MATERIALS.index(material), 1]) for material in thing.paths}
    integral = sum(
        (per_cm[material] * path[rows, columns] for material, path in thing.paths.items()),
        np.zeros(len(rows), np.float32),
    )
    signal, primary = light.signal[rows, columns], light.primary[rows, columns]
    return float((change_when_removed(signal, primary, integral, light.beam) >= VISIBLE_GREY).mean())


def _expose(
    stream: np.random.Generator,
    paths_cm: Float32[np.ndarray, "materials size size"],
    opening: Float32[np.ndarray, "size size"],
    thickness_cm: float,
) -> Light:
    """Expose for somewhat less than the body's full thickness, with a unit drawn at random."""
    kvp, scatter = float(stream.uniform(60, 75)), float(stream.uniform(0.25, 0.55))
    aim = signal_behind({"soft": float(thickness_cm)}, Beam(kvp=kvp, scatter=scatter))
    beam = Beam(
        kvp=kvp,
        scatter=scatter,
        saturation=aim * float(stream.uniform(1.6, 4.0)),
        gamma=float(stream.uniform(0.8, 1.15)),
        noise_grey=float(stream.uniform(1.2, 3.0)),
    )
    spacing_mm = float(stream.uniform(150, 300)) / opening.shape[0]
    passed = transmission(paths_cm, beam.kvp)
    signal, primary = detected_signal(passed, beam=beam, open_field=opening, spacing_mm=spacing_mm)
    return Light(signal, primary, beam)
