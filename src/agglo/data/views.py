"""Views: a picture seen differently, as parameters only. Everyone who needs a view renders it from the source pixels himself.

A view says which source point every output point shows (an affine map, flips included) and how intensities are changed. It does
not know an output size, so a teacher at 1024 px and a student at 512 px see the same thing, each sharp. Rendering has one
antialiased resampling; masks are sampled with the same map. Batches and tensors on devices are not made here.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8, UInt16

from agglo.core.errors import DataError
from agglo.core.seeds import generator
from agglo.data.masks import BITS, pack
from agglo.data.problems import Problems
from agglo_runtime.geometry import padding, resize

Affine = tuple[tuple[float, float, float], tuple[float, float, float]]

_SAMPLES = 2
"""Mask samples per output pixel along each axis."""


@dataclass(frozen=True)
class View:
    """One way of seeing a picture.

    Attributes:
        affine: rows (x, y) of the map from output coordinates (u to the right, v down, both -1..1 from edge to edge) to
            continuous source pixels: `x = a*u + b*v + c`; source pixel `i` covers `[i, i + 1)`.
        gamma: exponent applied to unit intensities first.
        gain: factor applied next.
        offset: added last, then intensities are clipped to [0, 1].
        is_inverted: whether black and white are swapped before all that.
    """

    affine: Affine
    gamma: float = 1.0
    gain: float = 1.0
    offset: float = 0.0
    is_inverted: bool = False

    @property
    def is_flipped(self) -> bool:
        """Whether the view shows the picture's mirror image."""
        (a, b, _), (c, d, _) = self.affine
        return a * d - b * c < 0


@dataclass(frozen=True, kw_only=True)
class ViewRecipe:
    """From which ranges views are drawn; every range is uniform, the zoom's in the logarithm.

    Attributes:
        first_is_identity: whether view number 0 of every frame is the frame itself, letterboxed.
        rotation_deg: largest rotation either way.
        zoom: least and greatest magnification (over 1 shows less of the picture).
        aspect: greatest stretch of one axis against the other, as a factor of at least 1.
        shift: largest shift along each axis, as a share of the picture's longer side.
        flip_probability: of a horizontal mirror image; no default, since whether left is right is for the images to say.
        gamma: least and greatest exponent.
        gain: least and greatest factor.
        offset: least and greatest summand, in unit intensity.
        invert_probability: of black and white being swapped.
    """

    first_is_identity: bool = True
    rotation_deg: float = 12.0
    zoom: tuple[float, float] = (0.85, 1.3)
    aspect: float = 1.08
    shift: float = 0.08
    flip_probability: float
    gamma: tuple[float, float] = (0.7, 1.4)
    gain: tuple[float, float] = (0.85, 1.15)
    offset: tuple[float, float] = (-0.06, 0.06)
    invert_probability: float = 0.0

    def __post_init__(self) -> None:
        """Raise one `DataError` with every range that cannot be drawn from."""
        problems = Problems("views")
        for name in ("zoom", "gamma", "gain", "offset"):
            low, high = getattr(self, name)
            if low > high or (low <= 0 and name != "offset"):
                above = "" if name == "offset" else " above 0"
                problems.add(f"`{name}` must be [least, greatest]{above}, got {[low, high]}")
        for name in ("flip_probability", "invert_probability"):
            if not 0 <= getattr(self, name) <= 1:
                problems.add(f"`{name}` must be from 0 to 1, got {getattr(self, name)}")
        if self.aspect < 1 or min(self.rotation_deg, self.shift) < 0:
            problems.add(
                "`aspect` must be at least 1, `rotation_deg` and `shift` at least 0, "
                f"got {self.aspect}, {self.rotation_deg} and {self.shift}"
            )
        problems.raise_if_any()


def identity_view(height: int, width: int) -> View:
    """Return the view that shows a `height x width` picture as the runtime's letterbox does, with its intensities."""
    half = max(height, width) / 2
    top, left = padding(height, width)
    return View(((half, 0.0, half - left), (0.0, half, half - top)))


