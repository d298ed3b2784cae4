"""Pairs of views of one image whose cells lie on each other: what lab-dino learns from, without any label.

Both views are cut from one rendered canvas at offsets of whole patches, so the cell at (row, column) of one is the cell at
(row + shift) of the other: the same content at another place of the grid, in another light. A view that is to be completed also
gets a mask of cells.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8

from agglo.core.seeds import generator
from agglo.data.views import ViewRecipe, render_image, sample_view

GEOMETRY = ViewRecipe(
    first_is_identity=False,
    rotation_deg=12.0,
    zoom=(0.75, 1.25),
    aspect=1.1,
    shift=0.08,
    flip_probability=0.5,
    gamma=(1.0, 1.0),
    gain=(1.0, 1.0),
    offset=(0.0, 0.0),
)


def relit(
    view: Float[np.ndarray, "size size"], stream: np.random.Generator
) -> Float[np.ndarray, "size size"]:
    """Return the view with another gamma, gain and offset and some grain, clipped to `[0, 1]`."""
    changed = view ** stream.uniform(0.65, 1.5) * stream.uniform(0.75, 1.25) + stream.uniform(-0.08, 0.08)
    grain = stream.standard_normal(view.shape, dtype=np.float32) * stream.uniform(0.0, 0.03)
    return np.clip(changed + grain, 0, 1).astype(np.float32)


def hidden_cells(
    stream: np.random.Generator, cells: int, share: float
) -> Bool[np.ndarray, "{cells} {cells}"]:
    """Return rectangles of hidden cells that together cover at least `share` of the grid."""
    hidden = np.zeros((cells, cells), dtype=bool)
    while hidden.mean() < share:
        rows, columns = stream.integers(2, max(3, cells // 2), 2)
        top, left = stream.integers(0, cells - rows + 1), stream.integers(0, cells - columns + 1)
        hidden[top : top + rows, left : left + columns] = True
    return hidden


@dataclass(frozen=True)
class ViewPairs:
    """Training samples for self-distillation.

    Attributes:
        images: 8-bit pictures; nothing else is known of them.
        seed: of views, offsets and hidden cells.
        patch_px: pixels per cell.
        cells: rows and columns of a view.
        slack: cells that the canvas is larger than a view.
        hidden: share of a view's cells that is hidden, at least.
    """

    images: UInt8[np.ndarray, "images rows cols"]
    seed: int
    patch_px: int = 14
    cells: int = 16
    slack: int = 5
    hidden: float = 0.5

    def __len__(self) -> int:
        return len(self.images)

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        """Return `seen` and `target` `[S, S]` in `[0, 1]`, `hidden [cells, cells]`, and `shift` (rows, columns).

        The cell of `seen` at (row, column) shows what `target` shows at (row + shift[0], column + shift[1]).
        """
        stream = generator(self.seed, "pairs", index, turn)
        rows, cols = self.images.shape[1:]
        view = sample_view(GEOMETRY, seed=self.seed, frame=index, number=turn, height=rows, width=cols)
        canvas = render_image(self.images[index], view, (self.cells + self.slack) * self.patch_px)
        places = stream.integers(0, self.slack + 1, (2, 2))
        side = self.cells * self.patch_px
        seen, target = (
            relit(canvas[top : top + side, left : left + side], stream)
            for top, left in places * self.patch_px
        )
        return {
            "seen": torch.from_numpy(seen),
            "target": torch.from_numpy(target),
            "hidden": torch.from_numpy(hidden_cells(stream, self.cells, self.hidden)),
            "shift": torch.from_numpy(places[0] - places[1]),
        }
