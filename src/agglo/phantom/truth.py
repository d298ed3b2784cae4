"""What is known of a frame besides its masks: label states, how much can be seen, landmarks, and a caption in words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from agglo.phantom.curves import Points, points_of
from agglo.phantom.person import Airway
from agglo.phantom.skeleton import Body
from agglo.phantom.structures import ABSENT, NOT_ASSESSABLE, PRESENT, STRUCTURES
from agglo.phantom.swallow import Phase, Swallow
from agglo.phantom.throat import Throat, wall_front


@dataclass(frozen=True)
class Truth:
    """Exact facts of one frame, or of its time where it is no lateral view of the neck (`PhantomFrame.shows`).

    Attributes:
        time_s: of the pulse shown, after the onset of the hyoid's burst; fps: of the stored video.
        spacing_mm: of a pixel in the midsagittal plane (rows, columns).
        landmarks: by name, `(column, row)` in pixels: hyoid, C2, C4 (anterior-inferior corners), fold_front, fold_back, ues_front,
            ues_back, tongue_base; they may lie outside the image.
        visible_fraction: per structure, 0..1: the share of it in the image and open field that contrast would let one see.
        is_airway_closed: the laryngeal vestibule; ues_opening_mm: of the upper oesophageal sphincter.
        volume_ml: of the contrast swallowed as drawn, with its pools, 0 once the moving part has left; residue_ml: of what stays.
        airway: what lies in the airway at this time: contrast above the folds (penetration) or below them (aspiration);
            swallow_airway: the deepest of the whole swallow; airway_timing: before, during or after it, or empty; is_silent: the
            patient aspirates and no cough answers it.
        consistency: of the bolus, in words; act: 0 in the main act, then the number of the clearing act.
        leaf: how far the epiglottis has tilted: 0 upright, 0.5 horizontal, 1 inverted all the way.
        field_diagonal_px: of the box around the open field.
    """

    time_s: float
    fps: float
    spacing_mm: tuple[float, float]
    phase: Phase
    facing: str
    landmarks: Mapping[str, tuple[float, float]]
    visible_fraction: tuple[float, ...]
    caption: str
    is_airway_closed: bool
    ues_opening_mm: float
    volume_ml: float
    residue_ml: float
    airway: Airway
    swallow_airway: Airway
    airway_timing: str
    is_silent: bool
    consistency: str
    act: int
    leaf: float
    field_diagonal_px: float
    pharynx_includes_bolus: bool = True


def states_of(
    masks: Bool[np.ndarray, "structures rows cols"], visible: Float[np.ndarray, " structures"], leaf: float
) -> tuple[str, ...]:
    """Return one label state a structure.

    Absent without any pixel; the epiglottis is not assessable when it is more than horizontal and less than two fifths visible.
    """
    states = [PRESENT if mask.any() else ABSENT for mask in masks]
    at = STRUCTURES.index("epiglottis")
    if states[at] == PRESENT and leaf > 0.5 and visible[at] < 0.4:
        states[at] = NOT_ASSESSABLE
    return tuple(states)


PHASE_WORDS: Mapping[Phase, str] = {
    "oral_hold": "oral hold",
    "oral_transit": "oral transit",
    "pharyngeal": "pharyngeal phase",
    "oesophageal": "oesophageal phase",
    "rest": "rest after the swallow",
}


def caption_of(facts: Mapping[str, str]) -> str:
    """Return one sentence from facts: facing, phase, bolus, leaf, airway, teeth, field, devices."""
    devices = f", {facts['devices']} in the picture" if facts["devices"] else ""
    return (
        f"lateral videofluoroscopic swallow study, patient facing {facts['facing']}, {facts['phase']}, "
        f"{facts['bolus']}, epiglottis {facts['leaf']}, airway {facts['airway']}, {facts['teeth']}, {facts['field']}{devices}"
    )


CONSISTENCIES = ("thin", "slightly thick", "mildly thick", "moderately thick", "extremely thick")
"""Of a bolus, in words, by number."""


def airway_of(masks: Mapping[str, Bool[np.ndarray, "rows cols"]]) -> Airway:
    """Return how deep contrast lies in the airway of a frame."""
    if masks["below_folds"].any():
        return "aspiration"
    return "penetration" if masks["in_vestibule"].any() else "none"


def bolus_words(places: Mapping[str, int], swallow: Swallow, is_residue: bool) -> str:
    """Return where contrast is, from pixel counts by place."""
    named = [place for place, count in places.items() if count > 0]
    if not named:
        return "no contrast in view"
    strength = f"{CONSISTENCIES[swallow.consistency]} {'dense' if swallow.barium_percent > 30 else 'light'}"
    what = "residue" if is_residue else "bolus"
    return f"{strength} barium {what} in the {' and '.join(named)}"


def leaf_words(leaf: float) -> str:
    """Return the posture of the epiglottis in a word."""
    if leaf < 0.2:
        return "upright"
    return "tilting" if leaf < 0.6 else "inverted"


def landmarks_of(
    body: Body, throat: Throat, opening_mm: float, to_image: Callable[[Points], Points]
) -> dict[str, tuple[float, float]]:
    """Return named points in image coordinates `(column, row)`."""
    bones = {vertebra.name: vertebra for vertebra in body.vertebrae}
    level = throat.sphincter_level
    wall = float(wall_front(np.array([level]), body.person.size)[0])
    sphincter = body.neck.place(points_of((wall, level), (wall + max(opening_mm, 0.5), level)))
    points = {
        "hyoid": throat.hyoid_centre,
        "C2": bones["C2"].low_front_corner,
        "C4": bones["C4"].low_front_corner,
        "fold_front": throat.folds[:1],
        "fold_back": throat.folds[1:],
        "ues_back": sphincter[:1],
        "ues_front": sphincter[1:],
        "tongue_base": throat.tongue_base,
    }
    return {
        name: (float(xy[0]), float(xy[1])) for name, xy in ((n, to_image(p)[0]) for n, p in points.items())
    }
