"""Presets: every number that a phantom study is drawn from, frozen, and named by a hash.

A `(low, high)` pair is a uniform range. Anatomy that is a plain fact (the shape of a vertebra, the order of events) is not here
but in the module that draws it. Changing a preset makes other data: its hash is pinned by a test.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Final

from agglo.core.errors import ConfigError
from agglo.core.files import fingerprint

Range = tuple[float, float]
Chances = tuple[tuple[str, float], ...]
"""How likely each of some named things is."""

DEVICES: Final[Chances] = (
    ("ring marker", 0.25),
    ("ball marker", 0.12),
    ("coin marker", 0.10),
    ("ruler", 0.12),
    ("electrode lead", 0.20),
    ("nasogastric tube", 0.08),
    ("neck plate", 0.05),
    ("earring", 0.12),
)
UTENSILS: Final[Chances] = (("cup", 0.15), ("spoon", 0.15), ("hand", 0.12))
UNUSABLE: Final[Chances] = (
    ("beam_off", 0.08),
    ("last_image_held", 0.08),
    ("ap_view", 0.05),
    ("oesophagus_view", 0.05),
)


@dataclass(frozen=True)
class Preset:
    """Ranges of one difficulty.

    Attributes:
        version: counts changes to how things are drawn, which no range shows.
        field_mm: side of the square image in the midsagittal plane.
        opening_margin_mm: collimator edge beyond the region of interest, on each of four sides.
        tilt_deg: rotation of the whole patient in the image; facings: 1 looks to the image's right, -1 to its left.
        head_deg: chin up (negative) to chin down (positive) about the atlas.
        yaw_deg, roll_deg: turning of the head out of the sagittal plane (it parts the two sides of the jaw).
        sway_mm: slow drift of the patient within a swallow.
        shoulder_level: where the shoulder's edge crosses the spine, in vertebrae below C1 (6.5 = middle of C7).
        shrug_probability, shrug_mm: whether, and how far, the shoulder rises into the field and sinks again.
        volumes_ml, barium_percent: bolus volumes and barium concentrations (w/v) to choose from; sip_ml: of a free sip, in place
            of a volume of 0.
        consistencies: to choose from, 0 thin to 4 extremely thick.
        airway_mix: shares of patients with no, penetrated and aspirated contrast; silent_share: of those aspirating, without cough.
        weak_probability: of a poor swallow in a patient whose airway stays clean; thin_spill_probability: of a thin bolus whose
            head is at the pyriforms before the swallow begins.
        kvp, gamma, brightness, noise_grey, scatter, scatter_sigma_mm, glare, blur: see `xray.Beam`; brightness multiplies the
            automatic exposure.
        drift: share of a change in the measured light that the automatic brightness takes back.
        lag_probability, lag: whether there is a recursive filter, and the share of the previous picture in it.
        codec_quality: of the JPEG coding that each stored frame goes through.
        pulses_per_s: pulse rates to choose from; fps: of the stored video, with duplicated frames where pulses are fewer.
        devices: what may stay in the picture; utensils: what may be at the mouth until the bolus is swallowed.
        unusable: stretches of a recording that show something else than a lateral view of the pharynx at its time.
        edentulous_probability, fillings_probability, text_probability: chances of each.
    """

    name: str
    version: int = 2
    field_mm: Range = (180.0, 300.0)
    opening_margin_mm: Range = (-4.0, 34.0)
    tilt_deg: Range = (-15.0, 15.0)
    facings: tuple[int, ...] = (1, -1)
    head_deg: Range = (-15.0, 15.0)
    yaw_deg: Range = (-5.0, 5.0)
    roll_deg: Range = (-5.0, 5.0)
    sway_mm: Range = (0.0, 10.0)
    shoulder_level: Range = (6.4, 8.6)
    shrug_probability: float = 0.15
    shrug_mm: Range = (4.0, 12.0)
    volumes_ml: tuple[float, ...] = (1.0, 3.0, 5.0, 5.0, 10.0, 10.0, 20.0, 0.0)
    sip_ml: Range = (10.0, 14.0)
    consistencies: tuple[int, ...] = (0, 0, 0, 1, 2, 3, 4)
    airway_mix: tuple[float, float, float] = (0.75, 0.16, 0.09)
    silent_share: float = 0.33
    weak_probability: float = 0.2
    thin_spill_probability: float = 0.37
    barium_percent: tuple[float, ...] = (20.0, 40.0)
    kvp: Range = (60.0, 75.0)
    gamma: Range = (1.2, 1.6)
    brightness: Range = (0.85, 1.1)
    noise_grey: Range = (1.6, 2.4)
    scatter: Range = (0.4, 1.0)
    scatter_sigma_mm: Range = (20.0, 40.0)
    glare: Range = (0.02, 0.07)
    blur: Range = (0.10, 0.20)
    drift: Range = (0.2, 0.8)
    lag_probability: float = 0.5
    lag: Range = (0.1, 0.45)
    codec_quality: Range = (80.0, 95.0)
    pulses_per_s: tuple[float, ...] = (30.0, 30.0, 30.0, 15.0, 15.0, 7.5, 4.0)
    fps: tuple[float, ...] = (30.0, 30.0, 25.0)
    devices: Chances = DEVICES
    utensils: Chances = UTENSILS
    unusable: Chances = UNUSABLE
    edentulous_probability: float = 0.15
    fillings_probability: float = 0.45
    text_probability: float = 0.3


def _more(chances: Chances, factor: float) -> Chances:
    return tuple((name, min(chance * factor, 1.0)) for name, chance in chances)


PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "standard": Preset(name="standard"),
        "hard": Preset(
            name="hard",
            head_deg=(-25.0, 25.0),
            yaw_deg=(-14.0, 14.0),
            roll_deg=(-8.0, 8.0),
            shoulder_level=(5.2, 7.6),
            shrug_probability=0.5,
            shrug_mm=(8.0, 20.0),
            gamma=(0.8, 2.0),
            brightness=(0.55, 1.5),
            noise_grey=(2.5, 5.0),
            scatter=(0.9, 2.0),
            glare=(0.05, 0.15),
            blur=(0.15, 0.25),
            drift=(0.5, 1.0),
            lag_probability=0.8,
            lag=(0.25, 0.5),
            codec_quality=(40.0, 75.0),
            pulses_per_s=(30.0, 15.0, 7.5, 4.0),
            devices=_more(DEVICES, 2.0),
            utensils=_more(UTENSILS, 2.0),
            unusable=_more(UNUSABLE, 3.0),
            weak_probability=0.5,
            fillings_probability=0.6,
            text_probability=0.6,
        ),
    }
)
"""The shipped presets by name: what may be trained on."""

HELD_OUT: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "test-v1": Preset(
            name="test-v1",
            facings=(-1,),
            barium_percent=(30.0,),
            gamma=(1.75, 1.85),
            codec_quality=(62.0, 70.0),
            fps=(25.0,),
            pulses_per_s=(12.5,),
        )
    }
)
"""Simulated units for testing; nothing is trained on them.

Their pulses and barium occur in no other preset. Their display and coding lie outside of `standard`, but within what `hard` ranges
over: for a model trained on `hard` the unit is new in pulses and barium alone.
"""


def preset_named(name: str) -> Preset:
    """Return a preset, or raise `ConfigError` that lists those there are."""
    if name in HELD_OUT:
        return HELD_OUT[name]
    if name not in PRESETS:
        raise ConfigError(
            f"a phantom preset must be one of {sorted(PRESETS)}, got {name!r}; choose one of these in `phantom.preset`."
        )
    return PRESETS[name]


def preset_hash(name: str) -> str:
    """Return 16 hex digits that stand for every number of a preset."""
    return fingerprint(asdict(preset_named(name)))
