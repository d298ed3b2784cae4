"""Crops whose cells know where they come from: what lab-dino learns from, without any label.

A picture is turned, mirrored, enlarged, moved and lit anew; of every cell of the crop it is kept where in the whole picture it
lies, and how its surroundings look. A mirrored picture counts as a picture of its own: places in it are mirrored too.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from agglo.core.seeds import generator
from agglo.data.views import View, ViewRecipe, render_image, sample_view

GEOMETRY = ViewRecipe(
    first_is_identity=False,
    rotation_deg=15.0,
    zoom=(0.9, 2.0),
    aspect=1.1,
    shift=0.22,
    flip_probability=0.5,
    gamma=(1.0, 1.0),
    gain=(1.0, 1.0),
    offset=(0.0, 0.0),
)
SURROUNDINGS = (
    6  # squares a side of what is around a cell: the cell and its eight neighbours, two squares a cell
)


def relit(
    view: Float[np.ndarray, "size size"], stream: np.random.Generator
) -> Float[np.ndarray, "size size"]:
    """Return the view with another gamma, gain and offset and some grain, clipped to `[0, 1]`."""
    changed = view ** stream.uniform(0.65, 1.5) * stream.uniform(0.75, 1.25) + stream.uniform(-0.08, 0.08)
    grain = stream.standard_normal(view.shape, dtype=np.float32) * stream.uniform(0.0, 0.03)
    return np.clip(changed + grain, 0, 1).astype(np.float32)


def places(view: View, *, cells: int, rows: int, cols: int) -> Float[np.ndarray, "tokens 2"]:
    """Return where the centre of each of the view's cells lies in the picture: x, y in `[-1, 1]`, beyond that outside.

    Cells in reading order. In a mirrored view x counts from the other side, as in the mirrored picture.
    """
    along = (2 * np.arange(cells, dtype=np.float32) + 1) / cells - 1
    (a, b, x0), (c, d, y0) = view.affine
    x = (a * along[None, :] + b * along[:, None] + x0) * 2 / cols - 1
    y = (c * along[None, :] + d * along[:, None] + y0) * 2 / rows - 1
    return np.stack([-x if view.is_flipped else x, y], axis=-1).reshape(-1, 2).astype(np.float32)


def surroundings(image: Float[Tensor, "size size"], cells: int) -> Float[Tensor, "tokens squares"]:
    """Return for every cell the brightness of `SURROUNDINGS` x `SURROUNDINGS` squares around its centre, in reading order.

    About the mean of those squares, in units of 0.1 + their deviation's half; beyond the image its edge goes on.
    """
    squares = F.adaptive_avg_pool2d(image[None, None], 2 * cells)
    reach = (SURROUNDINGS - 2) // 2
    padded = F.pad(squares, (reach, reach, reach, reach), mode="replicate")
    around = F.unfold(padded, SURROUNDINGS, stride=2)[0].T
    centred = around - around.mean(1, keepdim=True)
    return centred / (0.02 + centred.std(1, keepdim=True))


@dataclass(frozen=True)
class Crops:
    """Training samples for self-supervision.

    Attributes:
        images: 8-bit pictures; nothing else is known of them.
        seed: of views, light and hidden cells.
        patch_px: pixels per cell.
        cells: rows and columns of a crop.
        shown: share of a crop's cells that is shown.
    """

    images: UInt8[np.ndarray, "images rows cols"]
    seed: int
    patch_px: int = 14
    cells: int = 16
    shown: float = 0.5

    def __len__(self) -> int:
        return len(self.images)

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        """Return `image [S, S]` in `[0, 1]`, and of the cells `shown [n]` the `place [n, 2]` and what is `around [n, squares]`."""
        stream = generator(self.seed, "crops", index, turn)
        rows, cols = self.images.shape[1:]
        view = sample_view(GEOMETRY, seed=self.seed, frame=index, number=turn, height=rows, width=cols)
        clean = render_image(self.images[index], view, self.cells * self.patch_px).copy()
        tokens = self.cells**2
        shown = np.sort(stream.permutation(tokens)[: round(self.shown * tokens)])
        return {
            "image": torch.from_numpy(relit(clean, stream)),
            "shown": torch.from_numpy(shown),
            "place": torch.from_numpy(places(view, cells=self.cells, rows=rows, cols=cols)[shown]),
            "around": surroundings(torch.from_numpy(clean), self.cells)[shown],
        }
