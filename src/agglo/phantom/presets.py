"""Presets: every number that a phantom study is drawn from, frozen, and named by a hash.

A `(low, high)` pair is a uniform range. Anatomy that is a plain fact (the shape of a vertebra, the order of events) is not here
but in the module that draws it. Changing a preset makes other data: its hash is pinned by a test.
"""

from dataclasses import asdict, dataclass
from typing import Final

from agglo.core.errors import ConfigError
from agglo.core.files import fingerprint

Range = tuple[float, float]


@dataclass(frozen=True)
class Preset:
    """Ranges of one difficulty.

    Attributes:
        version: counts changes to how things are drawn, which no range shows.
        field_mm: side of the square image in the midsagittal plane.
        opening_margin_mm: collimator edge beyond the region of interest, on each of four sides.
        tilt_deg: rotation of the whole patient in the image.
        head_deg: chin up (negative) to chin down (positive) about the atlas.
        yaw_deg, roll_deg: turning of the head out of the sagittal plane (it parts the two sides of the jaw).
        sway_mm: slow drift of the patient within a swallow.
        shoulder_level: where the shoulder's edge crosses the spine, in vertebrae below C1 (6.5 = middle of C7).
        volumes_ml, barium_percent: bolus volumes and barium concentrations (w/v) to choose from.
        kvp, gamma, brightness, noise_grey, scatter: see `xray.Beam`; brightness multiplies the automatic exposure.
        pulses_per_s: pulse rates to choose from; the stored video has 30 frames/s, with duplicated frames where pulses are fewer.
        residue_probability, edentulous_probability, fillings_probability, marker_probability, lead_probability,
        text_probability: chances of each.
    """

    name: str
    version: int = 1
    field_mm: Range = (205.0, 285.0)
    opening_margin_mm: Range = (-4.0, 34.0)
    tilt_deg: Range = (-12.0, 12.0)
    head_deg: Range = (-10.0, 10.0)
    yaw_deg: Range = (-4.0, 4.0)
    roll_deg: Range = (-4.0, 4.0)
    sway_mm: Range = (0.0, 6.0)
    shoulder_level: Range = (6.4, 8.6)
    volumes_ml: tuple[float, ...] = (3.0, 5.0, 5.0, 10.0, 10.0, 15.0, 20.0)
    barium_percent: tuple[float, ...] = (20.0, 40.0)
    kvp: Range = (60.0, 75.0)
    gamma: Range = (0.9, 1.15)
    brightness: Range = (0.95, 1.2)
    noise_grey: Range = (1.4, 2.4)
    scatter: Range = (0.15, 0.4)
    pulses_per_s: tuple[float, ...] = (30.0, 30.0, 15.0)
    residue_probability: float = 0.6
    edentulous_probability: float = 0.15
    fillings_probability: float = 0.45
    marker_probability: float = 0.4
    lead_probability: float = 0.2
    text_probability: float = 0.3


PRESETS: Final[dict[str, Preset]] = {"standard": Preset(name="standard")}
"""The shipped presets by name."""


def preset_named(name: str) -> Preset:
    """Return a preset, or raise `ConfigError` that lists those there are."""
    if name not in PRESETS:
        raise ConfigError(
            f"a phantom preset must be one of {sorted(PRESETS)}, got {name!r}; choose one of these in `phantom.preset`."
        )
    return PRESETS[name]


def preset_hash(name: str) -> str:
    """Return 16 hex digits that stand for every number of a preset."""
    return fingerprint(asdict(preset_named(name)))
