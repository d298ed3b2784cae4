"""Frames, masks and what is known of them: the native format, other folders, splits, views. No model and no loss lives here."""

from agglo.data.dataset import Dataset, Frame
from agglo.data.opening import open_dataset
from agglo.data.splits import Split, split_by
from agglo.data.states import State
from agglo.data.views import (
    View,
    ViewRecipe,
    identity_view,
    render_bits,
    render_coverage,
    render_image,
    render_masks,
    sample_view,
)
from agglo.data.write import DatasetWriter, FrameInfo

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
    "render_masks",
    "sample_view",
    "split_by",
]
