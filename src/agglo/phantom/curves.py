"""Plane curves in millimetres: smoothing, resampling, bands along a line. No anatomy and no pixels here.

All points are `[points, 2]` arrays of `(x, y)`; functions are pure and return new arrays.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

Points = Float[np.ndarray, "_ 2"]
"""Any number of `(x, y)`."""


def points_of(*pairs: Sequence[float | int]) -> Float[np.ndarray, "points 2"]:
    """Return the given `(x, y)` pairs as one array."""
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


def rotation(degrees: float) -> Float[np.ndarray, "2 2"]:
    """Return the matrix that turns x towards y by `degrees`."""
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def rotate(points: Float[np.ndarray, "points 2"], degrees: float) -> Float[np.ndarray, "points 2"]:
    """Turn points about the origin."""
    return points @ rotation(degrees).T


def rounded_outline(
    points: Float[np.ndarray, "points 2"], *, rounds: int = 2
) -> Float[np.ndarray, "finer 2"]:
    """Round the corners of a closed outline by Chaikin's corner cutting; it stays inside its own hull."""
    for _ in range(rounds):
        following = np.roll(points, -1, axis=0)
        points = np.stack(
            [0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], axis=1
        ).reshape(-1, 2)
    return points


def arc_length(line: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, " points"]:
    """Return the distance along an open line from its first point."""
    steps = np.hypot(*np.diff(line, axis=0).T)
    return np.concatenate([[0.0], np.cumsum(steps)])


def smooth_line(points: Float[np.ndarray, "points 2"], *, count: int) -> Float[np.ndarray, "{count} 2"]:
    """Return `count` evenly spaced points on a smooth open line near `points` (corners cut, ends kept)."""
    line = points
    for _ in range(3):
        inner = np.stack([0.75 * line[:-1] + 0.25 * line[1:], 0.25 * line[:-1] + 0.75 * line[1:]], axis=1)
        line = np.concatenate([line[:1], inner.reshape(-1, 2), line[-1:]])
    return resampled(line, np.linspace(0.0, 1.0, count))


def resampled(
    line: Float[np.ndarray, "points 2"], fractions: Float[np.ndarray, " samples"]
) -> Float[np.ndarray, "samples 2"]:
    """Return the points at `fractions` (0 first, 1 last) of an open line's length."""
    length = arc_length(line)
    at = np.asarray(fractions) * length[-1]
    return np.stack([np.interp(at, length, line[:, 0]), np.interp(at, length, line[:, 1])], axis=1)


def left_normals(line: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
    """Return unit normals `(dy, -dx)`: travelling down the image they point to +x, travelling to -x they point down."""
    direction = np.gradient(line, axis=0)
    direction /= np.maximum(np.hypot(*direction.T), 1e-9)[:, None]
    return np.stack([direction[:, 1], -direction[:, 0]], axis=1)


def band(
    line: Float[np.ndarray, "points 2"],
    before: Float[np.ndarray, " points"] | float,
    after: Float[np.ndarray, " points"] | float,
) -> Float[np.ndarray, "outline 2"]:
    """Return the closed outline between `line + normal * before` and `line + normal * after` (see `left_normals`)."""
    normals = left_normals(line)
    first = line + normals * np.broadcast_to(before, len(line))[:, None]
    second = line + normals * np.broadcast_to(after, len(line))[:, None]
    return np.concatenate([first, second[::-1]])


def area(outline: Float[np.ndarray, "points 2"]) -> float:
    """Return the area inside a closed outline that does not cross itself."""
    x, y = outline.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def ellipse(
    centre: Sequence[float | int] | Float[np.ndarray, " 2"],
    radii: Sequence[float | int],
    *,
    degrees: float = 0.0,
) -> Float[np.ndarray, "32 2"]:
    """Return the outline of an ellipse with its first radius turned by `degrees`."""
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    points = np.stack([radii[0] * np.cos(angle), radii[1] * np.sin(angle)], axis=1)
    return rotate(points, degrees) + np.asarray(centre, dtype=np.float64)


def smooth_step(value: float) -> float:
    """Return 0 below 0, 1 above 1, and a smooth rise between."""
    clipped = min(max(value, 0.0), 1.0)
    return clipped * clipped * (3 - 2 * clipped)
