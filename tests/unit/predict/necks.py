"""A drawn neck for tests: twelve masks whose places are known, and a predictor that reads masks off a picture."""

import numpy as np

from agglo.predict import ModelConfig, Predictor
from agglo.predict.predictor import Segmentation

NAMES = ("bolus", "pharynx", "trachea", "epiglottis", "mandible", *(f"C{level}" for level in range(1, 8)))
SIZE = (160, 160)
PLACES = {  # centre (column, row), width and height: facing right, C2-C4 corners 32 px apart
    "bolus": (82, 70, 6, 20),
    "pharynx": (82, 70, 12, 40),
    "trachea": (90, 120, 10, 30),
    "epiglottis": (90, 66, 4, 12),
    "mandible": (110, 40, 50, 20),
    **{f"C{level}": (60, 18 + 16 * level, 15, 13) for level in range(1, 8)},
}


def neck(*without: str, shift: tuple[int, int] = (0, 0), **moved: tuple[int, int]) -> np.ndarray:
    """Return the masks `[12, 160, 160]`; `without` some, all shifted by columns and rows, some `moved` by columns and rows."""
    masks = np.zeros((len(NAMES), *SIZE), np.bool_)
    for index, name in enumerate(NAMES):
        if name in without:
            continue
        col, row, width, height = PLACES[name]
        right, down = moved.get(name, (0, 0))
        left, top = col - width // 2 + right + shift[0], row - height // 2 + down + shift[1]
        masks[index, max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)] = True
    return masks


def picture(grey: int = 120, seed: int = 0) -> np.ndarray:
    """Return a lit picture with noise that differs by `seed`."""
    noise = np.random.default_rng(seed).integers(-20, 20, SIZE)
    return (grey + noise).astype(np.uint8)


class Fixed(Predictor):
    """A predictor that finds the same neck in every picture, and counts how often it is asked."""

    def __init__(self, masks: np.ndarray | None = None) -> None:
        self.masks_given = neck() if masks is None else masks
        self.asked = 0
        self.stop_at: int | None = None
        notes = ("Research use only, not a medical device", "PHANTOM: made from synthetic images")
        self.config = ModelConfig("fixed", {}, {}, NAMES, 64, (0.0,) * 3, (1.0,) * 3, notes=notes)

    def segment(self, image: np.ndarray) -> Segmentation:
        """Return the same masks, cut to the picture's size, all of them sure."""
        if self.asked == self.stop_at:
            raise KeyboardInterrupt
        self.asked += 1
        rows, cols = image.shape
        masks = self.masks_given[:, :rows, :cols]
        return Segmentation(masks, np.where(masks.any((1, 2)), 0.95, np.nan))
