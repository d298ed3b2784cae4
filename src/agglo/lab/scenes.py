"""Lab scenes: made-up radiographs full of overlapping things, each with its exact mask, as pure functions of (seed, index).

Organs, bones, vessels, air cavities, contrast pools, coins and wires lie anywhere in a body of soft tissue and go through the same
X-ray physics as the phantom. No swallowing anatomy is in here, neither its shapes nor their arrangement nor its masks: a lab
teacher that learned from scenes has seen none of the structures it is asked about later.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from agglo.core.seeds import generator
from agglo.lab.shapes import blob, superellipse
from agglo.lab.things import MAKERS
from agglo.phantom.xray import MATERIALS, Beam, form_image, signal_behind

KINDS = tuple(MAKERS)
MIN_AREA = 0.0012  # share of the image below which a thing has no mask: about 80 pixels at 256
MIN_BODY = (
    0.3  # share of the body's thickness below which soft tissue and air cannot be seen in the open beam
)
MAX_THINGS = 11
_LIKELIHOOD = np.array([likelihood for _, likelihood in MAKERS.values()])
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "many")


@dataclass(frozen=True)
class Scene:
    """One made-up radiograph.

    Attributes:
        image: 8-bit picture.
        masks: exact footprint, inside the open field, of each thing that is large enough and lies in front of something; they
            overlap; there may be none.
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
    kinds, masks = [], []
    for number in stream.choice(len(KINDS), size=int(stream.integers(3, MAX_THINGS + 1)), p=_LIKELIHOOD):
        thing = MAKERS[KINDS[number]][0](stream, size_px)
        for material, path in thing.paths.items():
            paths[MATERIALS.index(material)] += path
        mask = (thing.profile > 0) & (opening > 0.5)
        if mask.mean() >= MIN_AREA and (thing.is_dense or body[mask].mean() >= MIN_BODY):
            kinds.append(KINDS[number])
            masks.append(mask)
    np.maximum(paths[0], 0.0, out=paths[0])
    stack = np.stack(masks) if masks else np.zeros((0, size_px, size_px), dtype=bool)
    image = _radiograph(stream, paths, opening, thickness_cm)
    return Scene(image, stack, tuple(kinds), describe(tuple(kinds), name))


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


def _radiograph(
    stream: np.random.Generator,
    paths_cm: Float32[np.ndarray, "materials size size"],
    opening: Float32[np.ndarray, "size size"],
    thickness_cm: float,
) -> UInt8[np.ndarray, "size size"]:
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
    return form_image(paths_cm, beam=beam, spacing_mm=spacing_mm, noises=[stream], open_field=opening)
