"""The fluoroscopy unit before which a patient stands: field, collimator, exposure, display, and what else lies in the picture."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32
from PIL import Image, ImageDraw, ImageFont

from agglo.core.seeds import generator
from agglo.phantom.canvas import Projection
from agglo.phantom.curves import points_of
from agglo.phantom.head import SOURCE_MM
from agglo.phantom.person import Person, uniform
from agglo.phantom.presets import Chances, Preset
from agglo.phantom.swallow import Swallow
from agglo.phantom.xray import Beam, signal_behind

AIRWAY_CM = 2.4
AIRWAY_GREY = 184.0
"""Mean width of the airway that the exposure aims at, and the grey level that it gets."""

DETECTOR_MM = (200.0, 245.0)
"""From the midsagittal plane to the detector."""


@dataclass(frozen=True)
class Unit:
    """One unit's settings for one study.

    Attributes:
        facing: 1 when the patient looks to the image's right, -1 to its left.
        field_mm: side of the image in the midsagittal plane; off_centre_mm: of the region of interest in it.
        margins_mm: of the collimator beyond the region of interest: left, top, right, bottom, in the image.
        circle: radius of the round detector over half the image's side; None for a square one.
        drift: share of a change in light that the automatic brightness takes back.
        source_detector_mm: the patient's middle stays at `head.SOURCE_MM` from the source.
        head_deg: nod, yaw and roll; atlas_deg: nod of C1; shoulder: its level, in vertebrae below C1.
        sway_mm: drift in the image over the swallow, right and down.
        shrug_mm: how far the shoulder rises and sinks again; shrug_share: when, as a share of the recording.
        devices: what lies in the picture throughout; utensils: what is at the mouth before the swallow.
        number: names the unit; fps: of the stored video.
    """

    facing: int
    tilt_deg: float
    field_mm: float
    off_centre_mm: tuple[float, float]
    margins_mm: tuple[float, float, float, float]
    circle: float | None
    beam: Beam
    drift: float
    source_detector_mm: float
    head_deg: tuple[float, float, float]
    atlas_deg: float
    shoulder: float
    sway_mm: tuple[float, float]
    shrug_mm: float
    shrug_share: float
    devices: tuple[str, ...]
    utensils: tuple[str, ...]
    text: str
    number: int
    fps: float

    @property
    def magnification(self) -> float:
        """Of the midsagittal plane on the detector."""
        return self.source_detector_mm / SOURCE_MM


def sample_unit(seed: int, patient: int, swallow: int, person: Person, preset: Preset) -> Unit:
    """Draw a unit and a position; facing, unit and collimation belong to the patient, the pose to the swallow."""
    visit = generator(seed, "phantom unit", patient)
    pose = generator(seed, "phantom pose", patient, swallow)
    extra = 80.0 if visit.random() < 0.3 else 0.0
    margins = [uniform(visit, preset.opening_margin_mm) + extra for _ in range(4)]
    angle, sway = uniform(pose, (0.0, 2 * np.pi)), uniform(pose, preset.sway_mm)
    return Unit(
        facing=int(visit.choice(preset.facings)),
        tilt_deg=uniform(pose, preset.tilt_deg),
        field_mm=uniform(visit, preset.field_mm),
        off_centre_mm=(uniform(visit, (-8.0, 8.0)), uniform(visit, (-8.0, 8.0))),
        margins_mm=(margins[0], margins[1], margins[2], margins[3]),
        circle=uniform(visit, (0.96, 1.1)) if visit.random() < 0.65 else None,
        beam=_sample_beam(visit, person, preset),
        drift=uniform(visit, preset.drift),
        source_detector_mm=SOURCE_MM + uniform(visit, DETECTOR_MM),
        head_deg=(
            uniform(pose, preset.head_deg),
            uniform(pose, preset.yaw_deg),
            uniform(pose, preset.roll_deg),
        ),
        atlas_deg=uniform(pose, (-5.0, 5.0)),
        shoulder=uniform(visit, preset.shoulder_level),
        sway_mm=(float(np.cos(angle) * sway), float(np.sin(angle) * sway)),
        shrug_mm=uniform(pose, preset.shrug_mm) if pose.random() < preset.shrug_probability else 0.0,
        shrug_share=uniform(pose, (0.15, 0.85)),
        devices=_those_there(visit, preset.devices),
        utensils=_those_there(pose, preset.utensils),
        text=_burnt_in(visit) if visit.random() < preset.text_probability else "",
        number=int(visit.integers(0, 100_000)),
        fps=float(visit.choice(preset.fps)),
    )


def _sample_beam(visit: np.random.Generator, person: Person, preset: Preset) -> Beam:
    """Draw tube, detector and display; the exposure shows the airway of this neck at its usual grey."""
    dark = Beam(
        kvp=uniform(visit, preset.kvp),
        gamma=uniform(visit, preset.gamma),
        scatter=uniform(visit, preset.scatter),
        scatter_sigma_mm=uniform(visit, preset.scatter_sigma_mm),
        blur=uniform(visit, preset.blur),
        glare=uniform(visit, preset.glare),
        noise_grey=uniform(visit, preset.noise_grey),
        codec_quality=round(uniform(visit, preset.codec_quality)),
        lag=uniform(visit, preset.lag) if visit.random() < preset.lag_probability else 0.0,
    )
    airway = signal_behind({"soft": person.neck_cm - AIRWAY_CM}, dark)
    level = min(AIRWAY_GREY * uniform(visit, preset.brightness), 225.0) / dark.white
    return replace(dark, saturation=airway / level ** (1 / dark.gamma))


def _those_there(random: np.random.Generator, chances: Chances) -> tuple[str, ...]:
    return tuple(name for name, chance in chances if random.random() < chance)


def _burnt_in(random: np.random.Generator) -> str:
    hour, minute, second = (int(random.integers(0, top)) for top in (24, 60, 60))
    return f"{hour:02d}:{minute:02d}:{second:02d}  {int(random.integers(60, 76))} kV"


def region_of_interest(size: float) -> Float[np.ndarray, "4 2"]:
    """Return the corners (mm, body frame) of what an examiner wants in the field: C1 to C7, spine to chin."""
    return points_of((-46, -84), (108, -84), (108, 82), (-46, 82)) * size


def projection_of(unit: Unit, person: Person, size_px: int) -> Projection:
    """Return the projection that puts the region of interest near the middle of the image, with room for sway."""
    spacing = unit.field_mm / size_px
    centre = region_of_interest(person.size).mean(0) + np.array(unit.off_centre_mm)
    pad = int(np.ceil(max(abs(unit.sway_mm[0]), abs(unit.sway_mm[1])) / spacing)) + 1
    return Projection(size_px, spacing, (float(centre[0]), float(centre[1])), unit.facing, unit.tilt_deg, pad)


def apertures(
    unit: Unit, projection: Projection, person: Person
) -> tuple[Float32[np.ndarray, "rows cols"], Float32[np.ndarray, "rows cols"]]:
    """Return the open field (0..1, soft edges) and the detector's disc (0 or 1) of an image."""
    size, spacing = projection.size_px, projection.spacing_mm
    corners = projection.to_px(region_of_interest(person.size)) - projection.pad_px
    left, top = corners.min(0) - np.array(unit.margins_mm[:2]) / spacing
    right, bottom = corners.max(0) + np.array(unit.margins_mm[2:]) / spacing
    at = np.arange(size) + 0.5
    soft = 1.6 / spacing
    across = np.clip((at - left) / soft + 0.5, 0, 1) * np.clip((right - at) / soft + 0.5, 0, 1)
    down = np.clip((at - top) / soft + 0.5, 0, 1) * np.clip((bottom - at) / soft + 0.5, 0, 1)
    field = (down[:, None] * across[None]).astype(np.float32)
    if unit.circle is None:
        return field, np.ones_like(field)
    radius = unit.circle * size / 2
    distance = np.hypot(at[:, None] - size / 2, at[None] - size / 2)
    disc = np.clip(radius - distance + 0.5, 0, 1).astype(np.float32)
    return field * disc, disc


