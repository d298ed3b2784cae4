"""The fluoroscopy unit before which a patient stands: field, collimator, exposure, display, and what else lies in the picture."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from PIL import Image, ImageDraw, ImageFont

from agglo.core.seeds import generator
from agglo.phantom.canvas import Projection
from agglo.phantom.curves import points_of
from agglo.phantom.person import Person, uniform
from agglo.phantom.presets import Preset
from agglo.phantom.xray import Beam, signal_behind


@dataclass(frozen=True)
class Unit:
    """One unit's settings for one study.

    Attributes:
        facing: 1 when the patient looks to the image's right, -1 to its left.
        field_mm: side of the image in the midsagittal plane; off_centre_mm: of the region of interest in it.
        margins_mm: of the collimator beyond the region of interest: left, top, right, bottom, in the image.
        circle: radius of the round detector over half the image's side; None for a square one.
        head_deg: nod, yaw and roll; atlas_deg: nod of C1; shoulder: its level, in vertebrae below C1.
        sway_mm: drift in the image over the swallow, right and down.
    """

    facing: int
    tilt_deg: float
    field_mm: float
    off_centre_mm: tuple[float, float]
    margins_mm: tuple[float, float, float, float]
    circle: float | None
    beam: Beam
    head_deg: tuple[float, float, float]
    atlas_deg: float
    shoulder: float
    sway_mm: tuple[float, float]
    marker: bool
    lead: bool
    text: str


def sample_unit(seed: int, patient: int, swallow: int, person: Person, preset: Preset) -> Unit:
    """Draw a unit and a position; facing, unit and collimation belong to the patient, the pose to the swallow."""
    visit = generator(seed, "phantom unit", patient)
    pose = generator(seed, "phantom pose", patient, swallow)
    dark = Beam(kvp=uniform(visit, preset.kvp), scatter=uniform(visit, preset.scatter))
    airway = signal_behind({"soft": person.neck_cm - 3.4}, dark)
    gamma = uniform(visit, preset.gamma)
    level = min(184.0 * uniform(visit, preset.brightness), 220.0) / dark.white
    is_wide = bool(visit.random() < 0.3)
    low, high = preset.opening_margin_mm
    margins = tuple(float(visit.uniform(low, high)) + (80.0 if is_wide else 0.0) for _ in range(4))
    angle = uniform(pose, (0.0, 2 * np.pi))
    sway = uniform(pose, preset.sway_mm)
    return Unit(
        facing=1 if visit.random() < 0.5 else -1,
        tilt_deg=uniform(pose, preset.tilt_deg),
        field_mm=uniform(visit, preset.field_mm),
        off_centre_mm=(uniform(visit, (-8.0, 8.0)), uniform(visit, (-8.0, 8.0))),
        margins_mm=(margins[0], margins[1], margins[2], margins[3]),
        circle=uniform(visit, (0.96, 1.1)) if visit.random() < 0.65 else None,
        beam=Beam(
            kvp=dark.kvp,
            scatter=dark.scatter,
            saturation=airway / level ** (1 / gamma),
            gamma=gamma,
            noise_grey=uniform(visit, preset.noise_grey),
        ),
        head_deg=(
            uniform(pose, preset.head_deg),
            uniform(pose, preset.yaw_deg),
            uniform(pose, preset.roll_deg),
        ),
        atlas_deg=uniform(pose, (-5.0, 5.0)),
        shoulder=uniform(visit, preset.shoulder_level),
        sway_mm=(float(np.cos(angle) * sway), float(np.sin(angle) * sway)),
        marker=bool(visit.random() < preset.marker_probability),
        lead=bool(visit.random() < preset.lead_probability),
        text=_burnt_in(visit) if visit.random() < preset.text_probability else "",
    )


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
