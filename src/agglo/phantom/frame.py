"""One frame: moving organs over the static body, masks cut to the image, the picture formed, the truth noted.

`render_frame` is a pure function of a `Scene` and a time.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8

from agglo.core.seeds import generator
from agglo.phantom.bolus import Bolus
from agglo.phantom.canvas import Projection, overlap
from agglo.phantom.codec import coded
from agglo.phantom.curves import Points
from agglo.phantom.distractors import shrug_at
from agglo.phantom.exposure import attenuate_moving, lag_weights
from agglo.phantom.moving import Moving, draw_moving
from agglo.phantom.pose import moment_at
from agglo.phantom.scene import Scene, elapsed_share, masks_of, window_of
from agglo.phantom.skeleton import SOFT
from agglo.phantom.structures import EXTRAS
from agglo.phantom.swallow import Motion
from agglo.phantom.throat import PALATE_LEVEL, Throat
from agglo.phantom.truth import (
    CONSISTENCIES,
    PHASE_WORDS,
    Truth,
    airway_of,
    bolus_words,
    caption_of,
    landmarks_of,
    leaf_words,
    states_of,
)
from agglo.phantom.unit import burn_text
from agglo.phantom.visibility import Light, visible_parts
from agglo.phantom.xray import attenuate, detected_signal, display, quantise

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
        index: frame number in the recording.
        visible_masks: the part of each mask that can be seen.
        contrast_to_noise: of each structure, see `visibility.Seen`; 0 where the frame is no lateral view.
        shows: "lateral", or which unusable kind of frame it is, see `recording.KINDS`.
    """

    image: UInt8[np.ndarray, "size size"]
    masks: Bool[np.ndarray, "structures size size"]
    extras: dict[str, Bool[np.ndarray, "size size"]]
    states: tuple[str, ...]
    truth: Truth
    index: int
    visible_masks: Bool[np.ndarray, "structures size size"]
    contrast_to_noise: tuple[float, ...]
    shows: str = "lateral"


