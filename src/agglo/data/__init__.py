"""Frames, masks and what is known of them: the native format, other folders, splits, views. No model and no loss lives here.

Views need torch and are imported when first used, so that looking into a folder starts without it.
"""

from typing import TYPE_CHECKING, Any

from agglo.data.dataset import Dataset, Frame
from agglo.data.opening import open_dataset
from agglo.data.splits import Split, split_by
from agglo.data.states import State
from agglo.data.write import DatasetWriter, FrameInfo

if TYPE_CHECKING:
    from agglo.data.views import (
        View,
        ViewRecipe,
        identity_view,
        render_bits,
        render_coverage,
        render_image,
        render_labels,
        render_masks,
        sample_view,
    )

__all__ = [
    "Dataset",
    "DatasetWriter",
    "Frame",
    "FrameInfo",
    "Split",
    "State",
    "View",
    "ViewRecipe",
    "identity_view",
    "open_dataset",
    "render_bits",
    "render_coverage",
    "render_image",
    "render_labels",
    "render_masks",
    "sample_view",
    "split_by",
]

_VIEWS = (
    "View",
    "ViewRecipe",
    "identity_view",
    "render_bits",
    "render_coverage",
    "render_image",
    "render_labels",
    "render_masks",
    "sample_view",
)


def __getattr__(name: str) -> Any:
    if name not in _VIEWS:
        raise AttributeError(f"module 'agglo.data' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("agglo.data.views"), name)
