"""A scene: what all frames of a study share at one image size, posed and drawn once, and how a frame looks into it.

The static canvas is larger than an image by the patient's sway; a frame is a window of it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from agglo.core.seeds import generator
from agglo.phantom import xray
from agglo.phantom.canvas import Projection, overlap
from agglo.phantom.distractors import Utensil, draw_devices, shoulder_cm, utensil_of
from agglo.phantom.exposure import Brightness, brightness_of
from agglo.phantom.moving import Moving
from agglo.phantom.person import Person
from agglo.phantom.pose import Pose, pose_of
from agglo.phantom.skeleton import Body, Organ, draw_static
from agglo.phantom.stream import Track
from agglo.phantom.structures import STRUCTURES
from agglo.phantom.swallow import Swallow
from agglo.phantom.unit import Unit, apertures, projection_of


@dataclass(frozen=True)
class Scene:
    """What all frames of a study share at one image size; `key` names the study in random streams.

    Attributes:
        light: what passes the static body at each energy, on the canvas.
        raised_cm: tissue that a shrug adds at its height, cm; None without one.
        utensil: what is at the mouth before the swallow.
        brightness: how the exposure follows what moves.
    """

    key: tuple[int | str, ...]
    pose: Pose
    unit: Unit
    projection: Projection
    light: Float32[np.ndarray, "energies side side"]
    raised_cm: Float32[np.ndarray, "side side"] | None
    utensil: Utensil
    brightness: Brightness
    organs: dict[str, Organ]
    field: Float32[np.ndarray, "size size"]
    disc: Float32[np.ndarray, "size size"]

    @property
    def person(self) -> Person:
        """The patient."""
        return self.pose.person

    @property
    def swallow(self) -> Swallow:
        """What moves when."""
        return self.pose.swallow

    @property
    def body(self) -> Body:
        """The patient's bones and frames."""
        return self.pose.body

    @property
    def track(self) -> Track:
        """The way of the bolus."""
        return self.pose.track


def scene_of(person: Person, swallow: Swallow, unit: Unit, key: tuple[int | str, ...], size_px: int) -> Scene:
    """Pose the patient and draw everything that does not move."""
    pose = pose_of(person, swallow, unit)
    projection = projection_of(unit, person, size_px)
    layers, organs = draw_static(pose.body, projection, generator("phantom body", *key, size_px))
    things = generator("phantom devices", *key)
    draw_devices(layers, pose.body, unit.devices, things)
    field, disc = apertures(unit, projection, person)
    light = xray.light_behind(layers.path, unit.beam.kvp)
    raised_cm = _raised(pose.body, projection, unit.shrug_mm)
    return Scene(
        key=key,
        pose=pose,
        unit=unit,
        projection=projection,
        light=light,
        raised_cm=raised_cm,
        utensil=utensil_of(pose.body, projection, unit.utensils, swallow.acts[0].transit_s - 0.3, things),
        brightness=brightness_of(pose, unit, projection, light, raised_cm, field),
        organs=organs,
        field=field,
        disc=disc,
    )


def _raised(body: Body, projection: Projection, shrug_mm: float) -> Float32[np.ndarray, "side side"] | None:
    if shrug_mm == 0:
        return None
    return np.maximum(shoulder_cm(body, projection, shrug_mm) - shoulder_cm(body, projection, 0.0), 0)


def elapsed_share(swallow: Swallow, time_s: float) -> float:
    """Return how much of the recorded stretch is over, 0 to 1."""
    return min(max((time_s - swallow.begin_s) / (swallow.end_s - swallow.begin_s), 0.0), 1.0)


def window_of(scene: Scene, time_s: float) -> tuple[int, int]:
    """Return the first column and row of the canvas that a frame shows: the patient drifts by whole pixels."""
    share = elapsed_share(scene.swallow, time_s) - 0.5
    shift = np.round(np.array(scene.unit.sway_mm) * share / scene.projection.spacing_mm).astype(int)
    return int(scene.projection.pad_px - shift[0]), int(scene.projection.pad_px - shift[1])


def masks_of(scene: Scene, moving: Moving, left: int, top: int) -> Bool[np.ndarray, "structures size size"]:
    """Return the twelve masks of an image; nothing is labelled where there is no detector, no trachea under the collimator."""
    size = scene.projection.size_px
    masks = np.zeros((len(STRUCTURES), size, size), dtype=bool)
    for index, name in enumerate(STRUCTURES):
        if name in moving.masks:
            masks[index] = moving.masks[name]
            continue
        patch = scene.organs[name].patch
        here, there = overlap(patch, (left, top), size)
        masks[index][here] = patch.cover[there] >= 0.5
    masks[STRUCTURES.index("trachea")] &= scene.field > 0.5
    masks &= scene.disc > 0.5
    return masks
