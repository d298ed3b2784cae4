"""Moving organs on the pixels of one image: exact masks, air and contrast along the beam."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from agglo.phantom.airway import STREAK_WIDTH_MM
from agglo.phantom.bolus import Bolus
from agglo.phantom.canvas import Patch, as_mask, fill, rounded
from agglo.phantom.curves import Points
from agglo.phantom.stream import POOL_WIDTH_MM, PYRIFORM_WIDTH_MM
from agglo.phantom.throat import Throat

AIR_CM: Mapping[str, float] = {"vestibule": 3.2, "trachea": 2.1, "nasopharynx": 2.8}
"""Widths of air spaces along the beam; that of the pharynx is `Throat.lumen_cm`."""

BESIDE_LEAF_CM = 0.8
"""Air that remains beside the epiglottis, which is narrower than the space it stands in."""


@dataclass(frozen=True)
class Moving:
    """What moves, drawn.

    Attributes:
        masks: by name; the moving structures and extras.
        air_cm, contrast_cm: along the beam; where both are, they lie side by side in one cavity.
        hyoid: patches of its body and horn.
        cartilage: patches of calcified larynx cartilage.
    """

    masks: Mapping[str, Bool[np.ndarray, "rows cols"]]
    air_cm: Float32[np.ndarray, "rows cols"]
    contrast_cm: Float32[np.ndarray, "rows cols"]
    hyoid: tuple[Patch, ...]
    cartilage: tuple[Patch, ...]


def _cavities(
    outlines: Mapping[str, Points], widths_cm: Mapping[str, float], side_px: int, spacing_mm: float
) -> tuple[dict[str, Patch], Float32[np.ndarray, "rows cols"]]:
    patches = {name: fill([outline], side_px, margin_px=2) for name, outline in outlines.items()}
    air = np.zeros((side_px, side_px), np.float32)
    for name, patch in patches.items():
        window = air[patch.window]
        np.maximum(window, np.float32(widths_cm[name]) * rounded(patch, 6.0 / spacing_mm), out=window)
    return patches, air


def _contrast(
    bolus: Bolus, to_image: Callable[[Points], Points], side_px: int, spacing_mm: float
) -> tuple[dict[str, Patch], Float32[np.ndarray, "rows cols"], dict[str, Patch]]:
    """Return patches of contrast in its place, its width along the beam, and patches of the streaks in the airway."""
    contrast = np.zeros((side_px, side_px), np.float32)
    parts = {
        "body": (bolus.body, bolus.body_width_mm / 10),
        "valleculae": (bolus.valleculae, POOL_WIDTH_MM / 10),
        "pyriforms": (bolus.pyriforms, PYRIFORM_WIDTH_MM / 10),
    }
    patches = {}
    for name, (outline, width_cm) in parts.items():
        patch = fill([to_image(outline)], side_px, margin_px=2)
        window = contrast[patch.window]
        np.maximum(window, np.float32(width_cm) * rounded(patch, 4.0 / spacing_mm), out=window)
        patches[name] = patch
    streaks = {
        "in_vestibule": fill([to_image(bolus.in_vestibule)], side_px),
        "below_folds": fill([to_image(bolus.below_folds)], side_px),
    }
    return patches, contrast, streaks


def draw_moving(
    throat: Throat,
    bolus: Bolus,
    closure: float,
    to_image: Callable[[Points], Points],
    side_px: int,
    spacing_mm: float,
) -> Moving:
    """Draw one moment; contrast never lies on the epiglottis, and in the airway only as a streak of penetration or aspiration."""
    names = ("pharynx", "vestibule", "trachea", "nasopharynx")
    outlines = {name: to_image(getattr(throat, name)) for name in names}
    cavities, air = _cavities(outlines, {**AIR_CM, "pharynx": throat.lumen_cm}, side_px, spacing_mm)
    pools, contrast, streaks = _contrast(bolus, to_image, side_px, spacing_mm)
    leaf = fill([to_image(throat.epiglottis)], side_px, margin_px=2)
    air[leaf.window] = (
        air[leaf.window] * (1 - leaf.cover) + np.float32(BESIDE_LEAF_CM * (1 - closure)) * leaf.cover
    )
    contrast[leaf.window] *= 1 - leaf.cover
    epiglottis = as_mask(leaf, side_px)
    airway = as_mask(cavities["vestibule"], side_px) & ~epiglottis
    trachea = as_mask(cavities["trachea"], side_px)
    invaded = {name: as_mask(patch, side_px) & ~epiglottis for name, patch in streaks.items()}
    barred = epiglottis | airway | trachea | invaded["in_vestibule"] | invaded["below_folds"]
    parts = {name: as_mask(patch, side_px) & ~barred for name, patch in pools.items()}
    contrast[airway | trachea] = 0
    for patch in streaks.values():
        window = contrast[patch.window]
        np.maximum(window, np.float32(STREAK_WIDTH_MM / 10) * patch.cover, out=window)
    whole = parts["body"] | parts["valleculae"] | parts["pyriforms"]
    zone = as_mask(fill([to_image(throat.zone)], side_px), side_px)
    hyoid = tuple(fill([to_image(outline)], side_px) for outline in throat.hyoid)
    lumen = as_mask(cavities["pharynx"], side_px) | (whole & zone)
    masks = {
        "bolus": whole | invaded["in_vestibule"] | invaded["below_folds"],
        "pharynx": lumen & ~barred,
        "trachea": trachea,
        "epiglottis": epiglottis,
        "hyoid": as_mask(hyoid[0], side_px) | as_mask(hyoid[1], side_px),
        "vestibule": airway,
        "zone": zone,
        **parts,
        **invaded,
    }
    cartilage = tuple(fill([to_image(outline)], side_px) for outline in throat.cartilage)
    return Moving(masks, air, contrast, hyoid, cartilage)
