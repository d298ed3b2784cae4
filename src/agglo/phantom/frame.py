"""One frame: moving organs over the static body, masks cut to the image, the picture formed, the truth noted.

`render_frame` is a pure function of a `Scene` and a time.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from agglo.core.seeds import generator
from agglo.phantom import xray
from agglo.phantom.bolus import Bolus
from agglo.phantom.canvas import Projection
from agglo.phantom.curves import Points
from agglo.phantom.moving import Moving, draw_moving
from agglo.phantom.pose import moment_at
from agglo.phantom.scene import Scene, masks_of, static_window, window_of
from agglo.phantom.skeleton import CORTICAL, SOFT, SPONGIOSA
from agglo.phantom.structures import EXTRAS
from agglo.phantom.swallow import Motion
from agglo.phantom.throat import PALATE_LEVEL, Throat
from agglo.phantom.truth import (
    PHASE_WORDS,
    Truth,
    bolus_words,
    caption_of,
    landmarks_of,
    leaf_words,
    states_of,
)
from agglo.phantom.unit import burn_text
from agglo.phantom.visibility import Light, visible_fractions

FPS = 30.0
"""Of the stored video, whatever the pulse rate."""

CLOSED = 0.96
"""Closure of the vestibule beyond which no air is left in it."""


@dataclass(frozen=True)
class PhantomFrame:
    """One rendered frame.

    Attributes:
        image: the picture.
        masks: exact, in the order of `STRUCTURES`; they overlap (the bolus lies in the pharynx).
        extras: exact further masks by name, see `structures.EXTRAS`.
        states: one word a structure: present, absent, not_assessable.
        truth: everything else that is known.
        index: frame number in the 30 frames/s recording.
    """

    image: UInt8[np.ndarray, "size size"]
    masks: Bool[np.ndarray, "structures size size"]
    extras: dict[str, Bool[np.ndarray, "size size"]]
    states: tuple[str, ...]
    truth: Truth
    index: int


def _add_moving(path: Float32[np.ndarray, "materials size size"], moving: Moving, percent: float) -> None:
    """Let air and contrast displace soft tissue, and add hyoid and cartilage, in place."""
    cavity = np.maximum(moving.air_cm, moving.contrast_cm)
    barium, diluted = xray.barium_paths(1.0, percent)
    path[SOFT] -= cavity
    path[SOFT] += np.float32(diluted) * moving.contrast_cm
    path[xray.MATERIALS.index("barium")] += np.float32(barium) * moving.contrast_cm
    for patch, spongiosa, cortical in zip(moving.hyoid, (0.7, 0.3), (0.35, 0.2), strict=True):
        path[SPONGIOSA][patch.window] += np.float32(spongiosa) * patch.cover
        path[CORTICAL][patch.window] += np.float32(cortical) * patch.cover
    for patch in moving.cartilage:
        path[CORTICAL][patch.window] += np.float32(0.3) * patch.cover


def _extras(scene: Scene, moving: Moving, residue: float) -> dict[str, Bool[np.ndarray, "size size"]]:
    inside = scene.disc > 0.5
    left_over = residue > 0.5
    empty = np.zeros_like(inside)
    masks = {
        "hyoid": moving.masks["hyoid"],
        "vestibule": moving.masks["vestibule"],
        "residue_vallecular": moving.masks["valleculae"] if left_over else empty,
        "residue_pyriform": moving.masks["pyriforms"] if left_over else empty,
    }
    return {name: masks[name] & inside for name in EXTRAS}


class _Moment(NamedTuple):
    """A scene at one time: what has moved where, and how body points meet this frame's pixels."""

    motion: Motion
    throat: Throat
    bolus: Bolus
    corner: tuple[int, int]
    projection: Projection

    def to_image(self, points: Points) -> Points:
        """Return image coordinates `(column, row)`."""
        return self.projection.to_px(points) - self.corner


def _moment(scene: Scene, time_s: float) -> _Moment:
    return _Moment(*moment_at(scene.pose, time_s), window_of(scene, time_s), scene.projection)