def burn_text(grey: Float32[np.ndarray, "rows cols"], text: str) -> None:
    """Write the unit's text into the lower left corner, in place, as bright letters; an empty text changes nothing."""
    if not text:
        return
    size = grey.shape[0]
    box = Image.new("L", (size // 2, max(size // 24, 9)))
    ImageDraw.Draw(box).text((2, 0), text, fill=255, font=ImageFont.load_default(max(size // 30, 7)))
    letters = np.asarray(box, dtype=np.float32) / 255
    rows, cols = letters.shape
    corner = grey[size - rows - 2 : size - 2, 2 : cols + 2]
    corner += letters * (200 - corner)


def unit_facts(unit: Unit, swallow: Swallow, size_px: int) -> dict[str, str]:
    """Return what a DICOM header would say of a recording, by column of a frame table."""
    spacing_mm = unit.field_mm / size_px
    return {
        "unit": f"phantom-{unit.number:05d}",
        "kvp": f"{unit.beam.kvp:.1f}",
        "pulses_per_s": f"{swallow.pulses_per_s:g}",
        "imager_spacing_mm": f"{spacing_mm * unit.magnification:.5f}",
        "magnification": f"{unit.magnification:.4f}",
        "source_detector_mm": f"{unit.source_detector_mm:.1f}",
        "source_patient_mm": f"{SOURCE_MM:.1f}",
        "field_mm": f"{unit.field_mm:.1f}",
        "barium_percent": f"{swallow.barium_percent:g}",
        "given_ml": f"{swallow.main.volume_ml:.1f}",
        "lag": f"{unit.beam.lag:.2f}",
        "gamma": f"{unit.beam.gamma:.2f}",
        "codec_quality": str(unit.beam.codec_quality),
        "devices": " ".join(name.replace(" ", "_") for name in (*unit.devices, *unit.utensils)),
    }