def sample_view(recipe: ViewRecipe, *, seed: int, frame: int, number: int, height: int, width: int) -> View:
    """Return view `number` of a frame of size `height x width`: a pure function; `frame` is any number that the caller gives it.

    Every parameter is drawn in a fixed order whether or not its range is empty, so that narrowing one range leaves the others'
    draws alone.
    """
    centre = identity_view(height, width)
    if number == 0 and recipe.first_is_identity:
        return centre
    draw = generator(seed, "view", frame, number).random(10)
    angle = math.radians(recipe.rotation_deg) * (2 * draw[0] - 1)
    zoom = math.exp(_between(math.log(recipe.zoom[0]), math.log(recipe.zoom[1]), draw[1]))
    stretch = math.exp(math.log(recipe.aspect) * (draw[2] - 0.5))
    mirror = -1.0 if draw[5] < recipe.flip_probability else 1.0
    half = max(height, width) / 2
    across, down = half / zoom * stretch, half / zoom / stretch
    cosine, sine = math.cos(angle), math.sin(angle)
    x = centre.affine[0][2] + (2 * draw[3] - 1) * recipe.shift * 2 * half
    y = centre.affine[1][2] + (2 * draw[4] - 1) * recipe.shift * 2 * half
    return View(
        affine=((mirror * across * cosine, -down * sine, x), (mirror * across * sine, down * cosine, y)),
        gamma=_between(*recipe.gamma, draw[6]),
        gain=_between(*recipe.gain, draw[7]),
        offset=_between(*recipe.offset, draw[8]),
        is_inverted=bool(draw[9] < recipe.invert_probability),
    )


def _between(low: float, high: float, share: float) -> float:
    return float(low + (high - low) * share)


def render_image(
    image: UInt8[np.ndarray, "rows cols"], view: View, size_px: int
) -> Float[np.ndarray, "{size_px} {size_px}"]:
    """Return the view of `image` in [0, 1]; 0 outside of the picture.

    The picture is turned at its own resolution and then brought to `size_px` by the runtime's antialiased resampling. For views
    without rotation that start on whole pixels the first step copies, so the identity view is exactly the runtime's letterbox.
    """
    return render_sizes(image, view, (size_px,))[size_px]


def render_sizes(
    image: UInt8[np.ndarray, "rows cols"], view: View, sizes_px: Collection[int]
) -> dict[int, Float[np.ndarray, "_ _"]]:
    """Return by size what `render_image` gives at each of `sizes_px`; the picture is turned once, which is most of the work."""
    for size_px in sizes_px:
        _check_size(size_px)
    source = torch.from_numpy(np.take(_intensities(view), image))
    (a, b, _), (c, d, _) = view.affine
    cols, rows = max(1, round(2 * math.hypot(a, c))), max(1, round(2 * math.hypot(b, d)))
    canvas = F.grid_sample(source[None, None], _grid(view, rows, cols, source.shape), align_corners=False)
    return {size_px: resize(canvas[0, 0].numpy(), size_px, size_px) for size_px in sizes_px}


def _intensities(view: View) -> Float[np.ndarray, "256"]:
    """Return the unit intensity that each of the 256 grey values has in the view."""
    unit = np.arange(256, dtype=np.float64) / 255
    if view.is_inverted:
        unit = 1 - unit
    return np.clip(unit**view.gamma * view.gain + view.offset, 0, 1).astype(np.float32)


def _grid(view: View, rows: int, cols: int, shape: torch.Size) -> Float[torch.Tensor, "1 {rows} {cols} 2"]:
    """Return the normalised source coordinates of the `rows x cols` points of a canvas over the view's square.

    Summed in float64 and rounded as they are written: a whole canvas in float64 would take four times as long.
    """
    (a, b, x0), (c, d, y0) = view.affine
    u = (2 * np.arange(cols, dtype=np.float64) + 1) / cols - 1
    v = (2 * np.arange(rows, dtype=np.float64) + 1)[:, None] / rows - 1
    height, width = shape
    grid = np.empty((1, rows, cols, 2), np.float32)
    across, down = grid[0, ..., 0], grid[0, ..., 1]
    np.add((a * u + x0) * (2 / width) - 1, (b * 2 / width) * v, out=across, casting="same_kind")
    np.add((c * u + y0) * (2 / height) - 1, (d * 2 / height) * v, out=down, casting="same_kind")
    return torch.from_numpy(grid)