def render_frame(scene: Scene, time_s: float) -> PhantomFrame:
    """Render the moment `time_s` (seconds after the burst's onset) of a scene."""
    moment, beam = _moment(scene, time_s), scene.unit.beam
    size_px, spacing_mm = scene.projection.size_px, scene.projection.spacing_mm
    closure = moment.motion.closure
    moving = draw_moving(moment.throat, moment.bolus, closure, moment.to_image, size_px, spacing_mm)
    path = static_window(scene, *moment.corner)
    _add_moving(path, moving, scene.swallow.barium_percent)
    signal, primary = xray.detected_signal(path, beam=beam, open_field=scene.field, spacing_mm=spacing_mm)
    masks = masks_of(scene, moving, *moment.corner)
    visible = visible_fractions(scene, moving, masks, Light(signal, primary), moment.corner)
    grey = xray.display(signal, beam)
    burn_text(grey, scene.unit.text)
    elapsed_s = time_s - scene.swallow.begin_s
    pulse = round(elapsed_s * scene.swallow.pulses_per_s)
    noises = [generator("phantom noise", *scene.key, number) for number in (pulse + 1, pulse)]
    return PhantomFrame(
        image=xray.quantise(grey, beam=beam, detector=scene.disc, noises=noises),
        masks=masks,
        extras=_extras(scene, moving, moment.motion.residue),
        states=states_of(masks, visible, moment.motion.leaf),
        truth=_truth(scene, moment, moving, tuple(round(float(share), 4) for share in visible)),
        index=round(elapsed_s * FPS),
    )


def _truth(scene: Scene, moment: _Moment, moving: Moving, visible: tuple[float, ...]) -> Truth:
    motion, bolus, spacing_mm = moment.motion, moment.bolus, scene.projection.spacing_mm
    return Truth(
        time_s=motion.time_s,
        fps=FPS,
        spacing_mm=(spacing_mm, spacing_mm),
        phase=motion.phase,
        facing="right" if scene.unit.facing > 0 else "left",
        landmarks=landmarks_of(scene.body, moment.throat, bolus.opening_mm, moment.to_image),
        visible_fraction=visible,
        caption=_caption(scene, motion, moving, bolus, moment.throat),
        is_airway_closed=motion.closure > CLOSED,
        ues_opening_mm=bolus.opening_mm,
        volume_ml=bolus.volume_ml,
        leaf=motion.leaf,
        field_diagonal_px=_diagonal(scene.field > 0.5),
    )


def _diagonal(inside: Bool[np.ndarray, "size size"]) -> float:
    """Return the diagonal of the box around what is `inside`, in pixels."""
    return math.hypot(*(float(np.ptp(np.flatnonzero(inside.any(axis=axis))) + 1) for axis in (0, 1)))


def _caption(scene: Scene, motion: Motion, moving: Moving, bolus: Bolus, throat: Throat) -> str:
    """Describe a frame in one sentence, by what is in the open field of it."""
    unit, shown = scene.unit, moving.masks["bolus"] & (scene.field > 0.5)
    outside = int((shown & ~moving.masks["zone"]).sum())
    in_mouth = bolus.tail_mm < scene.track.at_level(PALATE_LEVEL * scene.person.size)
    below = bolus.head_mm > scene.track.at_level(throat.sphincter_level)
    places = {
        "mouth": outside if in_mouth else 0,
        "pharynx": int((shown & moving.masks["zone"]).sum()),
        "oesophagus": outside if below else 0,
    }
    devices = [name for name, there in (("ring marker", unit.marker), ("electrode lead", unit.lead)) if there]
    facts = {
        "facing": "right" if unit.facing > 0 else "left",
        "phase": PHASE_WORDS[motion.phase],
        "bolus": bolus_words(places, scene.swallow.barium_percent, motion.phase == "rest"),
        "leaf": leaf_words(motion.leaf),
        "airway": "closed" if motion.closure > CLOSED else "open",
        "teeth": {"natural": "natural teeth", "filled": "teeth with fillings", "none": "no teeth"}[
            scene.person.teeth
        ],
        "field": "round field" if unit.circle is not None else "square field",
        "devices": " and ".join(devices),
    }
    return caption_of(facts)
