"""A scene: what all frames of a study share at one image size, posed and drawn once, and how a frame looks into it.

The static canvas is larger than an image by the patient's sway; a frame is a window of it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from agglo.core.seeds import generator
from agglo.phantom.bolus import Track, bolus_track
from agglo.phantom.canvas import Projection, overlap
from agglo.phantom.curves import Points, points_of
from agglo.phantom.head import head_frame
from agglo.phantom.moving import Moving
from agglo.phantom.person import Person
from agglo.phantom.skeleton import Body, Organ, draw_static
from agglo.phantom.spine import neck_frame, vertebrae_of
from agglo.phantom.structures import STRUCTURES
from agglo.phantom.swallow import Swallow
from agglo.phantom.unit import Unit, apertures, projection_of


@dataclass(frozen=True)
class Scene:
    """What all frames of a study share at one image size; `key` names the study in random streams."""

    key: tuple[int | str, ...]
    person: Person
    swallow: Swallow
    unit: Unit
    body: Body
    track: Track
    projection: Projection
    static: Float32[np.ndarray, "materials side side"]
    organs: dict[str, Organ]
    field: Float32[np.ndarray, "size size"]
    disc: Float32[np.ndarray, "size size"]
    palate_end: Points
    trachea_end: float


def scene_of(person: Person, swallow: Swallow, unit: Unit, key: tuple[int | str, ...], size_px: int) -> Scene:
    """Pose the patient and draw everything that does not move."""
    bones = vertebrae_of(person)
    neck = neck_frame(bones)
    head = head_frame(person, bones[0], *unit.head_deg)
    levels = [0.0 if b.name == "C4" else _level(bones[2].centre, b.centre) for b in bones]
    shoulder = float(np.interp(unit.shoulder, [2, 3, 4, 5, 6, 7, 8, 9], [*levels, levels[-1] + 22]))
    body = Body(person, bones, neck, head, unit.atlas_deg, shoulder)
    projection = projection_of(unit, person, size_px)
    layers, organs = draw_static(
        body, projection, generator("phantom body", *key, size_px), marker=unit.marker, lead=unit.lead
    )
    field, disc = apertures(unit, projection, person)
    return Scene(
        key=key,
        person=person,
        swallow=swallow,
        unit=unit,
        body=body,
        track=bolus_track(person, head, neck, hidden_level=shoulder + 10.0 * person.size),
        projection=projection,
        static=layers.path,
        organs=organs,
        field=field,
        disc=disc,
        palate_end=head.place(points_of((38.0, 10.0))),
        trachea_end=shoulder + 20.0 * person.size,
    )


def _level(origin: tuple[float, float], centre: tuple[float, float]) -> float:
    return float(np.copysign(np.hypot(centre[0] - origin[0], centre[1] - origin[1]), centre[1] - origin[1]))


def window_of(scene: Scene, time_s: float) -> tuple[int, int]:
    """Return the first column and row of the canvas that a frame shows: the patient drifts by whole pixels."""
    share = (time_s - scene.swallow.begin_s) / (scene.swallow.end_s - scene.swallow.begin_s) - 0.5
    shift = np.round(np.array(scene.unit.sway_mm) * share / scene.projection.spacing_mm).astype(int)
    return int(scene.projection.pad_px - shift[0]), int(scene.projection.pad_px - shift[1])


def static_window(scene: Scene, left: int, top: int) -> Float32[np.ndarray, "materials size size"]:
    """Return a copy of the static path lengths that a frame shows."""
    size = scene.projection.size_px
    return scene.static[:, top : top + size, left : left + size].copy()


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
