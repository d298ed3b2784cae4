"""The things that lie about in lab scenes: what each is made of, how thick it is, and which pixels it covers.

A maker draws one thing anywhere on the image and returns the centimetres it adds along the beam by material (negative where it
displaces soft tissue) together with its profile, whose positive pixels are its exact mask. Sizes are fractions of the image's side.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from agglo.lab.shapes import blob, curve, superellipse, tube


class Thing(NamedTuple):
    """One thing: centimetres along the beam by material, and the depth profile that outlines it."""

    paths: Mapping[str, Float[np.ndarray, "size size"]]
    profile: Float[np.ndarray, "size size"]


Maker = Callable[[np.random.Generator, int], Thing]


def make_organ(generator: np.random.Generator, size_px: int) -> Thing:
    """Return soft tissue that is thicker, rarely thinner, than what surrounds it."""
    profile = blob(generator, _anywhere(generator), generator.uniform(0.05, 0.2), size_px)
    thickness = generator.uniform(1.2, 5.0) * (1.0 if generator.random() < 0.8 else -0.5)
    return Thing({"soft": thickness * profile}, profile)


def make_long_bone(generator: np.random.Generator, size_px: int) -> Thing:
    """Return a slightly bent bone with a dense, hollow shell and thicker ends."""
    points = curve(generator, _anywhere(generator), generator.uniform(0.2, 0.7), 0.3, 9)
    shape = 1 + generator.uniform(0, 0.5) * np.linspace(-1, 1, 9) ** 4
    radii = generator.uniform(0.015, 0.05) * shape
    return _hollow(generator, tube(points, radii, size_px), generator.uniform(1.0, 2.5))


def make_bone_block(generator: np.random.Generator, size_px: int) -> Thing:
    """Return a compact bone, between an ellipse and a block, with a thin dense shell."""
    length = generator.uniform(0.035, 0.11)
    radii = (length, length * generator.uniform(0.5, 1.0))
    profile = superellipse(generator, _anywhere(generator), radii, generator.uniform(2.5, 7.0), size_px)
    return _hollow(generator, profile, generator.uniform(1.5, 3.5))


def make_vessel(generator: np.random.Generator, size_px: int) -> Thing:
    """Return a long, winding, tapering tube of soft tissue."""
    profile = _winding(generator, size_px)
    return Thing({"soft": generator.uniform(1.0, 2.5) * profile}, profile)


def make_filled_vessel(generator: np.random.Generator, size_px: int) -> Thing:
    """Return a winding tube full of contrast medium."""
    profile = _winding(generator, size_px)
    return Thing({"barium": generator.uniform(0.15, 0.8) * profile}, profile)


def make_air_cavity(generator: np.random.Generator, size_px: int) -> Thing:
    """Return a hollow, round or drawn out, where air stands in place of soft tissue."""
    if generator.random() < 0.5:
        profile = blob(generator, _anywhere(generator), generator.uniform(0.03, 0.13), size_px)
    else:
        points = curve(generator, _anywhere(generator), generator.uniform(0.2, 0.7), 0.5, 10)
        profile = tube(points, generator.uniform(0.02, 0.05) * generator.uniform(0.6, 1.4, 10), size_px)
    return Thing({"soft": -generator.uniform(1.5, 4.5) * profile}, profile)


def make_contrast_pool(generator: np.random.Generator, size_px: int) -> Thing:
    """Return contrast medium lying in a hollow, its surface level or not there."""
    centre = _anywhere(generator)
    profile = blob(generator, centre, generator.uniform(0.025, 0.11), size_px)
    if generator.random() < 0.6:
        level = centre[1] + generator.uniform(-0.04, 0.02)
        rows = (np.arange(size_px) + 0.5) / size_px
        profile = profile * (rows > level).astype(np.float32)[:, None]
    return Thing({"barium": generator.uniform(0.2, 1.5) * profile}, profile)


def make_coin(generator: np.random.Generator, size_px: int) -> Thing:
    """Return a flat disc of metal, seen at an angle."""
    radius = generator.uniform(0.02, 0.06)
    radii = (radius, radius * generator.uniform(0.25, 1.0))
    profile = superellipse(generator, _anywhere(generator), radii, 2.0, size_px)
    return Thing({"metal": generator.uniform(0.03, 0.1) * (profile > 0).astype(np.float32)}, profile)


def make_wire(generator: np.random.Generator, size_px: int) -> Thing:
    """Return a thin, winding wire of metal."""
    points = curve(generator, _anywhere(generator), generator.uniform(0.2, 0.9), 1.0, 14)
    profile = tube(points, np.full(14, generator.uniform(0.006, 0.012)), size_px)
    return Thing({"metal": generator.uniform(0.03, 0.1) * profile}, profile)


MAKERS: dict[str, tuple[Maker, float]] = {  # kind: (maker, how likely)
    "organ": (make_organ, 0.26),
    "long bone": (make_long_bone, 0.15),
    "bone block": (make_bone_block, 0.2),
    "vessel": (make_vessel, 0.06),
    "filled vessel": (make_filled_vessel, 0.05),
    "air cavity": (make_air_cavity, 0.13),
    "contrast pool": (make_contrast_pool, 0.11),
    "coin": (make_coin, 0.03),
    "wire": (make_wire, 0.01),
}


def _anywhere(generator: np.random.Generator) -> Float[np.ndarray, " 2"]:
    return generator.uniform(0.12, 0.88, 2)


def _winding(generator: np.random.Generator, size_px: int) -> Float[np.ndarray, "size size"]:
    points = curve(generator, _anywhere(generator), generator.uniform(0.3, 0.9), 1.2, 14)
    radii = generator.uniform(0.012, 0.035) * np.linspace(1.0, generator.uniform(0.4, 1.0), 14)
    return tube(points, radii, size_px)


def _hollow(
    generator: np.random.Generator, profile: Float[np.ndarray, "size size"], thickness_cm: float
) -> Thing:
    """Fill a round body of `thickness_cm` with spongiosa inside of a shell of cortical bone.

    With the profile `sqrt(1 - (d/r)^2)` the inner body of radius `q r` has the depth `sqrt(max(0, profile^2 - 1 + q^2))`.
    """
    inner_radius = generator.uniform(0.75, 0.93)
    inside = np.sqrt(np.clip(profile**2 - (1 - inner_radius**2), 0, None))
    paths = {
        "cortical": thickness_cm * (profile - inside),
        "spongiosa": thickness_cm * inside,
        "soft": -thickness_cm * profile,
    }
    return Thing(paths, profile)