def _extras(scene: Scene, moving: Moving, motion: Motion) -> dict[str, Bool[np.ndarray, "size size"]]:
    inside = scene.disc > 0.5
    left_over = motion.act > 0 or motion.residue > 0.5
    empty = np.zeros_like(inside)
    masks = {
        "hyoid": moving.masks["hyoid"],
        "vestibule": moving.masks["vestibule"],
        "residue_vallecular": moving.masks["valleculae"] if left_over else empty,
        "residue_pyriform": moving.masks["pyriforms"] if left_over else empty,
        "in_vestibule": moving.masks["in_vestibule"],
        "below_folds": moving.masks["below_folds"],
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


def _drawn(scene: Scene, moment: _Moment) -> Moving:
    size_px, spacing_mm = scene.projection.size_px, scene.projection.spacing_mm
    motion, throat, bolus = moment[:3]
    return draw_moving(throat, bolus, motion.closure, moment.to_image, size_px, spacing_mm)


def _light(scene: Scene, moment: _Moment, moving: Moving) -> Light:
    """Return the light of a moment: the body's, through what moves now and, by the recursive filter, moved a pulse ago."""
    unit, swallow, size_px = scene.unit, scene.swallow, scene.projection.size_px
    left, top = moment.corner
    window = slice(top, top + size_px), slice(left, left + size_px)
    through = scene.light[:, *window].copy()
    time_s = moment.motion.time_s
    for back, share in enumerate(lag_weights(unit.beam.lag)):
        shown = moving if back == 0 else _drawn(scene, _moment(scene, time_s - back / swallow.pulses_per_s))
        attenuate_moving(through, shown, swallow.barium_percent, share)
    if scene.raised_cm is not None:
        amount = shrug_at(elapsed_share(swallow, time_s), unit.shrug_share)
        everywhere = slice(None), slice(None)
        attenuate(through, everywhere, {SOFT: np.float32(amount) * scene.raised_cm[window]})
    for material, patch in scene.utensil.at(time_s):
        here, there = overlap(patch, moment.corner, size_px)
        attenuate(through, here, {material: patch.cover[there]})
    through *= np.float32(scene.brightness.at(time_s))
    primary = through.sum(0)
    spacing_mm = scene.projection.spacing_mm
    return Light(*detected_signal(primary, beam=unit.beam, open_field=scene.field, spacing_mm=spacing_mm))


def _picture(scene: Scene, light: Light, time_s: float) -> UInt8[np.ndarray, "size size"]:
    """Return what the recorder keeps: display, burnt-in text, noise of this pulse and those before, codec."""
    beam = scene.unit.beam
    grey = display(light.signal, beam)
    burn_text(grey, scene.unit.text)
    pulse = round((time_s - scene.swallow.begin_s) * scene.swallow.pulses_per_s)
    noises = [generator("phantom noise", *scene.key, pulse + 2 - back) for back in range(3)]
    return coded(quantise(grey, beam=beam, detector=scene.disc, noises=noises), beam.codec_quality)


def render_frame(scene: Scene, time_s: float) -> PhantomFrame:
    """Render the moment `time_s` (seconds after the burst's onset) of a scene."""
    moment = _moment(scene, time_s)
    moving = _drawn(scene, moment)
    light = _light(scene, moment, moving)
    masks = masks_of(scene, moving, *moment.corner)
    seen = visible_parts(scene, moving, masks, light, moment.corner)
    return PhantomFrame(
        image=_picture(scene, light, time_s),
        masks=masks,
        extras=_extras(scene, moving, moment.motion),
        states=states_of(masks, seen.fraction, moment.motion.leaf),
        truth=_truth(scene, moment, moving, tuple(round(float(share), 4) for share in seen.fraction)),
        index=round((time_s - scene.swallow.begin_s) * scene.unit.fps),
        visible_masks=seen.masks,
        contrast_to_noise=tuple(round(float(ratio), 2) for ratio in seen.contrast_to_noise),
    )


def _truth(scene: Scene, moment: _Moment, moving: Moving, visible: tuple[float, ...]) -> Truth:
    motion, bolus, spacing_mm = moment.motion, moment.bolus, scene.projection.spacing_mm
    return Truth(
        time_s=motion.time_s,
        fps=scene.unit.fps,
        spacing_mm=(spacing_mm, spacing_mm),
        phase=motion.phase,
        facing="right" if scene.unit.facing > 0 else "left",
        landmarks=landmarks_of(scene.body, moment.throat, bolus.opening_mm, moment.to_image),
        visible_fraction=visible,
        caption=_caption(scene, motion, moving, bolus, moment.throat),
        is_airway_closed=motion.closure > CLOSED,
        ues_opening_mm=bolus.opening_mm,
        volume_ml=bolus.volume_ml + bolus.pooled_ml if bolus.volume_ml > 0 else 0.0,
        residue_ml=bolus.pooled_ml if motion.act > 0 or motion.residue > 0.5 else 0.0,
        airway=airway_of(moving.masks),
        swallow_airway=scene.swallow.airway,
        airway_timing=scene.swallow.invasion.timing if scene.swallow.invasion else "",
        is_silent=scene.person.is_silent,
        consistency=CONSISTENCIES[scene.swallow.consistency],
        act=motion.act,
        leaf=motion.leaf,
        field_diagonal_px=_diagonal(scene.field > 0.5),
    )


def _diagonal(inside: Bool[np.ndarray, "size size"]) -> float:
    """Return the diagonal of the box around what is `inside`, in pixels."""
    return math.hypot(*(float(np.ptp(np.flatnonzero(inside.any(axis=axis))) + 1) for axis in (0, 1)))


def _caption(scene: Scene, motion: Motion, moving: Moving, bolus: Bolus, throat: Throat) -> str:
    """Describe a frame in one sentence, by what is in the open field of it."""
    unit, shown = scene.unit, moving.masks["bolus"] & (scene.field > 0.5)
    outside = int((shown & ~moving.masks["zone"] & ~moving.masks["below_folds"]).sum())
    in_mouth = bolus.tail_mm < scene.track.at_level(PALATE_LEVEL * scene.person.size)
    below = bolus.head_mm > scene.track.at_level(throat.sphincter_level)
    places = {
        "mouth": outside if in_mouth else 0,
        "pharynx": int((shown & moving.masks["zone"]).sum()),
        "oesophagus": outside if below else 0,
        "airway": int((shown & (moving.masks["in_vestibule"] | moving.masks["below_folds"])).sum()),
    }
    held = unit.utensils if scene.utensil.at(motion.time_s) else ()
    facts = {
        "facing": "right" if unit.facing > 0 else "left",
        "phase": PHASE_WORDS[motion.phase],
        "bolus": bolus_words(places, scene.swallow, motion.phase == "rest"),
        "leaf": leaf_words(motion.leaf),
        "airway": "closed" if motion.closure > CLOSED else "open",
        "teeth": {"natural": "natural teeth", "filled": "teeth with fillings", "none": "no teeth"}[
            scene.person.teeth
        ],
        "field": "round field" if unit.circle is not None else "square field",
        "devices": " and ".join((*unit.devices, *held)),
    }
    return caption_of(facts)
