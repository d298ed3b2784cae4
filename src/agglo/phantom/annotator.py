"""The three kinds of mask of a frame: exact, what can be seen of it, and as a person might have drawn it.

An annotator errs smoothly, by one to two pixels, and leaves out what can hardly be seen.
"""

from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import distance_transform_edt, gaussian_filter

from agglo.core.seeds import generator
from agglo.phantom.frame import PhantomFrame
from agglo.phantom.structures import ABSENT, NOT_ASSESSABLE, PRESENT, STRUCTURES

MaskKind = Literal["exact", "visible", "annotator"]

ERROR_PX: Final = 1.6
"""Standard deviation of where an annotator puts an edge; its mean distance from the true one is then about 1.3 pixels."""

SMOOTH_PX: Final = 9.0
"""Over which the error changes along an edge."""

LEFT_OUT_BELOW: Final = 0.3
"""Visible share below which an annotator leaves C7 out."""

_REACH = 6


def masks_as(
    frame: PhantomFrame, kind: MaskKind, key: tuple[int | str, ...]
) -> tuple[Bool[np.ndarray, "structures size size"], tuple[str, ...]]:
    """Return a frame's masks as one kind, with the states that go with them.

    A structure of which nothing is left to see or to draw is not assessable.

    Args:
        frame: what was rendered.
        kind: exact, visible or annotator.
        key: of the frame in random streams.
    """
    if kind == "exact":
        return frame.masks, frame.states
    if kind == "visible":
        masks = frame.visible_masks
        left_out = [state == PRESENT and not m.any() for state, m in zip(frame.states, masks, strict=True)]
    else:
        drawn = [redrawn(mask, (*key, name)) for name, mask in zip(STRUCTURES, frame.masks, strict=True)]
        masks = np.stack(drawn)
        hidden = np.asarray(frame.truth.visible_fraction) < LEFT_OUT_BELOW
        left_out = [bool(hidden[k]) and name == "C7" for k, name in enumerate(STRUCTURES)]
    masks = masks & ~np.array(left_out)[:, None, None]
    states = []
    for state, mask, is_out in zip(frame.states, masks, left_out, strict=True):
        gone = (is_out and state != ABSENT) or (state == PRESENT and not mask.any())
        states.append(NOT_ASSESSABLE if gone else state)
    return masks, tuple(states)


def redrawn(mask: Bool[np.ndarray, "size size"], key: tuple[int | str, ...]) -> Bool[np.ndarray, "size size"]:
    """Return `mask` with its edge moved in and out smoothly; one without any edge in the picture stays as it is.

    Where a structure leaves the picture there is no edge to err about.
    """
    rows, cols = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if rows.size == 0 or mask.all():
        return mask.copy()
    first, left = max(int(rows[0]) - _REACH, 0), max(int(cols[0]) - _REACH, 0)
    box = slice(first, int(rows[-1]) + 1 + _REACH), slice(left, int(cols[-1]) + 1 + _REACH)
    inside = np.pad(mask[box], 1, mode="edge")
    outside = distance_transform_edt(~inside)
    depth: Float[np.ndarray, "rows cols"] = distance_transform_edt(inside) - outside
    depth -= np.where(inside, 0.5, -0.5)  # from the edge, which lies between two pixels
    error = gaussian_filter(generator("phantom annotator", *key).standard_normal(depth.shape), SMOOTH_PX)
    error *= ERROR_PX / max(float(error.std()), 1e-9)
    moved = depth + np.clip(error, -3.5, 3.5) > 0
    result = np.zeros_like(mask)
    result[box] = moved[1:-1, 1:-1]
    return result if result.any() else mask.copy()
