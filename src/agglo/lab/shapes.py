"""Shapes of which lab scenes are put together: smooth blobs, superellipses and curved tubes on a square pixel grid.

Every shape is a depth profile in `[0, 1]`: the share of its largest extent along the beam at each pixel, 0 outside, so a body with
a round edge. Coordinates and lengths are fractions of the side of the image, (x, y) with y down. Materials, thicknesses and masks
are `scenes`' business; nothing here is drawn from an anatomy.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Window:
    """The pixels of a `size_px` image that a shape can touch: rows `top:bottom`, columns `left:right`."""

    size_px: int
    top: int
    bottom: int
    left: int
    right: int

    @staticmethod
    def around(
        low: Float[np.ndarray, " 2"], high: Float[np.ndarray, " 2"], margin: float, size_px: int
    ) -> "Window":
        """Return the window of the box from `low` to `high` (x, y), grown by `margin`; it holds at least one pixel."""
        first = np.clip(np.floor((low - margin) * size_px), 0, size_px - 1).astype(int)
        last = np.clip(np.ceil((high + margin) * size_px), first + 1, size_px).astype(int)
        return Window(size_px, int(first[1]), int(last[1]), int(first[0]), int(last[0]))

    def grid(self) -> tuple[Float[np.ndarray, "1 columns"], Float[np.ndarray, "rows 1"]]:
        """Return the x and y of pixel centres inside the window, ready to broadcast."""
        x = (np.arange(self.left, self.right, dtype=np.float32) + 0.5) / self.size_px
        y = (np.arange(self.top, self.bottom, dtype=np.float32) + 0.5) / self.size_px
        return x[None, :], y[:, None]

    def place(self, values: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "size size"]:
        """Return an image that is `values` inside the window and 0 elsewhere."""
        image = np.zeros((self.size_px, self.size_px), np.float32)
        image[self.top : self.bottom, self.left : self.right] = values
        return image


def blob(
    generator: np.random.Generator, centre: Float[np.ndarray, " 2"], radius: float, size_px: int
) -> Float[np.ndarray, "size size"]:
    """Return a smooth, star-shaped, often elongated body around `centre`, its mean radius near `radius`."""
    angle, stretch = generator.uniform(0, np.pi), generator.uniform(1.0, 1.8)
    orders = np.arange(2, 6)
    swings = generator.normal(0, 0.16, 4) / (orders - 1.0)
    phases = generator.uniform(0, 2 * np.pi, 4)
    window = Window.around(centre, centre, radius * stretch * 1.5, size_px)
    along, across = _turned(window, centre, angle)
    along, across = along / np.sqrt(stretch), across * np.sqrt(stretch)
    turns = np.arctan2(across, along)
    edge = 1 + sum(
        swing * np.cos(k * turns + phase) for k, swing, phase in zip(orders, swings, phases, strict=True)
    )
    share = (along**2 + across**2) / (radius * np.maximum(edge, 0.3)) ** 2
    return window.place(np.sqrt(np.clip(1 - share, 0, 1)).astype(np.float32))


def superellipse(
    generator: np.random.Generator,
    centre: Float[np.ndarray, " 2"],
    radii: tuple[float, float],
    exponent: float,
    size_px: int,
) -> Float[np.ndarray, "size size"]:
    """Return a body between an ellipse (`exponent` 2) and a block with rounded corners (8), turned at random."""
    window = Window.around(centre, centre, 1.3 * max(radii), size_px)
    along, across = _turned(window, centre, generator.uniform(0, np.pi))
    share = np.abs(along / radii[0]) ** exponent + np.abs(across / radii[1]) ** exponent
    return window.place((np.clip(1 - share, 0, 1) ** (1 / exponent)).astype(np.float32))


def tube(
    points: Float[np.ndarray, "points 2"], radii: Float[np.ndarray, " points"], size_px: int
) -> Float[np.ndarray, "size size"]:
    """Return a round tube along the polyline `points`, whose radius runs between `radii`; the ends are round."""
    window = Window.around(points.min(0), points.max(0), float(radii.max()), size_px)
    x, y = window.grid()
    profile = np.zeros((y.shape[0], x.shape[1]), np.float32)
    for start, end, first, last in zip(points[:-1], points[1:], radii[:-1], radii[1:], strict=True):
        step = (end - start).astype(np.float32)
        away_x, away_y = x - np.float32(start[0]), y - np.float32(start[1])
        along = np.clip((away_x * step[0] + away_y * step[1]) / max(float(step @ step), 1e-12), 0, 1)
        distance2 = (away_x - along * step[0]) ** 2 + (away_y - along * step[1]) ** 2
        radius = np.float32(first) + along * np.float32(last - first)
        np.maximum(profile, 1 - distance2 / radius**2, out=profile)
    return window.place(np.sqrt(profile))


def curve(
    generator: np.random.Generator,
    centre: Float[np.ndarray, " 2"],
    length: float,
    bend: float,
    num_points: int,
) -> Float[np.ndarray, "{num_points} 2"]:
    """Return a smooth curve of `length` through `centre`, turning by about `bend` radians (normal) with a wave in it."""
    along = np.linspace(-1, 1, num_points)
    heading = (
        generator.uniform(0, 2 * np.pi)
        + bend * generator.normal() * along
        + 0.5 * bend * generator.normal() * np.sin(np.pi * along + generator.uniform(0, 2 * np.pi))
    )
    steps = np.stack([np.cos(heading), np.sin(heading)], axis=1) * length / num_points
    points = np.cumsum(steps, axis=0)
    return points - points.mean(0) + centre


def _turned(
    window: Window, centre: Float[np.ndarray, " 2"], angle: float
) -> tuple[Float[np.ndarray, "rows columns"], Float[np.ndarray, "rows columns"]]:
    x, y = window.grid()
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    away_x, away_y = x - np.float32(centre[0]), y - np.float32(centre[1])
    return away_x * cosine + away_y * sine, away_y * cosine - away_x * sine