def render_masks(
    masks: Bool[np.ndarray, "structures rows cols"], view: View, size_px: int
) -> Float[np.ndarray, "structures {size_px} {size_px}"]:
    """Return how much of every output pixel each structure covers in the view, in [0, 1]; 0 outside of the picture."""
    return render_bits(pack(masks), len(masks), view, size_px)


def render_bits(
    bits: UInt16[np.ndarray, "planes rows cols"], num_structures: int, view: View, size_px: int
) -> Float[np.ndarray, "{num_structures} {size_px} {size_px}"]:
    """Return the same as `render_masks` from packed masks (`Dataset.bits`), which is faster.

    Each output pixel is the mean of 2 x 2 nearest-neighbour samples.
    """
    return render_labels(bits, num_structures, view, size_px)[0]


def render_labels(
    bits: UInt16[np.ndarray, "planes rows cols"], num_structures: int, view: View, size_px: int
) -> tuple[
    Float[np.ndarray, "{num_structures} {size_px} {size_px}"], Float[np.ndarray, "{size_px} {size_px}"]
]:
    """Return `render_bits` and `render_coverage` of one view; together they cost hardly more than the first."""
    _check_size(size_px)
    height, width = bits.shape[1:]
    places = _nearest(view, size_px * _SAMPLES, height, width)
    coverage = np.empty((num_structures, size_px, size_px), np.float32)
    for plane, page in enumerate(bits):
        padded = np.append(page.reshape(-1), np.uint16(0))
        samples = np.ascontiguousarray(
            padded[places].reshape(size_px, _SAMPLES, size_px, _SAMPLES).transpose(1, 3, 0, 2)
        ).reshape(_SAMPLES**2, size_px, size_px)
        for index in range(plane * BITS, min(num_structures, (plane + 1) * BITS)):
            hits = (samples >> np.uint16(index % BITS)) & np.uint16(1)
            np.multiply(hits.sum(0, dtype=np.uint16), np.float32(1 / _SAMPLES**2), out=coverage[index])
    return coverage, _share_of_picture(places, height * width, size_px)


def render_coverage(
    view: View, height: int, width: int, size_px: int
) -> Float[np.ndarray, "{size_px} {size_px}"]:
    """Return how much of every output pixel lies inside of a `height x width` picture, in [0, 1]; the rest is padding."""
    _check_size(size_px)
    return _share_of_picture(_nearest(view, size_px * _SAMPLES, height, width), height * width, size_px)


def _share_of_picture(places: np.ndarray, outside: int, size_px: int) -> np.ndarray:
    """Return by output pixel the share of its samples that lie in the picture; `_nearest` gives the others the number `outside`."""
    hits = (places < outside).reshape(size_px, _SAMPLES, size_px, _SAMPLES).transpose(1, 3, 0, 2)
    counts = np.ascontiguousarray(hits).reshape(_SAMPLES**2, size_px, size_px).sum(0, dtype=np.uint16)
    return counts * np.float32(1 / _SAMPLES**2)


def _nearest(view: View, side: int, height: int, width: int) -> np.ndarray:
    """Return the flat source pixel under each of `side x side` samples; `height * width` where that is outside."""
    (a, b, x0), (c, d, y0) = view.affine
    along = (2 * np.arange(side) + 1) / side - 1
    x = np.floor((a * along + x0)[None, :] + (b * along)[:, None]).astype(np.int32)
    y = np.floor((c * along + y0)[None, :] + (d * along)[:, None]).astype(np.int32)
    is_inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return np.where(is_inside, y * width + x, height * width)


def _check_size(size_px: int) -> None:
    if size_px < 1:
        raise DataError(
            f"a view must be rendered at 1 px or more, got {size_px}; fix the size in the recipe."
        )
