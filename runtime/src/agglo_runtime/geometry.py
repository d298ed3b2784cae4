"""How a picture of any size meets a square network input and comes back: the letterbox, and the one resampling it uses.

Everything that renders a picture for a model, in training or in use, shares the functions here, so that a frame looks the same to
the network whoever prepares it. Reading files and normalising intensities are not here (`images`, `prepare`). Arrays are plain
numpy; shapes are stated in the docstrings because this package depends on nothing that could check them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from agglo_runtime.errors import ImageError

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in continuous pixel coordinates: pixel `i` covers `[i, i + 1)`."""


def resize(
    image: NDArray[np.float32], height: int, width: int, *, box: Box | None = None
) -> NDArray[np.float32]:
    """Resample the part `box` of `image [H, W]` to `[height, width]`: bilinear, with the kernel widened where it shrinks.

    The kernel is a triangle whose half-width is one pixel of the coarser grid, hence no aliasing; at an image border it is cut
    off and renormalised. `box` is the whole image when not given.
    """
    rows, cols = image.shape
    whole = (0.0, 0.0, float(cols), float(rows))
    if (height, width) == (rows, cols) and box in (None, whole):
        return image.copy()
    source = Image.fromarray(np.ascontiguousarray(image, dtype=np.float32))
    return np.asarray(source.resize((width, height), Image.Resampling.BILINEAR, box=box or whole))


@dataclass(frozen=True)
class Letterbox:
    """Where a `height x width` picture lies inside a `size_px` square: aspect kept, centred, the rest 0.

    Attributes:
        height: rows of the picture.
        width: columns of the picture.
        size_px: side of the square.
        scale: square pixels per picture pixel, the same along both axes.
        top: rows of the square above the picture (continuous, not rounded).
        left: columns of the square left of the picture (continuous, not rounded).

    The picture is padded to a square by whole picture pixels (the odd one goes below or right) and then scaled, so the geometry
    is exact and the same at every `size_px`.
    """

    height: int
    width: int
    size_px: int
    scale: float
    top: float
    left: float

    @staticmethod
    def fit(height: int, width: int, size_px: int) -> "Letterbox":
        """Return the letterbox of a `height x width` picture; raises `ImageError` when a side is not positive."""
        if min(height, width, size_px) < 1:
            raise ImageError(
                f"a letterbox needs sides of at least 1 px, got a picture of {height}x{width} and a square of {size_px}; "
                "check the image file and `size_px`."
            )
        side = max(height, width)
        scale = size_px / side
        top, left = padding(height, width)
        return Letterbox(height, width, size_px, scale, top * scale, left * scale)

    def apply(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return `image [height, width]` as `[size_px, size_px]`: antialiased bilinear, 0 outside of the picture."""
        if image.shape != (self.height, self.width):
            raise ImageError(
                f"this letterbox is for pictures of {self.height}x{self.width}, got {image.shape}; fit a new one."
            )
        side = max(self.height, self.width)
        top, left = padding(self.height, self.width)
        square = np.zeros((side, side), np.float32)
        square[top : top + self.height, left : left + self.width] = image
        return resize(square, self.size_px, self.size_px)

    def place(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return where points `[..., 2]` (x, y in continuous pixels of the picture) lie in the square, in its pixels."""
        return (points * self.scale + np.array([self.left, self.top])).astype(np.float32)

    def undo(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return `maps [K, h, h]`, which cover the square at any resolution, on the picture: `[K, height, width]`, bilinear."""
        if maps.ndim != 3 or maps.shape[1] != maps.shape[2]:
            raise ImageError(
                f"a letterbox can undo square maps [K, h, h] only, got {maps.shape}; pass the model's maps whole."
            )
        cells = maps.shape[1]
        cell = cells / self.size_px
        right = min((self.left + self.width * self.scale) * cell, cells)
        bottom = min((self.top + self.height * self.scale) * cell, cells)
        box = (self.left * cell, self.top * cell, right, bottom)
        undone = np.empty((len(maps), self.height, self.width), np.float32)
        for index, one in enumerate(maps):
            undone[index] = resize(one, self.height, self.width, box=box)
        return undone


def padding(height: int, width: int) -> tuple[int, int]:
    """Return the rows above and the columns left of a `height x width` picture once it is padded to a square."""
    side = max(height, width)
    return (side - height) // 2, (side - width) // 2
