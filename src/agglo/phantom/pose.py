"""A patient in a pose, and any moment of a swallow in it, as outlines in millimetres: no pixels, no X-rays.

`Pose` is what all moments share; `moment_at` is a pure function of it and a time. Whoever measures a swallow measures these
outlines (`kinematics`), whoever draws one draws them (`scene`, `frame`).
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from agglo.phantom.bolus import Bolus, bolus_at
from agglo.phantom.curves import Points, points_of
from agglo.phantom.head import head_frame
from agglo.phantom.person import Person
from agglo.phantom.skeleton import Body
from agglo.phantom.spine import neck_frame, vertebrae_of
from agglo.phantom.stream import Track, bolus_track, clearance_of, stream_at
from agglo.phantom.swallow import Motion, Swallow, motion_at
from agglo.phantom.throat import Throat, throat_at
from agglo.phantom.unit import Unit


@dataclass(frozen=True)
class Pose:
    """A patient before a unit.

    Attributes:
        body: bones and frames; track: the way of the bolus.
        palate_end: back end of the hard palate, body frame, `[1, 2]`.
        trachea_end: level (mm, neck frame) at which the trachea goes under the shoulder.
    """

    person: Person
    swallow: Swallow
    body: Body
    track: Track
    palate_end: Points
    trachea_end: float


class Moment(NamedTuple):
    """Everything that moves, at one time."""

    motion: Motion
    throat: Throat
    bolus: Bolus


def pose_of(person: Person, swallow: Swallow, unit: Unit) -> Pose:
    """Put a patient's bones, head and throat where a unit's study has them."""
    bones = vertebrae_of(person)
    neck = neck_frame(bones)
    head = head_frame(person, bones[0], *unit.head_deg)
    levels = [0.0 if b.name == "C4" else _level(bones[2].centre, b.centre) for b in bones]
    shoulder = float(np.interp(unit.shoulder, [2, 3, 4, 5, 6, 7, 8, 9], [*levels, levels[-1] + 22]))
    return Pose(
        person=person,
        swallow=swallow,
        body=Body(person, bones, neck, head, unit.atlas_deg, shoulder),
        track=bolus_track(person, head, neck, hidden_level=shoulder + 10.0 * person.size),
        palate_end=head.place(points_of((38.0, 10.0))),
        trachea_end=shoulder + 20.0 * person.size,
    )


def _level(origin: tuple[float, float], centre: tuple[float, float]) -> float:
    return float(np.copysign(np.hypot(centre[0] - origin[0], centre[1] - origin[1]), centre[1] - origin[1]))


def moment_at(pose: Pose, time_s: float) -> Moment:
    """Return where everything is `time_s` seconds after the onset of the hyoid's burst."""
    person, neck, swallow, track = pose.person, pose.body.neck, pose.swallow, pose.track
    motion = _straightened(motion_at(swallow, time_s), pose.body)
    stream = stream_at(swallow, track, person, motion)
    throat = throat_at(
        person,
        neck,
        pose.palate_end,
        motion,
        clearance_mm=clearance_of(stream, person),
        trachea_end=pose.trachea_end,
    )
    return Moment(motion, throat, bolus_at(swallow, track, person, neck, throat, motion, stream))


def _straightened(motion: Motion, body: Body) -> Motion:
    """Return a motion along the reader's axes (C4 to C2, and across it) as one along the neck frame's, which bends."""
    bones = {vertebra.name: vertebra for vertebra in body.vertebrae}
    axis = (bones["C2"].low_front_corner - bones["C4"].low_front_corner)[0]
    up = axis / np.hypot(*axis)
    size = body.person.size

    def along_neck(shift: tuple[float, float], front: float, level: float) -> tuple[float, float]:
        wanted = shift[0] * np.array([-up[1], up[0]]) + shift[1] * up
        at = points_of((front, level), (front + 1.0, level), (front, level - 1.0)) * size
        here, ahead, above = body.neck.place(at)
        steps = np.stack([ahead - here, above - here], axis=1) / size
        forward, upward = np.linalg.solve(steps, wanted)
        return float(forward), float(upward)

    return replace(
        motion,
        hyoid_mm=along_neck(motion.hyoid_mm, 50.0, -9.0),
        larynx_mm=along_neck(motion.larynx_mm, 33.0, 24.0),
    )
